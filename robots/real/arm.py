"""A real arm behind the `Robot` contract: one class for every driver, with limits, dry run and camera checks."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np

from robots.errors import ActionRejectedError, RobotDisconnectedError, RobotError
from robots.real.kinematics import SerialArm
from robots.real.link import Link, Reading, StalePictureError, driver_call
from robots.real.liveness import CameraWatch
from robots.real.motion import Motion, Target
from robots.real.profile import Mount, Profile
from robots.real.starting import live_reading, require_posture
from robots.types import Action, ActionSpace, Float, Observation, RobotDescription

logger = logging.getLogger(__name__)


class RealArm:
    """Drives a `Link` within the profile's limits. One thread owns it.

    Args:
        profile: What is known about the arm.
        link: The driver.
        now: The loop's clock [s].
        dry_run: Connect and read, compute every target, write none.
        speed: Scales velocity and acceleration limits, in (0, 1].
        sleep: Waits between the pictures of the camera check when connecting.

    Raises:
        UsageError: The profile has no limits, the model cannot be used, or `speed` is out of range.
    """

    def __init__(
        self,
        profile: Profile,
        link: Link,
        now: Callable[[], float],
        *,
        dry_run: bool = False,
        speed: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.profile, self.dry_run = profile, dry_run
        self.limits = profile.require_limits().scaled(speed)
        self._link, self._now, self._sleep = link, now, sleep
        self._dt_s = 1.0 / profile.control_hz
        arm = SerialArm(profile.model) if profile.model is not None else None
        self._motion = Motion(self.limits, self._dt_s, profile.following_error_rad, arm)
        self._watch = CameraWatch(profile.cameras, may_repeat=link.simulated)
        self._counts: Counter[str] = Counter(rejected=0, clipped=0, suppressed=0)
        self._closed = "the link is closed; call connect() first."
        self._gripper = 0.0
        self._captures = 0
        self._reading: Reading | None = None
        self._observation: Observation | None = None

    @property
    def description(self) -> RobotDescription:
        """Names, cameras, action spaces and rate. Cartesian velocity only with a model."""
        profile = self.profile
        return RobotDescription(
            name=profile.name,
            joint_names=tuple(joint.name for joint in profile.joints),
            action_spaces=self._motion.spaces,
            cameras={name: camera.intrinsics for name, camera in profile.cameras.items()},
            control_hz=profile.control_hz,
            home_rad=profile.home_rad,
        )

    @property
    def counters(self) -> Mapping[str, int]:
        """`rejected` and `clipped` actions, writes `suppressed` by a dry run, camera faults by kind."""
        return MappingProxyType({**self._counts, **self._watch.faults})

    @property
    def camera_faults(self) -> Mapping[str, str]:
        """Each camera's present fault; empty text where there is none."""
        return self._watch.state

    def check(self) -> None:
        """Compare the driver's features with the profile; nothing is opened.

        Raises:
            UsageError: They do not match; the message says which names.
        """
        self._link.check()

    def connect(self) -> None:
        """Check the features, open the link, check cameras and posture. Nothing moves: the pose found is the target.

        Raises:
            UsageError: The driver's features do not match the profile.
            RobotError: The arm cannot be reached, stands outside its limits, or a camera is dead.
        """
        if not self._closed:
            return
        self._link.check()
        try:
            with driver_call(f"{self.profile.name} cannot be reached"):
                self._link.open()
            reading = live_reading(self.profile, self._link, self._watch, self._sleep)
            require_posture(self.profile, self.limits, reading.joints_rad)
        except RobotError:
            self._close_link()
            raise
        self._reading, self._gripper = reading, reading.gripper
        self._motion.rest_at(reading.joints_rad)
        self._closed, self._observation = "", None
        self._observe(reading, self._now())

    def get_observation(self) -> Observation:
        """Return the newest state, or the last observation unchanged while a camera shows nothing new."""
        self._require_link()
        at_s = self._now()
        try:
            reading = self._guarded("reading", self._link.read)
        except StalePictureError as error:
            logger.warning("%s: %s", self.profile.name, error)
            self._watch.stale()
            return self._last()
        if not np.isfinite([*reading.joints_rad, reading.gripper]).all():
            raise self._lose("it reports joint positions that are not finite.")
        if self._watch.fresh(reading.images, at_s):
            self._observe(reading, at_s)
        self._reading = reading
        return self._last()

    def send_action(self, action: Action) -> Action:
        """Limit, send, and return what the driver says it sent, in the action's own space."""
        self._require_link()
        try:
            target = self._motion.plan(action, self._measured())
        except ActionRejectedError:
            self._counts["rejected"] += 1
            raise
        gripper = self._gripper if action.gripper is None else min(max(action.gripper, 0.0), 1.0)
        self._counts["clipped"] += int(target.clipped or (action.gripper is not None and gripper != action.gripper))
        sent = self._write(target, gripper)
        return Action(
            action.space,
            self._motion.executed(action.space, sent),
            None if action.gripper is None else self._gripper,
        )

    def hold(self) -> Action:
        """Brake within the limits and keep the pose; the gripper keeps its last target, so that it keeps its grip."""
        self._require_link()
        sent = self._write(self._motion.brake(), self._gripper)
        return Action(ActionSpace.JOINT_POSITION, sent.joints_rad)

    def disconnect(self) -> None:
        """Stop and close the link."""
        if not self._closed:
            self._closed = "the link is closed; call connect() first."
            self._close_link()

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop and disconnect."""
        self.disconnect()

    def _write(self, target: Target, gripper: float) -> Target:
        joints = target.joints_rad
        if self.dry_run:
            self._counts["suppressed"] += 1
        else:
            joints, gripper = self._guarded(
                "writing", lambda: self._link.write(target.joints_rad, target.velocity_rad_s, gripper)
            )
        self._motion.commit(joints)
        self._gripper = gripper
        return replace(target, joints_rad=joints, velocity_rad_s=self._motion.velocity_rad_s)

    def _guarded[T](self, doing: str, call: Callable[[], T]) -> T:
        try:
            with driver_call(f"{self.profile.name} was lost while {doing}"):
                return call()
        except StalePictureError:
            raise
        except RobotError as error:
            raise self._lose(str(error)) from error

    def _lose(self, why: str) -> RobotDisconnectedError:
        """Latch the loss: nothing is sent until somebody connects again, and then from the pose found there."""
        self._closed = why
        self._close_link()
        return RobotDisconnectedError(f"{self.profile.name}: {why}" if self.profile.name not in why else why)

    def _close_link(self) -> None:
        try:
            with driver_call("closing"):
                self._link.close()
        except RobotError as error:
            logger.warning("%s: %s", self.profile.name, error)

    def _require_link(self) -> None:
        if self._closed:
            raise RobotDisconnectedError(f"{self.profile.name}: {self._closed}")

    def _measured(self) -> Float:
        return self._motion.joints_rad if self._reading is None else self._reading.joints_rad

    def _last(self) -> Observation:
        if self._observation is None:
            raise RobotDisconnectedError(f"{self.profile.name}: nothing was observed yet.")
        return self._observation

    def _observe(self, reading: Reading, at_s: float) -> None:
        self._captures += 1
        arm = self._motion.arm
        gripper = np.eye(4) if arm is None else arm.forward(reading.joints_rad)
        poses = {
            name: gripper @ camera.pose.matrix() if camera.mount is Mount.GRIPPER else camera.pose.matrix()
            for name, camera in self.profile.cameras.items()
            if arm is not None or camera.mount is Mount.WORLD
        }
        self._observation = Observation(
            captured_at_s=at_s - reading.age_s,
            capture_id=self._captures,
            images=reading.images,
            joint_positions_rad=reading.joints_rad,
            joint_velocities_rad_s=self._velocities(reading, at_s - reading.age_s),
            gripper=reading.gripper,
            gripper_to_world=gripper,
            camera_to_world=poses,
        )

    def _velocities(self, reading: Reading, at_s: float) -> Float:
        """As measured, or the difference to the last observation."""
        last = self._observation
        if reading.velocities_rad_s is not None:
            return reading.velocities_rad_s
        if last is None or at_s - last.captured_at_s < 1e-6:
            return np.zeros_like(reading.joints_rad)
        return (reading.joints_rad - last.joint_positions_rad) / (at_s - last.captured_at_s)
