"""The values that cross every boundary: observations, actions, detections, leases and commands.

All are frozen; their arrays are made read-only on construction, so a value can be shared between threads and kept in
a log without copies.

Shape symbols used throughout the project: b batch, t time, h w image, n joints, a action_dim, k horizon.
Frames: the world frame is the robot's base frame (x forward, y left, z up). A camera frame follows OpenCV: x right,
y down, z forward. `camera_to_world` maps points in the camera frame to the world frame, (4, 4) homogeneous.
Gripper values run from 0.0 (open) to 1.0 (closed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from robots.on_demand import OnDemand

Float = NDArray[np.floating]
Image = NDArray[np.uint8]  # (h, w, 3), RGB


def read_only[T: np.generic](array: NDArray[T]) -> NDArray[T]:
    """Return a read-only view of `array`; no copy is made."""
    view = array.view()
    view.setflags(write=False)
    return view


class ActionSpace(StrEnum):
    """What the numbers of an action mean. Part of every action, so it can never be reinterpreted on the way."""

    CARTESIAN_VELOCITY = "cartesian_velocity"  # (6,) gripper twist in the world frame: m/s (3), rad/s (3)
    JOINT_VELOCITY = "joint_velocity"  # (n,) rad/s
    JOINT_POSITION = "joint_position"  # (n,) rad


class Holder(StrEnum):
    """Who may command the robot."""

    GATE = "gate"  # nobody: the gate holds the pose
    SEARCH = "search"
    VLA = "vla"
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Task:
    """What one episode is to do.

    Attributes:
        name: The task's registered name, for instance `bookshelf_pineapple`.
        target: The object to find, as the detector and the generalist are asked for it.
        instruction: The sentence given to the generalist.
    """

    name: str
    target: str
    instruction: str


@dataclass(frozen=True, slots=True)
class CameraIntrinsics:
    """A pinhole camera without distortion, square pixels, principal point in the image centre."""

    width_px: int
    height_px: int
    focal_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the robot measured at one instant. Holds nothing privileged.

    Attributes:
        captured_at_s: Capture time on the process clock that drives the loop [s].
        capture_id: Rises by at least one with every new capture; an unchanged value marks a repeated frame.
        images: One RGB image per camera, uint8 (h, w, 3).
        joint_positions_rad: (n,).
        joint_velocities_rad_s: (n,).
        gripper: Measured opening, 0.0 open to 1.0 closed.
        gripper_to_world: Pose of the point between the finger tips; z is the approach direction. (4, 4).
        camera_to_world: Pose of each calibrated camera. (4, 4) each.
    """

    captured_at_s: float
    capture_id: int
    images: Mapping[str, Image]
    joint_positions_rad: Float
    joint_velocities_rad_s: Float
    gripper: float
    gripper_to_world: Float
    camera_to_world: Mapping[str, Float]

    def __post_init__(self) -> None:
        if not isinstance(self.images, OnDemand):
            object.__setattr__(self, "images", _frozen_arrays(self.images))
        object.__setattr__(self, "camera_to_world", _frozen_arrays(self.camera_to_world))
        for name in ("joint_positions_rad", "joint_velocities_rad_s", "gripper_to_world"):
            object.__setattr__(self, name, read_only(getattr(self, name)))


@dataclass(frozen=True, slots=True, eq=False)
class Privileged:
    """What only training and judging may see: poses, masks, visibility. Never an input of an actor.

    A separate type, so that passing it where an `Observation` is expected fails the type check.
    """

    values: Mapping[str, Float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _frozen_arrays(self.values))


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """One control period's target.

    Attributes:
        space: What `values` means.
        values: (a,) float, units by `space`.
        gripper: Target, 0.0 open to 1.0 closed; None leaves the gripper as it is.
    """

    space: ActionSpace
    values: Float
    gripper: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", read_only(np.asarray(self.values)))


@dataclass(frozen=True, slots=True, eq=False)
class ActionChunk:
    """The next `k` control periods' targets, computed from one observation.

    Attributes:
        space: What `values` means.
        values: (k, a).
        gripper: (k,) targets, 0.0 open to 1.0 closed.
        dt_s: Time between two actions [s].
        captured_at_s: Capture time of the observation that the chunk was computed from [s].
    """

    space: ActionSpace
    values: Float
    gripper: Float
    dt_s: float
    captured_at_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", read_only(np.asarray(self.values)))
        object.__setattr__(self, "gripper", read_only(np.asarray(self.gripper)))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Action:
        return Action(self.space, self.values[index], float(self.gripper[index]))


@dataclass(frozen=True, slots=True)
class Detection:
    """One box around a candidate for the target.

    Attributes:
        box_xyxy_px: Left, top, right, bottom in pixels of the image the detector saw.
        score: Detection score in [0, 1]; calibrated only if the detector says so.
        label: The query that the detection answers.
    """

    box_xyxy_px: tuple[float, float, float, float]
    score: float
    label: str

    @property
    def center_px(self) -> tuple[float, float]:
        """Centre of the box (x, y)."""
        left, top, right, bottom = self.box_xyxy_px
        return 0.5 * (left + right), 0.5 * (top + bottom)

    @property
    def area_px(self) -> float:
        """Area of the box in square pixels."""
        left, top, right, bottom = self.box_xyxy_px
        return max(right - left, 0.0) * max(bottom - top, 0.0)


@dataclass(frozen=True, slots=True)
class DetectionFrame:
    """Everything a detector found in one captured image, best score first.

    `capture_id` and `captured_at_s` are those of the observation, not of the detector's own finish.
    """

    capture_id: int
    captured_at_s: float
    camera: str
    width_px: int
    height_px: int
    detections: tuple[Detection, ...] = ()

    @property
    def best(self) -> Detection | None:
        """The detection with the highest score, or None."""
        return self.detections[0] if self.detections else None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to command the robot: one holder, one epoch. Epochs only ever rise."""

    holder: Holder
    epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A proposal to the gate. It is executed only if every field matches the current lease.

    Attributes:
        holder: Who proposes.
        epoch: The lease's epoch under which it was computed.
        seq: Rises strictly within one epoch.
        captured_at_s: Capture time of the observation it was computed from [s].
        action: The target; its space must be one the lease allows.
    """

    holder: Holder
    epoch: int
    seq: int
    captured_at_s: float
    action: Action


class SkillState(StrEnum):
    """How a skill is doing, as far as the authority needs to know."""

    WARMING = "warming"  # alive, not able to act yet
    READY = "ready"
    DONE = "done"  # believes that its job is finished
    EXHAUSTED = "exhausted"  # looked everywhere, or has nothing left to try
    FAILED = "failed"  # cannot act: refused, no plan, link lost; `detail` says why


@dataclass(frozen=True, slots=True)
class SkillHealth:
    """A skill's state and, where it helps, why."""

    state: SkillState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RobotDescription:
    """What does not change while a robot is connected.

    Attributes:
        name: For logs and reports.
        joint_names: n names, in the order of every joint array.
        action_spaces: The spaces `send_action` accepts.
        cameras: Intrinsics of every camera in `Observation.images`.
        control_hz: The rate at which `send_action` must be called.
        home_rad: (n,) joint positions at the start of an episode, as a tuple.
    """

    name: str
    joint_names: tuple[str, ...]
    action_spaces: tuple[ActionSpace, ...]
    cameras: Mapping[str, CameraIntrinsics]
    control_hz: float
    home_rad: tuple[float, ...] = field(default=())


def _frozen_arrays[T: np.generic](arrays: Mapping[str, NDArray[T]]) -> Mapping[str, NDArray[T]]:
    return MappingProxyType({name: read_only(array) for name, array in arrays.items()})
