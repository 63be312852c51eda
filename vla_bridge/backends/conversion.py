"""Between what a policy was trained on and what a robot takes: pure functions of a profile and arrays.

Nothing is guessed and nothing out of bounds passes: a value that is not finite, beyond the profile's bounds, or plainly
in another unit is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from robots.errors import PlanningError, SpecError
from robots.types import ActionSpace, Float
from vla_bridge.backends.base import Prediction
from vla_bridge.conventions import (
    ActionProfile,
    Frame,
    GripperAction,
    Part,
    Reference,
    StatePart,
    StateProfile,
)
from vla_bridge.profiles import GeneralistProfile

STATE = "observation.state"
JOINTS = "observation.joint_positions"
JOINT_SPEEDS = "observation.joint_velocities"
GRIPPER = "observation.gripper"
POSE = "observation.gripper_to_world"
TWIST_NAMES = ("x", "y", "z", "rx", "ry", "rz")
GRIPPER_SLACK = 1.0  # [share of the way from open to closed]: a value further out is in another unit

type Arrays = Mapping[str, NDArray[Any]]

_SOURCE_OF: Mapping[StatePart, str] = {
    StatePart.JOINT_POSITIONS: JOINTS,
    StatePart.JOINT_VELOCITIES: JOINT_SPEEDS,
    StatePart.GRIPPER: GRIPPER,
    StatePart.GRIPPER_POSITION: POSE,
    StatePart.GRIPPER_ROTATION_VECTOR: POSE,
    StatePart.GRIPPER_QUATERNION: POSE,
}


def sources(profile: GeneralistProfile, *, state: bool) -> tuple[str, ...]:
    """Return the robot's arrays that the state and the actions are computed from.

    Args:
        profile: The profile.
        state: Whether the policy has a state at all.
    """
    needed: list[str] = []
    if state and profile.state is not None:
        needed += [STATE] if profile.state.as_sent else [_SOURCE_OF[part] for part in profile.state.layout]
    action = profile.action
    if action.frame is Frame.GRIPPER:
        needed.append(POSE)
    if action.space is ActionSpace.JOINT_POSITION and action.reference is not Reference.ABSOLUTE:
        needed.append(JOINTS)
    if Part.GRIPPER in action.layout and action.gripper.reference is not Reference.ABSOLUTE:
        needed.append(GRIPPER)
    return tuple(dict.fromkeys(needed))


def state_of(profile: StateProfile, arrays: Arrays) -> NDArray[np.float32]:
    """Return the policy's `observation.state`, (s,), from the robot's arrays."""
    if profile.as_sent:
        return np.asarray(arrays[STATE], dtype=np.float32)
    return np.concatenate([_STATE_PARTS[part](profile, arrays) for part in profile.layout]).astype(np.float32)


def to_prediction(profile: GeneralistProfile, values: Float, arrays: Arrays) -> Prediction:
    """Return a policy's chunk as the robot takes it.

    Args:
        profile: What the values mean.
        values: (k, m + others), as the policy's postprocessor gives them.
        arrays: The robot's arrays of the observation that the chunk was computed from, see `sources`.

    Raises:
        SpecError: A value is not finite, outside the profile's bounds, or in another unit.
        PlanningError: The policy refuses.
    """
    action = profile.action
    parts = action.slices(values.shape[1] - action.others)
    _check_finite(values, parts)
    if Part.REFUSE in parts:
        _check_refusal(profile, float(values[:, parts[Part.REFUSE]].mean()))
    motion = _motion(profile, values[:, parts[Part.MOTION]].astype(np.float64), arrays)
    motion = _bounded(profile, motion)
    if action.frame is Frame.GRIPPER:
        motion = to_world(motion, np.asarray(arrays[POSE])[:3, :3], 1.0 / profile.control_hz)
    gripper = None
    if Part.GRIPPER in parts:
        measured = arrays.get(GRIPPER)
        start = 0.0 if measured is None else float(measured[0])
        gripper = gripper_of(action.gripper, values[:, parts[Part.GRIPPER]][:, 0], start)
    return Prediction(np.ascontiguousarray(motion, dtype=np.float32), gripper)


def to_world(twists: Float, rotation: Float, dt_s: float) -> Float:
    """Return twists given in the gripper's own frame in world axes, its rotation integrated over the chunk.

    With R_0 the rotation of the observation and w_i the angular velocity in the gripper's frame:
    R_(i+1) = R_i exp(dt w_i), and both velocities of step i are turned by R_i (Murray, Li, Sastry: A Mathematical
    Introduction to Robotic Manipulation, 1994, sections 2.3 and 2.4).

    Args:
        twists: (k, 6) linear [m/s] and angular [rad/s] velocity of the gripper point.
        rotation: (3, 3) gripper to world at the observation.
        dt_s: Time between two actions [s].

    Returns:
        (k, 6) in world axes.
    """
    steps = Rotation.from_rotvec(twists[:, 3:] * dt_s).as_matrix()
    turned, current = np.empty_like(twists), np.asarray(rotation, dtype=twists.dtype)
    for index, twist in enumerate(twists):
        turned[index] = (twist.reshape(2, 3) @ current.T).reshape(6)
        current = current @ steps[index]
    return turned


def gripper_of(action: GripperAction, values: Float, measured: float) -> NDArray[np.float32]:
    """Return gripper targets, (k,), 0.0 open to 1.0 closed.

    Args:
        action: What the values mean.
        values: (k,) of the policy.
        measured: The gripper at the observation, 0.0 open to 1.0 closed.

    Raises:
        SpecError: A value is so far outside open and closed that it must be in another unit.
    """
    span = action.closed - action.open
    if action.reference is Reference.ABSOLUTE:
        closed = (values - action.open) / span
    else:
        change = np.cumsum(values) if action.reference is Reference.STEP else values
        closed = measured + change / span
    worst = int(np.argmax(np.abs(closed - 0.5)))
    if not -GRIPPER_SLACK <= closed[worst] <= 1.0 + GRIPPER_SLACK:
        raise SpecError(
            f"actions: gripper is {values[worst]:.4g} at step {worst}, but the profile says that {action.open:g} is "
            f"open and {action.closed:g} is closed."
        )
    if action.threshold is not None:
        closed = np.where(closed > action.threshold, 1.0, 0.0)
    return np.clip(closed, 0.0, 1.0).astype(np.float32)


def _motion(profile: GeneralistProfile, values: Float, arrays: Arrays) -> Float:
    """Return the motion in metres and radians, (k, m); per second for speeds."""
    action = profile.action
    physical = action.units.physical(values)
    if action.space is not ActionSpace.JOINT_POSITION:
        return physical * profile.control_hz if action.reference is Reference.STEP else physical
    if action.reference is Reference.ABSOLUTE:
        return physical
    change = np.cumsum(physical, axis=0) if action.reference is Reference.STEP else physical
    return np.asarray(arrays[JOINTS], dtype=np.float64) + change


def _bounded(profile: GeneralistProfile, motion: Float) -> Float:
    action = profile.action
    low, high = np.array(action.low or (-np.inf,)), np.array(action.high or (np.inf,))
    if action.clip:
        return np.clip(motion, low, high)
    outside = np.argwhere((motion < low) | (motion > high))
    if outside.size:
        step, column = (int(index) for index in outside[0])
        bounds = (np.broadcast_to(bound, motion.shape[1])[column] for bound in (low, high))
        raise SpecError(
            f"actions: {value_name(action, column)} is {motion[step, column]:.4g} at step {step}, outside the "
            f"{' to '.join(f'{bound:g}' for bound in bounds)} of the profile {profile.name}."
        )
    return motion


def value_name(action: ActionProfile, column: int) -> str:
    """Return how a message calls one value of the motion."""
    return TWIST_NAMES[column] if action.space is ActionSpace.CARTESIAN_VELOCITY else f"joint {column + 1}"


def _check_finite(values: Float, parts: Mapping[Part, slice]) -> None:
    broken = np.argwhere(~np.isfinite(values))
    if broken.size:
        step, column = (int(index) for index in broken[0])
        part = next(part for part, where in parts.items() if where.start <= column < where.stop)
        raise SpecError(f"actions: value {column} ({part}) is {values[step, column]} at step {step}, not finite.")


def _check_refusal(profile: GeneralistProfile, refuse: float) -> None:
    if refuse > profile.action.refuse_above:
        raise PlanningError(
            f"The policy refuses: what it was asked to do cannot be done from here (refuse {refuse:.2f}, limit "
            f"{profile.action.refuse_above:g})."
        )


def _gripper_state(profile: StateProfile, arrays: Arrays) -> Float:
    opened, closed = np.array(profile.gripper_open), np.array(profile.gripper_closed)
    return opened + (closed - opened) * np.asarray(arrays[GRIPPER], dtype=np.float64)


def _rotation(arrays: Arrays) -> Rotation:
    return Rotation.from_matrix(np.asarray(arrays[POSE])[:3, :3])


_STATE_PARTS: Mapping[StatePart, Callable[[StateProfile, Arrays], Float]] = {
    StatePart.JOINT_POSITIONS: lambda profile, arrays: profile.units.policy(np.asarray(arrays[JOINTS], np.float64)),
    StatePart.JOINT_VELOCITIES: lambda profile, arrays: profile.units.speed(
        np.asarray(arrays[JOINT_SPEEDS], np.float64)
    ),
    StatePart.GRIPPER: _gripper_state,
    StatePart.GRIPPER_POSITION: lambda profile, arrays: np.asarray(arrays[POSE], np.float64)[:3, 3],
    StatePart.GRIPPER_ROTATION_VECTOR: lambda profile, arrays: _rotation(arrays).as_rotvec(),
    StatePart.GRIPPER_QUATERNION: lambda profile, arrays: _rotation(arrays).as_quat(),
}
