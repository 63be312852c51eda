"""`baton serve`: the policy server in the foreground."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handoff.commands.options import CONFIG_OPTION, option_kinds, option_lines, read_yaml, split_options
from robots.errors import UsageError

DEFAULT_BACKEND = "expert"


def help_lines(_command: str) -> list[str]:
    """The options of the server, then those of each backend."""
    from vla_bridge.backends.base import BackendConfig
    from vla_bridge.serve import ServeConfig

    lines = [f"  --backend.type NAME   Policy backend: {', '.join(BackendConfig.get_known_choices())}"]
    lines += option_lines(ServeConfig)
    for name, choice in BackendConfig.get_known_choices().items():
        lines += ["", f"options of --backend.type={name}:", *option_lines(choice, prefix="backend.")[:-1]]
    return lines


def run(_command: str, arguments: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        UsageError: An option, a YAML key or a value is not valid.
        ServerError: The port is taken, or the policy failed to load.
    """
    import logging

    from vla_bridge.serve import parse, serve

    config = parse(_checked(arguments))
    logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serve(config)
    return 0


def _checked(arguments: Sequence[str]) -> list[str]:
    """Return the arguments in draccus's form, once every name in them and in the YAML file is known."""
    file = _yaml_of(arguments)
    backend = file.get("backend")
    from_file = backend.get("type") if isinstance(backend, Mapping) else None
    known = _known(_named_backend(arguments) or from_file or DEFAULT_BACKEND)
    given = split_options(arguments, known)
    for name in _flat(file):
        if name not in known:
            raise UsageError.unknown("key", name, known, where=given[CONFIG_OPTION])
    if "backend.type" not in given and from_file is None:
        given["backend.type"] = DEFAULT_BACKEND
    return [f"--{name}={json.loads(value) if value.startswith('"') else value}" for name, value in given.items()]


def _known(backend: str) -> dict[str, Any]:
    from vla_bridge.backends.base import BackendConfig
    from vla_bridge.serve import ServeConfig

    choice = BackendConfig.get_choice_class(backend)
    return {"backend.type": str, **option_kinds(choice, prefix="backend."), **option_kinds(ServeConfig)}


def _named_backend(arguments: Sequence[str]) -> str:
    """Return the value of `--backend.type`, or an empty string."""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == "--backend.type":
            return value if equals else following
    return ""


def _yaml_of(arguments: Sequence[str]) -> dict[str, Any]:
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in (f"--{CONFIG_OPTION}", "--config"):
            return read_yaml(Path(value if equals else following))
    return {}


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in values.items():
        inner = isinstance(value, Mapping) and not prefix
        names += _flat(value, f"{key}.") if inner else [f"{prefix}{key}"]
    return names
