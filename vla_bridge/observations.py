"""From the robot's observation to the arrays that a policy's schema names, and the check that this is possible.

| name | array |
|---|---|
| `observation.images.<camera>` | uint8 (h, w, 3), RGB |
| `observation.state` | float32 (n + 1,): joint positions [rad], then the gripper, 0.0 open to 1.0 closed |
| `observation.joint_positions` | float32 (n,) [rad] |
| `observation.joint_velocities` | float32 (n,) [rad/s] |
| `observation.gripper` | float32 (1,) |
| `observation.gripper_to_world` | float32 (4, 4) |
| `privileged.<name>` | what the simulation tells; refused on a robot that has no such source |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import SchemaError
from robots.specs import ArraySpec
from robots.types import ActionSpace, Observation, RobotDescription
from vla_bridge.messages import PolicySchema

IMAGES = "observation.images."
PRIVILEGED = "privileged."
TWIST_DIM = 6

type PrivilegedState = Callable[[], Mapping[str, NDArray[Any]]]


def check_robot(description: RobotDescription, schema: PolicySchema, *, privileged: bool) -> None:
    """Check, before anything moves, that a robot can feed and execute a policy.

    Args:
        description: The robot.
        schema: What the policy needs and gives.
        privileged: Whether a source of privileged arrays exists.

    Raises:
        SchemaError: It cannot; the message names the first field that does not fit.
    """
    for spec in schema.observation:
        _check_input(description, spec, privileged=privileged)
    if schema.action_space not in description.action_spaces:
        spaces = ", ".join(description.action_spaces)
        raise SchemaError(f"actions: {schema.policy} acts in {schema.action_space}, {description.name} takes {spaces}.")
    width = TWIST_DIM if schema.action_space is ActionSpace.CARTESIAN_VELOCITY else len(description.joint_names)
    if schema.action_dim != width:
        raise SchemaError(
            f"actions: {schema.policy} gives {schema.action_dim} values, {description.name} takes {width}."
        )


def assemble(
    observation: Observation, schema: PolicySchema, privileged: PrivilegedState | None
) -> dict[str, NDArray[Any]]:
    """Return one array per entry of the schema, in its dtype. Images are passed on without a copy.

    Raises:
        SchemaError: The observation lacks an array; the message names it.
    """
    secret = privileged() if privileged is not None and _needs_privileged(schema) else {}
    arrays: dict[str, NDArray[Any]] = {}
    for spec in schema.observation:
        if spec.name.startswith(IMAGES):
            arrays[spec.name] = _lookup(observation.images, spec.name.removeprefix(IMAGES), spec)
        elif spec.name.startswith(PRIVILEGED):
            arrays[spec.name] = np.asarray(_privileged_entry(secret, spec), dtype=spec.dtype)
        else:
            arrays[spec.name] = np.asarray(_lookup(_SOURCES, spec.name, spec)(observation), dtype=spec.dtype)
    return arrays


_SOURCES: Mapping[str, Callable[[Observation], NDArray[Any]]] = {
    "observation.state": lambda o: np.append(o.joint_positions_rad, o.gripper),
    "observation.joint_positions": lambda o: o.joint_positions_rad,
    "observation.joint_velocities": lambda o: o.joint_velocities_rad_s,
    "observation.gripper": lambda o: np.array([o.gripper]),
    "observation.gripper_to_world": lambda o: o.gripper_to_world,
}


def _shapes(joints: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_SOURCES, (joints,))
    return shapes | {
        "observation.state": (joints + 1,),
        "observation.gripper": (1,),
        "observation.gripper_to_world": (4, 4),
    }


def _check_input(description: RobotDescription, spec: ArraySpec, *, privileged: bool) -> None:
    if spec.name.startswith(PRIVILEGED):
        if not privileged:
            raise SchemaError(f"{spec.name}: the policy needs what only a simulation can tell.")
        return
    cameras = {
        f"{IMAGES}{name}": (camera.height_px, camera.width_px, 3) for name, camera in description.cameras.items()
    }
    offered = _shapes(len(description.joint_names)) | cameras
    if spec.name not in offered:
        raise SchemaError(f"{spec.name}: {description.name} does not have it; it has {', '.join(sorted(offered))}.")
    if len(spec.shape) != len(offered[spec.name]) or any(
        want not in (-1, got) for want, got in zip(spec.shape, offered[spec.name], strict=True)
    ):
        raise SchemaError(f"{spec.name}: the policy needs {spec.shape}, {description.name} gives {offered[spec.name]}.")


def _needs_privileged(schema: PolicySchema) -> bool:
    return any(spec.name.startswith(PRIVILEGED) for spec in schema.observation)


def _privileged_entry(secret: Mapping[str, NDArray[Any]], spec: ArraySpec) -> NDArray[Any]:
    """Accept the source's keys with or without the prefix."""
    bare = spec.name.removeprefix(PRIVILEGED)
    return secret[spec.name] if spec.name in secret else _lookup(secret, bare, spec)


def _lookup[T](values: Mapping[str, T], key: str, spec: ArraySpec) -> T:
    if key not in values:
        raise SchemaError(f"{spec.name}: not in the observation, which holds {', '.join(sorted(values)) or 'nothing'}.")
    return values[key]
