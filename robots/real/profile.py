"""Robot profiles: the YAML files that say how a driver's names and units map to ours, and what is allowed.

`docs/real-robots.md` explains every field. Nothing is guessed: unknown fields, missing joints and numbers that are not
finite are refused with one sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from robots.errors import UsageError
from robots.reading import read
from robots.safety import SafetyLimits
from robots.types import CameraIntrinsics, Float
from robots.yaml_files import find_shipped, load_yaml

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "robots"
HOW_TO_LIMIT = (
    "add `limits:` with lower_rad, upper_rad, velocity_rad_s, acceleration_rad_s2 (one value per joint) and "
    "workspace_min_m, workspace_max_m"
)


class Driver(StrEnum):
    """The adapter that drives the arm."""

    LEROBOT = "lerobot"
    FRANKA = "franka"


class Unit(StrEnum):
    """What a driver's joint value means."""

    DEGREES = "deg"
    RADIANS = "rad"
    NORMALIZED = "normalized"  # -100 to 100 over the calibrated range


class Mount(StrEnum):
    """What a camera is fixed to."""

    GRIPPER = "gripper"
    WORLD = "world"


@dataclass(frozen=True, slots=True)
class JointProfile:
    """One joint: ours = sign * theirs + offset_rad.

    Attributes:
        name: Our name.
        key: The driver's feature, for instance `shoulder_pan.pos`.
        unit: What the driver's value means.
        sign: 1 or -1.
        offset_rad: Our angle where theirs is zero [rad].
        range_rad: For `normalized`: the driver's angles at -100 and at 100 [rad].
    """

    name: str
    key: str
    unit: Unit = Unit.RADIANS
    sign: int = 1
    offset_rad: float = 0.0
    range_rad: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise UsageError(f"joint {self.name}: sign must be 1 or -1, not {self.sign}.")
        if (self.unit is Unit.NORMALIZED) != (self.range_rad is not None):
            raise UsageError(f"joint {self.name}: range_rad belongs to unit: normalized, and only to it.")
        if self.range_rad is not None and self.range_rad[0] >= self.range_rad[1]:
            raise UsageError(f"joint {self.name}: range_rad must rise, not {list(self.range_rad)}.")

    def to_rad(self, value: float) -> float:
        """Return our angle for the driver's `value`."""
        if self.unit is Unit.DEGREES:
            value = math.radians(value)
        elif self.range_rad is not None:
            low, high = self.range_rad
            value = low + (value + 100.0) / 200.0 * (high - low)
        return self.sign * value + self.offset_rad

    def from_rad(self, angle_rad: float) -> float:
        """Return the driver's value for our angle."""
        value = self.sign * (angle_rad - self.offset_rad)
        if self.unit is Unit.DEGREES:
            return math.degrees(value)
        if self.range_rad is not None:
            low, high = self.range_rad
            return (value - low) / (high - low) * 200.0 - 100.0
        return value


@dataclass(frozen=True, slots=True)
class GripperProfile:
    """The gripper: the driver's values for open and closed, linear between them."""

    key: str
    open: float
    closed: float

    def __post_init__(self) -> None:
        if self.open == self.closed:
            raise UsageError("gripper: open and closed must differ.")

    def to_ours(self, value: float) -> float:
        """Return 0.0 (open) to 1.0 (closed) for the driver's `value`; beyond the ends is clipped."""
        return min(max((value - self.open) / (self.closed - self.open), 0.0), 1.0)

    def from_ours(self, gripper: float) -> float:
        """Return the driver's value for 0.0 (open) to 1.0 (closed)."""
        return self.open + gripper * (self.closed - self.open)


@dataclass(frozen=True, slots=True)
class Pose:
    """A rigid pose. The quaternion is normalised."""

    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quaternion_wxyz: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if math.hypot(*self.quaternion_wxyz) < 1e-6:
            raise UsageError("pose: quaternion_wxyz must not be zero.")

    def matrix(self) -> Float:
        """Return the pose as a homogeneous matrix, (4, 4)."""
        w, x, y, z = np.array(self.quaternion_wxyz) / math.hypot(*self.quaternion_wxyz)
        pose = np.eye(4)
        pose[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        pose[:3, 3] = self.position_m
        return pose


@dataclass(frozen=True, slots=True)
class CameraProfile:
    """One camera.

    Attributes:
        key: The driver's image feature.
        width_px: Picture width.
        height_px: Picture height.
        focal_px: Focal length, from a calibration.
        mount: What it is fixed to.
        pose: Camera frame (x right, y down, z forward) in the gripper frame or the world frame.
        device: LeRobot's own camera options: `type`, `index_or_path`, `fps`, ...
    """

    key: str
    width_px: int
    height_px: int
    focal_px: float
    mount: Mount = Mount.GRIPPER
    pose: Pose = field(default_factory=Pose)
    device: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.width_px, self.height_px) < 1 or self.focal_px <= 0.0:
            raise UsageError(f"camera {self.key}: width_px, height_px and focal_px must be positive.")

    @property
    def intrinsics(self) -> CameraIntrinsics:
        """The camera as the rest of Baton knows it."""
        return CameraIntrinsics(self.width_px, self.height_px, self.focal_px)


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """The arm's MJCF or URDF file. Its world frame must be the robot's base frame: x forward, y left, z up.

    Attributes:
        file: Path, absolute or relative to the profile.
        joints: The model's joint names, in the profile's joint order.
        site: Site of the gripper point; or
        body: body of the gripper, from which `gripper` leads to the gripper point.
        gripper: Pose of the gripper point (z is the approach direction) in the site or body.
    """

    file: str
    joints: tuple[str, ...]
    site: str = ""
    body: str = ""
    gripper: Pose = field(default_factory=Pose)

    def __post_init__(self) -> None:
        if bool(self.site) == bool(self.body):
            raise UsageError("model: name either the gripper's site or its body.")


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that is known about one real arm.

    Attributes:
        name: For logs and reports.
        driver: The adapter.
        type: The driver's own name of the robot, for instance `so101_follower`.
        joints: In the order of every joint array.
        gripper: The gripper.
        home_rad: A clear posture, (n,) [rad].
        limits: The envelope; without it the robot is never started.
        cameras: By our names; `wrist` is what the search looks with.
        model: The arm's kinematics; without it only joint spaces are offered.
        control_hz: Rate of the loop.
        following_error_rad: A target never leads the measured joint by more than this [rad].
        options: More options of the driver's own configuration.
    """

    name: str
    driver: Driver
    type: str
    joints: tuple[JointProfile, ...]
    gripper: GripperProfile
    home_rad: tuple[float, ...]
    limits: SafetyLimits | None = None
    cameras: Mapping[str, CameraProfile] = field(default_factory=dict)
    model: ModelProfile | None = None
    control_hz: float = 15.0
    following_error_rad: float = 0.5
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [joint.name for joint in self.joints]
        keys = [joint.key for joint in self.joints] + [self.gripper.key]
        if not names or len(set(names)) != len(names) or len(set(keys)) != len(keys):
            raise UsageError("joints: needs at least one, and every name and key (the gripper's too) once.")
        if min(self.control_hz, self.following_error_rad) <= 0.0:
            raise UsageError("control_hz and following_error_rad must be positive.")
        for label, values in self._per_joint().items():
            if len(values) != len(names):
                raise UsageError(f"{label}: {len(values)} values for {len(names)} joints ({', '.join(names)}).")

    def require_limits(self) -> SafetyLimits:
        """Return the limits.

        Raises:
            UsageError: The profile has none; the message says how to add them.
        """
        if self.limits is None:
            raise UsageError(
                f"The profile {self.name} has no safety limits, so the arm does not start: {HOW_TO_LIMIT}."
            )
        return self.limits

    def _per_joint(self) -> dict[str, tuple[Any, ...]]:
        rows: dict[str, tuple[Any, ...]] = {"home_rad": self.home_rad}
        if self.limits is not None:
            rows["limits.lower_rad"] = self.limits.lower_rad
        if self.model is not None:
            rows["model.joints"] = self.model.joints
        return rows


def load_profile(path: Path) -> Profile:
    """Read a profile. A bare name of a shipped profile works too: `so101_follower`.

    Raises:
        UsageError: The file is missing or no YAML.
        SpecError: A field is unknown, missing or wrong; the message names it.
    """
    path = find_shipped(path, SHIPPED, "robot profile")
    values = load_yaml(path, "robot profile")
    if (
        isinstance(values, dict)
        and isinstance(model := values.get("model"), dict)
        and isinstance(model.get("file"), str)
    ):
        values["model"] = {**model, "file": str(path.parent / Path(model["file"]).expanduser())}
    return read(Profile, values, path.name)
