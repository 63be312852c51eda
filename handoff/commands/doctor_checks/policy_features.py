"""Can this robot feed and execute this policy? Answered from names and shapes, before anything is connected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.commands.doctor_checks.finding import Finding
from robots.errors import CheckpointError

NAME = "policy features"
IMAGES, STATE, ACTION = "observation.images.", "observation.state", "action"
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """What crosses between a robot and a policy, in LeRobot's names.

    Attributes:
        cameras: Image shape (h, w, 3) by camera.
        states: Number of state values.
        actions: Number of action values.
        others: Further inputs by name, with their shapes.
    """

    cameras: Mapping[str, Shape]
    states: int
    actions: int
    others: Mapping[str, Shape]

    @classmethod
    def of_robot(cls, observation: Mapping[str, Any], action: Mapping[str, Any]) -> Features:
        """Read a LeRobot robot's flat features; only scalars that end in `.pos` or `.vel` reach a policy."""
        return cls(
            cameras={name: tuple(kind) for name, kind in observation.items() if isinstance(kind, tuple | list)},
            states=sum(_reaches_policy(name, kind) for name, kind in observation.items()),
            actions=sum(_reaches_policy(name, kind) for name, kind in action.items()),
            others={},
        )

    @classmethod
    def of_policy(cls, folder: Path) -> Features:
        """Read a LeRobot policy folder's `config.json`; image shapes are turned to (h, w, 3).

        Raises:
            CheckpointError: The file is missing, damaged, or describes no features.
        """
        path = folder / "config.json"
        try:
            config = json.loads(path.read_text())
            inputs = {name: tuple(map(int, value["shape"])) for name, value in config["input_features"].items()}
            outputs = {name: tuple(map(int, value["shape"])) for name, value in config["output_features"].items()}
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CheckpointError(f"{path} does not describe input_features and output_features.") from None
        known = {name for name in inputs if name.startswith(IMAGES)} | {STATE}
        return cls(
            cameras={n.removeprefix(IMAGES): (*s[1:], s[0]) for n, s in inputs.items() if n.startswith(IMAGES)},
            states=sum(inputs.get(STATE, ())),
            actions=sum(outputs.get(ACTION, ())),
            others={name: shape for name, shape in inputs.items() if name not in known},
        )


def check_policy_features(robot: Features, folder: Path, renamed: Mapping[str, str]) -> list[Finding]:
    """Compare a robot with a policy folder: one finding per camera or state that is missing or does not fit.

    Args:
        robot: What the robot offers.
        folder: The policy's folder.
        renamed: The policy's camera names to the robot's, where they differ.
    """
    try:
        policy = Features.of_policy(folder)
    except CheckpointError as error:
        return [Finding(NAME, str(error), "Name a folder with config.json and model.safetensors: --vla.policy_path")]
    findings = [
        *(_camera(name, shape, robot, renamed.get(name, name)) for name, shape in policy.cameras.items()),
        _width("state values", policy.states, robot.states),
        _width("action values", policy.actions, robot.actions),
        *(_other(name, shape) for name, shape in policy.others.items()),
    ]
    wrong = [finding for finding in findings if not finding.passed]
    return wrong or [Finding(NAME, f"{len(policy.cameras)} cameras, {policy.states} states, {policy.actions} actions")]


def _camera(name: str, shape: Shape, robot: Features, on_robot: str) -> Finding:
    found = robot.cameras.get(on_robot)
    if found is None:
        offered = ", ".join(sorted(robot.cameras)) or "none"
        remedy = f"Add the camera to the robot, or map one of its own ({offered}): --vla.cameras {name}=CAMERA"
        return Finding(NAME, f"the policy needs the camera {name!r}, which the robot does not have", remedy)
    if tuple(found) != tuple(shape):
        remedy = f"Set the camera to {shape[1]}x{shape[0]} pixels, or train the policy at {found[1]}x{found[0]}."
        return Finding(NAME, f"the policy needs {name!r} as {shape}, the robot gives {found}", remedy)
    return Finding(NAME, name)


def _width(what: str, wanted: int, given: int) -> Finding:
    if wanted in (0, given):
        return Finding(NAME, what)
    remedy = "Use a policy that was trained on this robot, with the same joints in the same order."
    return Finding(NAME, f"the policy has {wanted} {what}, the robot {given}", remedy)


def _other(name: str, shape: Shape) -> Finding:
    remedy = "Use a policy of images and joint states only."
    return Finding(NAME, f"the policy needs {name!r} {shape}, which no robot gives", remedy)


def _reaches_policy(name: str, kind: object) -> bool:
    return not isinstance(kind, tuple | list) and name.endswith((".pos", ".vel"))
