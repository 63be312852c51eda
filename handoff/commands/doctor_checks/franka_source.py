"""Franka arms for the doctor: built from a profile in dry run, so that nothing could be written to them."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from handoff.commands.doctor_checks.lerobot_source import profile_facts
from handoff.commands.doctor_checks.policy_features import Features
from handoff.commands.doctor_checks.robot import ProfileFacts
from robots.errors import BatonError, RobotError
from robots.types import Image

if TYPE_CHECKING:
    from robots.real.profile import Profile
    from robots.robot import Robot

PORT = "--robot.port"


class FrankaRobot:
    """An arm behind Baton's own contract, not connected. Satisfies `BuiltRobot`.

    Args:
        arm: The arm.
        facts: Its profile; LeRobot's policies meet its joints and gripper as one state vector.
    """

    def __init__(self, arm: Robot, facts: ProfileFacts) -> None:
        self._arm = arm
        self.states = facts.states
        self.features = Features(facts.cameras, len(facts.states), len(facts.states), {})
        self.calibration_file = Path("none")
        self.simulated = False

    @property
    def calibrated(self) -> bool:
        """Always True: its joints measure absolute angles."""
        return True

    def connect(self) -> None:
        """Open the link; it writes nothing.

        Raises:
            RobotError: The arm cannot be reached, stands in an error or outside its limits, or a camera is dead.
        """
        self._arm.connect()

    def look(self) -> tuple[Mapping[str, Image], float]:
        """Return the newest images, and their capture time on `time.perf_counter` [s].

        Raises:
            RobotError: The link is gone.
        """
        seen = self._arm.get_observation()
        return seen.images, seen.captured_at_s

    def disconnect(self) -> None:
        """Close the link."""
        self._arm.disconnect()


class FrankaTypes:
    """The one arm of a profile. Satisfies `RobotSource`.

    Args:
        profile: Its profile, with `driver: franka`.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def known_types(self) -> set[str]:
        """The profile's type."""
        return {self._profile.type}

    def profile(self, name: str) -> ProfileFacts:
        """The profile, whatever its name."""
        return profile_facts(self._profile)

    def build(self, robot_type: str, options: Sequence[str]) -> FrankaRobot:
        """Build the arm; `--robot.port` is its address.

        Raises:
            UsageError: The address or the limits are missing, or the profile does not fit.
            RobotError: franky is not installed.
        """
        from robots.franka_adapter import franka_arm

        if importlib.util.find_spec("franky") is None:
            raise RobotError("A Franka arm needs franky: pip install 'baton[franka]'.")
        given = dict(word.partition("=")[::2] for word in options)
        arm = franka_arm(self._profile, time.perf_counter, host=given.get(PORT, ""), dry_run=True)
        return FrankaRobot(arm, profile_facts(self._profile))


def franka_source(profile_name: str) -> FrankaTypes | None:
    """Return the source for a profile of a Franka arm; None for any other, or one that cannot be read."""
    from robots.real.profile import Driver, load_profile

    try:
        profile = load_profile(Path(profile_name))
    except BatonError:  # the checks of a LeRobot robot say what is wrong with it
        return None
    return FrankaTypes(profile) if profile.driver is Driver.FRANKA else None
