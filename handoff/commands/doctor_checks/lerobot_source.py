"""Robots as LeRobot knows them, for the doctor. LeRobot is imported when a robot is asked for, and only then."""

from __future__ import annotations

import importlib
import json
import time
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from handoff.commands.doctor_checks.policy_features import Features
from handoff.commands.doctor_checks.robot import ProfileFacts
from robots.errors import BatonError, RobotError, UsageError
from robots.types import Image

if TYPE_CHECKING:
    from lerobot.robots import Robot

    from robots.real.profile import Profile

UNANSWERED = (OSError, RuntimeError, AttributeError, KeyError, TypeError, ValueError)


class LeRobotRobot:
    """A LeRobot robot, built and not connected. Satisfies `BuiltRobot`.

    Args:
        robot: LeRobot's own object.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        observed = robot.observation_features
        self.features = Features.of_robot(observed, robot.action_features)
        self.states = tuple(name for name, kind in observed.items() if not isinstance(kind, tuple))
        self.calibration_file = Path(robot.calibration_fpath)
        self.simulated = bool(getattr(robot, "simulated", False))

    @property
    def calibrated(self) -> bool:
        """Whether it says that it is calibrated. Robots whose motors hold the calibration can say so once connected."""
        try:
            return bool(self._robot.is_calibrated)
        except UNANSWERED:
            return False

    def connect(self) -> None:
        """Open the link without calibrating; nothing is moved on purpose.

        Raises:
            RobotError: It cannot be reached.
        """
        try:
            self._robot.connect(calibrate=False)
        except (BatonError, *UNANSWERED) as error:
            raise RobotError(_sentence(error)) from error

    def look(self) -> tuple[Mapping[str, Image], float]:
        """Return the newest images, and when the oldest was captured or, where no camera tells, asked for [s].

        Raises:
            RobotError: The link is gone, or a camera gives nothing.
        """
        asked_at_s = time.perf_counter()  # the clock of LeRobot's cameras
        try:
            seen = self._robot.get_observation()
        except (BatonError, *UNANSWERED) as error:
            raise RobotError(_sentence(error)) from error
        cameras = getattr(self._robot, "cameras", {}).values()
        stamps_s = [stamp for camera in cameras if (stamp := getattr(camera, "latest_timestamp", None)) is not None]
        return {name: np.asarray(seen[name]) for name in self.features.cameras}, min([asked_at_s, *stamps_s])

    def disconnect(self) -> None:
        """Close the link."""
        with suppress(BatonError, *UNANSWERED):
            self._robot.disconnect()


class LeRobotTypes:
    """Every robot type that LeRobot and a plug-in register.

    Args:
        package: The plug-in's package, or empty.
    """

    def __init__(self, package: str = "") -> None:
        self._package = package

    def known_types(self) -> set[str]:
        """Return the types; parts of LeRobot whose own packages are not installed are left out.

        Raises:
            UsageError: The plug-in cannot be imported.
        """
        from robots.lerobot_adapter import robot_types

        if self._package:
            try:
                importlib.import_module(self._package)
            except ImportError as error:
                raise UsageError(
                    f"--robot.discover_packages_path: {self._package} cannot be imported: {error}."
                ) from error
        return set(robot_types())

    def build(self, robot_type: str, options: Sequence[str]) -> LeRobotRobot:
        """Build a robot of a known type from `--robot.name=value` options.

        Raises:
            UsageError: An option is unknown, or the robot refuses its options.
            RobotError: The robot's driver is not installed.
        """
        import draccus
        from draccus.utils import DraccusException
        from lerobot.robots import RobotConfig, make_robot_from_config

        holder = make_dataclass("Options", [("robot", RobotConfig)])
        words = [f"--robot.type={robot_type}", *options]
        try:
            config = draccus.parse(holder, args=words, exit_on_error=False)
            return LeRobotRobot(make_robot_from_config(config.robot))
        except ImportError as error:
            raise RobotError(_sentence(error)) from error
        except (BatonError, DraccusException, ArgumentError, *UNANSWERED) as error:
            raise UsageError(f"{robot_type} cannot be built: {_sentence(error)}") from error

    def profile(self, name: str) -> ProfileFacts:
        """Read a profile of `configs/robots` by name, or any by file.

        Raises:
            UsageError: There is none, it is no YAML, or another driver's.
            SpecError: A field is unknown, missing or wrong.
        """
        from robots.real.profile import Driver, load_profile

        profile = load_profile(Path(name))
        if profile.driver is not Driver.LEROBOT:
            raise UsageError(f"{profile.name} is driven by {profile.driver}; it is no profile of a LeRobot robot.")
        return profile_facts(profile)


def profile_facts(profile: Profile) -> ProfileFacts:
    """Return what the checks ask of a profile."""
    cameras = {camera.key: (camera.height_px, camera.width_px, 3) for camera in profile.cameras.values()}
    devices = {
        camera.key: {**camera.device, "width": camera.width_px, "height": camera.height_px}
        for camera in profile.cameras.values()
        if camera.device
    }
    values = {**profile.options, **({"cameras": devices} if devices else {})}
    return ProfileFacts(
        name=profile.name,
        type=profile.type,
        states=(*(joint.key for joint in profile.joints), profile.gripper.key),
        cameras=cameras,
        limited=profile.limits is not None,
        control_hz=profile.control_hz,
        options=tuple(f"--robot.{name}={json.dumps(value)}" for name, value in values.items()),
    )


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
