"""franky's robot and hand as a link: joint velocities that end by themselves, and a hand that opens or closes.

Every target becomes a velocity that lasts 0.2 s and then ends in a stop, so an arm that hears nothing comes to rest;
a new one takes over from the running one without a stop between.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robots.errors import RobotError, UsageError
from robots.franka_adapter.rig import CameraRig
from robots.real.link import Reading
from robots.real.profile import Profile
from robots.types import Float

JOINTS = 7
HOLD_MS = 200
CATCH_UP_PER_S = 2.0  # share of the position error that the velocity makes good per second
REST_RAD_S = 2e-3
CLOSE_AT, OPEN_AT = 0.6, 0.4
WIDTH_EVERY = 3  # the hand answers at its own slow rate: it is asked in every third period
OPTIONS = {"gripper_speed_m_s": 0.1, "gripper_force_n": 20.0, "realtime": "enforce"}


class FrankyLink:
    """Satisfies `robots.real.link.Link`.

    Args:
        profile: The arm; `options` may set the hand's speed and force, and `realtime: ignore`.
        host: The robot's address.
        api: The module `franky`, or a double of it.
        rig: The cameras.
    """

    def __init__(self, profile: Profile, host: str, api: Any, rig: CameraRig) -> None:  # noqa: ANN401 - a module
        self._profile, self._host, self._api, self._rig = profile, host, api, rig
        self._options: dict[str, Any] = {**OPTIONS, **profile.options}
        self._robot: Any = None
        self._hand: Any = None
        self._closed: bool | None = None
        self._width_m = 0.0
        self._reads = 0
        self._moving = False

    @property
    def simulated(self) -> bool:
        """Never."""
        return False

    def check(self) -> None:
        """Compare the profile with what a Franka arm has: seven joints in radians, and known options.

        Raises:
            UsageError: It does not fit.
        """
        profile = self._profile
        if len(profile.joints) != JOINTS or any(joint.range_rad or joint.unit != "rad" for joint in profile.joints):
            raise UsageError(f"{profile.name}: a Franka arm has {JOINTS} joints in rad.")
        for name in profile.options:
            if name not in OPTIONS:
                raise UsageError.unknown("option of a Franka arm", name, OPTIONS, where=profile.name)
        if self._options["realtime"] not in ("enforce", "ignore"):
            raise UsageError.unknown("realtime", str(self._options["realtime"]), ("enforce", "ignore"))

    def open(self) -> None:
        """Connect to the arm and the hand, then to the cameras. Errors are not acknowledged for anybody.

        Raises:
            RobotError: The arm stands in an error.
        """
        api = self._api
        realtime = api.RealtimeConfig.Ignore if self._options["realtime"] == "ignore" else api.RealtimeConfig.Enforce
        self._robot = api.Robot(self._host, realtime_config=realtime)
        self._require_sound("; clear it in Desk first.")
        self._hand = api.Gripper(self._host)
        self._closed, self._reads, self._moving = None, 0, False
        self._rig.open()

    def read(self) -> Reading:
        """Return joints, hand and pictures; an arm that stopped on an error is lost."""
        self._require_sound(" and stopped.")
        state = self._robot.current_joint_state
        if self._reads % WIDTH_EVERY == 0:
            self._width_m = float(self._hand.width)
        self._reads += 1
        images, age_s = self._rig.read()
        joints = self._ours(np.asarray(state.position, dtype=float))
        signs = np.array([joint.sign for joint in self._profile.joints])
        velocities = signs * np.asarray(state.velocity, dtype=float)
        return Reading(joints, self._profile.gripper.to_ours(self._width_m), images, velocities, age_s)

    def write(self, joints_rad: Float, velocity_rad_s: Float, gripper: float) -> tuple[Float, float]:
        """Send the velocity that follows the target; near rest nothing is sent, and the arm holds by itself."""
        error = joints_rad - self._ours(np.asarray(self._robot.current_joint_state.position, dtype=float))
        speed = np.abs(velocity_rad_s).max()
        velocity = velocity_rad_s + CATCH_UP_PER_S * error
        if max(float(speed), float(np.abs(velocity).max())) > REST_RAD_S:
            self._robot.move(self._motion(velocity), asynchronous=True)
            self._moving = True
        elif self._moving:
            # The last velocity would go on for its 0.2 s.
            self._robot.move(self._api.JointVelocityStopMotion(), asynchronous=True)
            self._moving = False
        self._grip(gripper)
        return joints_rad, gripper

    def close(self) -> None:
        """Stop the arm and close the cameras; the hand keeps its grip."""
        robot, self._robot, self._hand = self._robot, None, None
        try:
            self._rig.close()
        finally:
            if robot is not None:
                robot.stop()

    def _motion(self, velocity_rad_s: Float) -> Any:  # noqa: ANN401 - franky's own class
        api = self._api
        signs = np.array([joint.sign for joint in self._profile.joints])
        limits = self._profile.require_limits()
        theirs = signs * np.clip(velocity_rad_s, -np.array(limits.velocity_rad_s), limits.velocity_rad_s)
        return api.JointVelocityWaypointMotion(
            [
                api.JointVelocityWaypoint(theirs, hold_target_duration=api.Duration(HOLD_MS)),
                api.JointVelocityWaypoint(np.zeros(JOINTS)),
            ]
        )

    def _grip(self, gripper: float) -> None:
        """Open or close once the wish is clear; the first wish only counts when it differs from what is measured."""
        if self._closed is None:
            self._closed = self._profile.gripper.to_ours(self._width_m) > CLOSE_AT
        wish = True if gripper >= CLOSE_AT else False if gripper <= OPEN_AT else self._closed
        if wish == self._closed:
            return
        self._closed, speed, grip = wish, self._options["gripper_speed_m_s"], self._profile.gripper
        if wish:
            force, wide = self._options["gripper_force_n"], abs(grip.open - grip.closed)
            self._hand.grasp_async(grip.closed, speed, force, epsilon_inner=wide, epsilon_outer=wide)
        else:
            self._hand.move_async(grip.open, speed)

    def _ours(self, angles_rad: Float) -> Float:
        pairs = zip(self._profile.joints, angles_rad, strict=True)
        return np.array([joint.to_rad(float(angle)) for joint, angle in pairs])

    def _require_sound(self, then: str) -> None:
        if self._robot.has_errors:
            raise RobotError(f"the Franka arm {self._host} reports an error{then}")
