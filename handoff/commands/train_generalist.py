"""`baton train-generalist`: train a policy that grasps, by LeRobot's trainer; a kept run folder is continued."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from handoff import console
from handoff.commands.options import ALIASES, CONFIG_OPTION, option_kinds, option_lines, parse_options, read_yaml
from robots.errors import UsageError

POLICY = "policy"
PREFIX = f"{POLICY}."


def help_lines(_command: str) -> list[str]:
    """The options of `vla_bridge.training.config.GeneralistConfig`, and how the policy's own are written."""
    from vla_bridge.training.config import GeneralistConfig

    return [
        *option_lines(GeneralistConfig),
        "and how the policy is built and optimised, named as in LeRobot's own commands:",
        "  --policy.type TEXT  film, pi0_mini, or any of LeRobot's types that can read these columns",
        "  --policy.NAME X     a field of that type's configuration, for instance --policy.optimizer_lr 0.0005",
    ]


def run(_command: str, arguments: Sequence[str]) -> int:
    """Train and print where the policy folder lies.

    Raises:
        UsageError: An option, the dataset or the run folder cannot be used.
        CheckpointError: The checkpoint that the run would be continued from is damaged.
    """
    from vla_bridge.training.config import GeneralistConfig

    own, policy = gathered(GeneralistConfig, arguments)
    config = parse_options(GeneralistConfig, own)
    from vla_bridge.training.trainer import train  # torch, which takes seconds: mistakes above are told at once

    folder = train(config, policy, shlex.join(["baton", "train-generalist", *arguments]))
    console.line(f"policy         {folder}")
    console.line(f"serve          baton serve --backend.type lerobot --backend.path {folder}")
    return 0


def gathered(options: type[Any], arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the arguments that are not the policy's, those of the YAML file first, and the policy's options by name.

    Raises:
        UsageError: A key of the file is unknown, or an option has no value.
    """
    own, policy, path = _split(arguments)
    if path is None:
        return own, policy
    known, values = option_kinds(options), read_yaml(path)
    chosen = values.pop(POLICY, {})
    if not isinstance(chosen, dict):
        raise UsageError(f"{POLICY} in {path} must hold `key: value` lines, not {chosen!r}.")
    for name in values:
        if name not in known:
            raise UsageError.unknown("key", str(name), [*known, POLICY], where=str(path))
    return [f"--{name}={_text(value)}" for name, value in values.items()] + own, chosen | policy


def _split(arguments: Sequence[str]) -> tuple[list[str], dict[str, Any], Path | None]:
    """Part the arguments into ours, the policy's, and the configuration file."""
    own: list[str] = []
    taken: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        token = rest.pop(0)
        name, equals, value = token.partition("=")
        name = ALIASES.get(name.removeprefix("--"), name.removeprefix("--"))
        if not token.startswith("--") or not name.startswith((PREFIX, CONFIG_OPTION)):
            own.append(token)
        else:
            taken[name] = value if equals else _value(name, rest)
    file = taken.pop(CONFIG_OPTION, None)
    policy = {name.removeprefix(PREFIX): yaml.safe_load(value) for name, value in taken.items()}
    return own, policy, None if file is None else Path(file)


def _value(name: str, rest: list[str]) -> str:
    if not rest or rest[0].startswith("--"):
        raise UsageError(f"Option --{name} needs a value.")
    return rest.pop(0)


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
