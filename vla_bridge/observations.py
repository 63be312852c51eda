"""From the robot's observation to the arrays that a policy's schema names, and the check that this is possible.

| name | array |
|---|---|
| `observation.images.<camera>` | uint8 (h, w, 3), RGB, in the size that the policy declares; -1: the camera's own |
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

from robots.errors import SchemaError, SpecError
from robots.images import resized, same_aspect
from robots.specs import ArraySpec
from robots.types import ActionSpace, Image, Observation, RobotDescription
from vla_bridge.messages import PolicySchema

IMAGES = "observation.images."
PRIVILEGED = "privileged."
TWIST_DIM = 6
# What a robot takes in each space, see `ActionSpace`.
ACTION_UNITS: Mapping[ActionSpace, str] = {
    ActionSpace.CARTESIAN_VELOCITY: "m/s, rad/s",
    ActionSpace.JOINT_VELOCITY: "rad/s",
    ActionSpace.JOINT_POSITION: "rad",
}

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
    if schema.action.unit != (unit := ACTION_UNITS[schema.action_space]):
        raise SchemaError(f"actions: {schema.policy} gives {schema.action.unit}, {description.name} takes {unit}.")


def assemble(
    observation: Observation, schema: PolicySchema, privileged: PrivilegedState | None
) -> dict[str, NDArray[Any]]:
    """Return one array per entry of the schema, in its dtype and size. An image that fits is passed on without a copy.

    Raises:
        SchemaError: The observation lacks an array, or an image cannot have its size; the message names it.
    """
    secret = privileged() if privileged is not None and _needs_privileged(schema) else {}
    arrays: dict[str, NDArray[Any]] = {}
    for spec in schema.observation:
        if spec.name.startswith(IMAGES):
            arrays[spec.name] = _fitted(_lookup(observation.images, spec.name.removeprefix(IMAGES), spec), spec)
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
    if spec.name in cameras:
        _check_image(description.name, spec, cameras[spec.name])
        return
    if len(spec.shape) != len(offered[spec.name]) or any(
        want not in (-1, got) for want, got in zip(spec.shape, offered[spec.name], strict=True)
    ):
        raise SchemaError(f"{spec.name}: the policy needs {spec.shape}, {description.name} gives {offered[spec.name]}.")


def _check_image(robot: str, spec: ArraySpec, offered: tuple[int, ...]) -> None:
    """Check that an image can have the size that the policy declares, without distortion."""
    if len(spec.shape) != 3 or spec.shape[2] not in (-1, 3) or spec.dtype != "uint8":
        raise SchemaError(f"{spec.name}: the policy needs {spec.dtype} {spec.shape}, {robot} gives uint8 {offered}.")
    wanted = _size(spec, offered)
    if not same_aspect((offered[0], offered[1]), wanted):
        raise SchemaError(
            f"{spec.name}: the camera of {robot} gives {offered[0]} x {offered[1]} pixels (height x width) and the "
            f"policy needs {wanted[0]} x {wanted[1]}, which would distort the image; set the camera to that aspect "
            "ratio, or declare `resize: policy` for it in the profile if the policy pads its images itself."
        )


def _fitted(image: Image, spec: ArraySpec) -> Image:
    try:
        return resized(image, *_size(spec, image.shape))
    except SpecError as error:
        raise SchemaError(f"{spec.name}: {error}") from None


def _size(spec: ArraySpec, offered: tuple[int, ...]) -> tuple[int, int]:
    """Return the wanted height and width [px]; -1 stands for the camera's own."""
    height, width = (own if want == -1 else want for want, own in zip(spec.shape[:2], offered[:2], strict=True))
    return height, width


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
