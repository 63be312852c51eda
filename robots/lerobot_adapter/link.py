"""LeRobot's flat feature dictionaries, read and written as joint angles, gripper and pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from robots.errors import RobotError, UsageError
from robots.real.link import Reading, StalePictureError, one_line
from robots.real.profile import Profile
from robots.types import Float, Image

STALE_S = 0.3


class LerobotRobot(Protocol):
    """The part of `lerobot.robots.Robot` that is used."""

    @property
    def observation_features(self) -> Mapping[str, Any]:
        """`float`, or the shape of a picture, by name."""
        ...

    @property
    def action_features(self) -> Mapping[str, Any]:
        """`float` by name."""
        ...

    @property
    def is_calibrated(self) -> bool:
        """Whether joint values mean anything."""
        ...

    def connect(self, calibrate: bool = True) -> None:  # noqa: FBT001, FBT002 - LeRobot's signature
        """Open the bus and the cameras, and configure the motors."""
        ...

    def get_observation(self) -> Mapping[str, Any]:
        """Return values by feature."""
        ...

    def send_action(self, action: dict[str, Any]) -> Mapping[str, Any]:
        """Write goal positions; returns those really written."""
        ...

    def disconnect(self) -> None:
        """Close everything."""
        ...


class LerobotLink:
    """Satisfies `robots.real.link.Link`.

    Args:
        profile: Names, units and signs.
        robot: The LeRobot robot, not connected.
        clock: The clock of LeRobot's picture time stamps [s].
    """

    def __init__(self, profile: Profile, robot: LerobotRobot, clock: Callable[[], float] = time.perf_counter) -> None:
        self._profile, self._robot, self._clock = profile, robot, clock

    @property
    def simulated(self) -> bool:
        """Whether the robot says so, as `baton_sim` does."""
        return bool(getattr(self._robot, "simulated", False))

    def check(self) -> None:
        """Compare `action_features` and `observation_features` with the profile.

        Raises:
            UsageError: Names differ, a value is no number, or a picture has another size.
        """
        profile = self._profile
        wanted = [*(joint.key for joint in profile.joints), profile.gripper.key]
        offered = self._robot.action_features
        _require_same("action_features", profile, wanted, offered)
        observed = self._robot.observation_features
        cameras = {camera.key for camera in profile.cameras.values()}
        _require_present("observation_features", profile, [*wanted, *cameras], observed)
        for key in wanted:
            if observed[key] is not float or offered[key] is not float:
                raise UsageError(f"{profile.name}: the feature {key!r} of {profile.type} is no single number.")
        for camera in profile.cameras.values():
            shape = (camera.height_px, camera.width_px, 3)
            if tuple(observed[camera.key]) != shape:
                raise UsageError(
                    f"{profile.name}: camera {camera.key!r} gives pictures of shape {observed[camera.key]}, "
                    f"the profile says {shape}."
                )

    def open(self) -> None:
        """Connect without LeRobot's interactive calibration.

        Raises:
            RobotError: The robot is not calibrated.
        """
        self._robot.connect(calibrate=False)
        if not self._robot.is_calibrated:
            raise RobotError(
                f"{self._profile.name} is not calibrated: run lerobot-calibrate with the same --robot.type, "
                "--robot.port and --robot.id first."
            )

    def read(self) -> Reading:
        """Return joints, gripper and pictures.

        Raises:
            StalePictureError: A picture is older than 0.3 s.
        """
        try:
            values = self._robot.get_observation()
        except TimeoutError as error:
            raise StalePictureError(one_line(error)) from error
        profile = self._profile
        return Reading(
            joints_rad=np.array([joint.to_rad(float(values[joint.key])) for joint in profile.joints]),
            gripper=profile.gripper.to_ours(float(values[profile.gripper.key])),
            images={name: _picture(name, values[camera.key]) for name, camera in profile.cameras.items()},
            age_s=self._age_s(),
        )

    def write(self, joints_rad: Float, velocity_rad_s: Float, gripper: float) -> tuple[Float, float]:
        """Send goal positions and return what LeRobot says it sent."""
        profile = self._profile
        action = {joint.key: joint.from_rad(float(q)) for joint, q in zip(profile.joints, joints_rad, strict=True)}
        action[profile.gripper.key] = profile.gripper.from_ours(gripper)
        sent = {**action, **self._robot.send_action(dict(action))}
        joints = np.array([joint.to_rad(float(sent[joint.key])) for joint in profile.joints])
        return joints, profile.gripper.to_ours(float(sent[profile.gripper.key]))

    def close(self) -> None:
        """Disconnect."""
        self._robot.disconnect()

    def _age_s(self) -> float:
        """Age of the oldest picture, where LeRobot's cameras tell."""
        cameras = getattr(self._robot, "cameras", {})
        stamps = {
            camera.key: getattr(cameras.get(camera.key), "latest_timestamp", None)
            for camera in self._profile.cameras.values()
        }
        ages = {key: self._clock() - stamp for key, stamp in stamps.items() if stamp is not None}
        for key, age_s in ages.items():
            if age_s > STALE_S:
                raise StalePictureError(f"camera {key!r}: the picture is {age_s:.2f} s old.")
        return max([0.0, *ages.values()])


def _picture(name: str, value: object) -> Image:
    image = np.array(value)  # a copy: drivers may reuse their buffer
    if image.dtype != np.uint8:
        raise RobotError(f"camera {name!r} gives {image.dtype} pictures, not uint8.")
    return image


def _require_same(kind: str, profile: Profile, wanted: list[str], offered: Mapping[str, Any]) -> None:
    _require_present(kind, profile, wanted, offered)
    if extra := sorted(set(offered) - set(wanted)):
        raise UsageError(
            f"{profile.name}: {kind} of {profile.type} also has {', '.join(extra)}, which the profile does not map."
        )


def _require_present(kind: str, profile: Profile, wanted: list[str], offered: Mapping[str, Any]) -> None:
    if missing := [key for key in wanted if key not in offered]:
        has = ", ".join(sorted(offered))
        raise UsageError(f"{profile.name}: {kind} of {profile.type} has no {', '.join(missing)}; it has {has}.")
