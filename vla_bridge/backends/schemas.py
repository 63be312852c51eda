"""What the robot must send to a LeRobot policy and what it gets back, from the checkpoint and its profile.

Both are compared here, when the policy loads: action width, state size and cameras must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robots.errors import CheckpointError, UsageError
from robots.specs import ArraySpec
from robots.types import ActionSpace
from vla_bridge.backends.conversion import GRIPPER, JOINT_SPEEDS, JOINTS, POSE, STATE, sources
from vla_bridge.conventions import TWIST_WIDTH, Part
from vla_bridge.messages import GripperConvention, PolicySchema
from vla_bridge.observations import ACTION_UNITS, IMAGES
from vla_bridge.profiles import CameraUse, GeneralistProfile, Resize

EMPTY_CAMERA = "empty_camera_"  # LeRobot's name for an image that a policy masks


def make_schema(
    name: str, inputs: Mapping[str, Any], action_dim: int, horizon: int, profile: GeneralistProfile, *, masks: bool
) -> PolicySchema:
    """Return the schema of a policy.

    Args:
        name: Of the policy, for logs.
        inputs: The checkpoint's input features, by name.
        action_dim: Values in one of its actions.
        horizon: Actions in one of its chunks.
        profile: What the values mean.
        masks: Whether the policy can do without a camera.

    Raises:
        CheckpointError: Checkpoint and profile disagree; the message names what and gives both values.
    """
    joints = _joints(inputs, action_dim, profile)
    motion = action_dim - profile.action.others
    sent = horizon if profile.execute is None else min(horizon, 2 * profile.execute)
    images = [_image(key, inputs[key], use) for key, use in cameras_of(inputs, profile, masks=masks).items() if use]
    space = profile.action.space
    return PolicySchema(
        policy=name,
        observation=(*images, *_arrays(inputs, joints, profile)),
        action=ArraySpec("actions", (sent, motion), "float32", ACTION_UNITS[space]),
        action_space=space,
        control_hz=profile.control_hz,
        gripper=GripperConvention.OPEN_0_CLOSED_1 if Part.GRIPPER in profile.action.layout else GripperConvention.NONE,
    )


def cameras_of(inputs: Mapping[str, Any], profile: GeneralistProfile, *, masks: bool) -> dict[str, CameraUse | None]:
    """Return which camera shows what the checkpoint's images are to show; None for one that the policy masks.

    Raises:
        CheckpointError: The profile lacks one of the checkpoint's cameras, or names one that the checkpoint has not.
    """
    keys = [key for key, feature in inputs.items() if feature.type.value == "VISUAL"]
    names = {key.removeprefix(IMAGES): key for key in keys}
    for name in profile.cameras:
        if name not in names:
            raise _disagrees(profile, UsageError.unknown("camera", name, names))
    cameras: dict[str, CameraUse | None] = {}
    for name, key in names.items():
        if name not in profile.cameras and not name.startswith(EMPTY_CAMERA):
            raise CheckpointError(f"The profile {profile.name} does not say which camera shows {name!r}.")
        cameras[key] = profile.cameras.get(name)
        if cameras[key] is None and not masks:
            raise CheckpointError(f"The policy cannot do without the camera {name!r}, which {profile.name} leaves out.")
    if names and not any(cameras.values()):
        raise CheckpointError(f"The profile {profile.name} leaves out every camera of the policy.")
    return cameras


def _image(key: str, feature: Any, use: CameraUse) -> ArraySpec:  # noqa: ANN401
    channels, height, width = feature.shape
    size = (-1, -1) if use.resize is Resize.POLICY else (height, width)
    return ArraySpec(f"{IMAGES}{use.camera}", (*size, channels), "uint8", "rgb")


def _arrays(inputs: Mapping[str, Any], joints: int, profile: GeneralistProfile) -> tuple[ArraySpec, ...]:
    """Return what is sent beside images: what the profile needs, and without a state profile the checkpoint's own."""
    known = {
        STATE: ArraySpec(STATE, (joints + 1,), "float32", "rad, 1"),
        JOINTS: ArraySpec(JOINTS, (joints,), "float32", "rad"),
        JOINT_SPEEDS: ArraySpec(JOINT_SPEEDS, (joints,), "float32", "rad/s"),
        GRIPPER: ArraySpec(GRIPPER, (1,), "float32", "1"),
        POSE: ArraySpec(POSE, (4, 4), "float32", "m, 1"),
    }
    specs = {name: known[name] for name in sources(profile, state=STATE in inputs)}
    for key, feature in inputs.items():
        if feature.type.value == "VISUAL" or (key == STATE and profile.state is not None):
            continue
        if profile.state is not None:
            raise CheckpointError(f"The policy needs {key!r}, which no profile can describe.")
        specs[key] = ArraySpec(key, tuple(feature.shape), "float32", "as trained")
    return tuple(specs.values())


def _joints(inputs: Mapping[str, Any], action_dim: int, profile: GeneralistProfile) -> int:
    """Return the number of joints that action, state and profile agree on, -1 where none of them says."""
    motion, twist = _motion_width(action_dim, profile), profile.action.space is ActionSpace.CARTESIAN_VELOCITY
    found = {} if twist else {"action": motion}
    if profile.joints is not None:
        found["joints"] = profile.joints
    try:
        profile.action.check_width(motion)
        if profile.state is not None and STATE in inputs:
            of_state = profile.state.joints(inputs[STATE].shape[0])
            found |= {} if of_state is None else {"state": of_state}
            profile.state.units.check_width(of_state or 1, "state.units")
    except UsageError as error:
        raise _disagrees(profile, error) from None
    if len(set(found.values())) > 1:
        numbers = ", ".join(f"{name}: {number}" for name, number in found.items())
        raise CheckpointError(
            f"The profile {profile.name} and the policy disagree on the number of joints ({numbers})."
        )
    return next(iter(found.values()), -1)


def _motion_width(action_dim: int, profile: GeneralistProfile) -> int:
    """Return how many of the action's values are the motion, which is what the profile says where it says it."""
    motion = action_dim - profile.action.others
    twist = profile.action.space is ActionSpace.CARTESIAN_VELOCITY
    expected = TWIST_WIDTH if twist else profile.joints
    if motion < 1 or (expected is not None and motion != expected):
        layout = ", ".join(profile.action.layout)
        wanted = "more" if expected is None else expected + profile.action.others
        raise CheckpointError(
            f"action: the policy gives {action_dim} values, but the profile {profile.name} ({layout}) has {wanted}."
        )
    return motion


def _disagrees(profile: GeneralistProfile, error: UsageError) -> CheckpointError:
    return CheckpointError(f"The profile {profile.name} does not fit the policy: {error}")
