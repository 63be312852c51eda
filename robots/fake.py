"""A deterministic robot without physics, with faults that a test can inject. It follows commands exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from robots.errors import ActionRejectedError, RobotDisconnectedError
from robots.safety import SafetyLimits, limit_joint_target
from robots.types import Action, ActionSpace, CameraIntrinsics, Float, Image, Observation, RobotDescription

LIMITS = SafetyLimits(
    lower_rad=(-2.0,) * 7,
    upper_rad=(2.0,) * 7,
    velocity_rad_s=(2.0,) * 7,
    acceleration_rad_s2=(15.0,) * 7,
    workspace_min_m=(-1.0, -1.0, 0.0),
    workspace_max_m=(1.0, 1.0, 1.5),
)


@dataclass(slots=True)
class Faults:
    """Faults to inject. Mutable on purpose: a test flips a switch in mid-episode.

    Attributes:
        disconnected: Every call fails with `RobotDisconnectedError`.
        frozen_camera: Images and capture ids stop changing.
        black_camera: Images are all zero.
        stale_s: Capture times lag this much behind the clock [s].
        stuck_gripper: The gripper does not move.
    """

    disconnected: bool = False
    frozen_camera: bool = False
    black_camera: bool = False
    stale_s: float = 0.0
    stuck_gripper: bool = False


class FakeRobot:
    """Seven joints that follow limited commands exactly, and a wrist camera that paints what `draw` returns.

    Args:
        now: The loop's clock [s].
        draw: Maps joint positions (n,) to the wrist image, uint8 (h, w, 3); plain grey by default.
        held_gripper: Where the gripper stops when it closes: 1.0 closes on nothing, less holds an object.
    """

    def __init__(
        self,
        now: Callable[[], float],
        draw: Callable[[Float], Image] | None = None,
        *,
        held_gripper: float = 1.0,
        control_hz: float = 15.0,
    ) -> None:
        self.faults = Faults()
        self.sent: list[Action] = []
        self._now = now
        self._draw = draw or (lambda joints: np.full((84, 84, 3), 128, dtype=np.uint8))
        self._held_gripper = held_gripper
        self._dt_s = 1.0 / control_hz
        self._joints: Float = np.zeros(7)
        self._velocities: Float = np.zeros(7)
        self._gripper = 0.0
        self._captures = 0
        self._last: Observation | None = None
        self._connected = False

    @property
    def description(self) -> RobotDescription:
        """Seven joints, one wrist camera, all three action spaces."""
        return RobotDescription(
            name="fake",
            joint_names=tuple(f"joint{index}" for index in range(1, 8)),
            action_spaces=tuple(ActionSpace),
            cameras={"wrist": CameraIntrinsics(84, 84, 60.0)},
            control_hz=1.0 / self._dt_s,
            home_rad=(0.0,) * 7,
        )

    @property
    def connected(self) -> bool:
        """Whether the link is open."""
        return self._connected

    def connect(self) -> None:
        """Open the link."""
        self._connected = True

    def disconnect(self) -> None:
        """Stop and close the link."""
        self._velocities = np.zeros(7)
        self._connected = False

    def get_observation(self) -> Observation:
        """Return a new observation, or the last one again while the camera is frozen."""
        self._require_link()
        if self.faults.frozen_camera and self._last is not None:
            return self._last
        self._captures += 1
        image = self._draw(self._joints)
        self._last = Observation(
            captured_at_s=self._now() - self.faults.stale_s,
            capture_id=self._captures,
            images={"wrist": np.zeros_like(image) if self.faults.black_camera else image},
            joint_positions_rad=self._joints.copy(),
            joint_velocities_rad_s=self._velocities.copy(),
            gripper=self._gripper,
            gripper_to_world=np.eye(4),
            camera_to_world={"wrist": np.eye(4)},
        )
        return self._last

    def send_action(self, action: Action) -> Action:
        """Follow `action` within `LIMITS`; Cartesian twists turn the first six joints."""
        self._require_link()
        target = self._joint_target(action)
        limited = limit_joint_target(LIMITS, self._joints, self._velocities, target, self._dt_s)
        self._velocities = (limited - self._joints) / self._dt_s
        self._joints = limited
        if action.gripper is not None and not self.faults.stuck_gripper:
            self._gripper = min(action.gripper, self._held_gripper)
        sent = Action(ActionSpace.JOINT_POSITION, limited, action.gripper)
        self.sent.append(sent)
        return sent

    def hold(self) -> Action:
        """Brake to rest, gripper unchanged."""
        return self.send_action(Action(ActionSpace.JOINT_POSITION, self._joints))

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop and disconnect."""
        self.disconnect()

    def _require_link(self) -> None:
        if self.faults.disconnected or not self._connected:
            raise RobotDisconnectedError("fake robot: the link is closed.")

    def _joint_target(self, action: Action) -> Float:
        values = np.asarray(action.values, dtype=np.float64)
        width = 6 if action.space is ActionSpace.CARTESIAN_VELOCITY else 7
        if values.shape != (width,) or not np.isfinite(values).all():
            raise ActionRejectedError(f"fake robot: {action.space} needs {width} finite values, got {values}.")
        if action.space is ActionSpace.JOINT_POSITION:
            return values
        return self._joints + np.pad(values, (0, 7 - width)) * self._dt_s
