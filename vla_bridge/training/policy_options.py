"""The options `--policy.NAME`: which policy, and how it is sized; decoded by LeRobot's own configuration class."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import draccus
import lerobot.policies  # noqa: F401 - registers LeRobot's own policy types
from draccus.utils import DraccusException
from lerobot.configs import PreTrainedConfig

import vla_bridge.policies  # noqa: F401 - registers ours
from robots.errors import UsageError
from robots.finite import check_finite

TYPE = "type"
OURS = ("film", "pi0_mini")
SET_HERE = ("device", "input_features", "output_features", "pretrained_path", "push_to_hub")


def policy_config(options: Mapping[str, Any], device: str) -> PreTrainedConfig:
    """Return the configuration of a new policy; its features are left open.

    Args:
        options: `type`, and fields of that type's configuration, as plain values.
        device: Torch device.

    Raises:
        UsageError: A name or a value is not valid; one sentence with the valid choices.
    """
    known = PreTrainedConfig.get_known_choices()
    if TYPE not in options:
        raise UsageError(f"Name the policy with --policy.type, for instance {' or '.join(OURS)}.")
    if options[TYPE] not in known:
        raise UsageError.unknown("policy type", str(options[TYPE]), known)
    names = policy_fields(str(options[TYPE]))
    for name in options:
        if name != TYPE and name.split(".")[0] not in names:
            raise UsageError.unknown("option", f"--policy.{name}", [f"--policy.{field}" for field in names])
    return _decode(known[options[TYPE]], {**options, "device": device, "push_to_hub": False})


def policy_fields(name: str) -> tuple[str, ...]:
    """Return the fields of a policy type's configuration that can be chosen."""
    fields = dataclasses.fields(PreTrainedConfig.get_known_choices()[name])
    return tuple(field.name for field in fields if field.init and field.name not in SET_HERE)


def _decode(kind: type[PreTrainedConfig], values: Mapping[str, Any]) -> PreTrainedConfig:
    given = {name: value for name, value in values.items() if name != TYPE}
    tokens = [token for name, value in given.items() for token in (f"--{name}", _as_text(value))]
    try:
        config = draccus.parse(kind, args=tokens, exit_on_error=False)
    # draccus and the checks of LeRobot's configurations, which are other people's, say no in all of these ways.
    except (DraccusException, argparse.ArgumentError, ValueError, TypeError, NotImplementedError) as error:
        raise UsageError(f"--policy: {' '.join(str(error).replace('`', '').split())}") from error
    check_finite(config, "--policy")
    return config


def _as_text(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else json.dumps(value)
