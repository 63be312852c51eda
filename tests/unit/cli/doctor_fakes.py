"""Fakes for the doctor's tests: a clock, cameras with faults, a robot, and where robots come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from handoff.commands.doctor_checks.policy_features import Features
from handoff.commands.doctor_checks.robot import ProfileFacts
from robots.errors import RobotError, UsageError

SHAPE = (6, 8, 3)
STATES = ("pan.pos", "lift.pos", "gripper.pos")
PROFILE = ProfileFacts("bench", "fake_arm", STATES, {"wrist": SHAPE}, limited=True, control_hz=15.0)


class FakeClock:
    """Time that passes in `sleep` only."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class FakeCamera:
    """Pictures of noise at `rate_hz`, handed over `age_s` old."""

    clock: FakeClock
    rate_hz: float = 30.0
    level: int = 200
    age_s: float = 0.02

    def look(self):
        picture = np.random.default_rng(int(self.clock.now_s * self.rate_hz)).integers(0, self.level, SHAPE, np.uint8)
        return {"wrist": picture}, self.clock.now_s - self.age_s


@dataclass
class FakeRobot:
    """A robot whose every answer can be chosen."""

    camera: FakeCamera
    calibration_file: Path = Path("nowhere/fake.json")
    calibrated: bool = True
    simulated: bool = False
    unplugged: bool = False
    states: tuple[str, ...] = STATES
    features: Features = field(default_factory=lambda: Features({"wrist": SHAPE}, 3, 3, {}))
    log: list[str] = field(default_factory=list)

    def connect(self) -> None:
        self.log.append("connect")
        if self.unplugged:
            raise RobotError("/dev/ttyACM0: no such device.")

    def look(self):
        return self.camera.look()

    def disconnect(self) -> None:
        self.log.append("disconnect")


@dataclass
class FakeSource:
    """One robot type, `fake_arm`, and one profile."""

    robot: FakeRobot
    facts: ProfileFacts | None = PROFILE
    built: list[tuple[str, ...]] = field(default_factory=list)

    def known_types(self) -> set[str]:
        return {"fake_arm", "other_arm"}

    def build(self, robot_type, options):
        self.built.append(tuple(options))
        if "--robot.prot=/dev/ttyACM0" in options:
            raise UsageError("fake_arm cannot be built: unrecognized arguments: --robot.prot")
        if "--robot.port=/dev/undriven" in options:
            raise RobotError("'some-servo-sdk' is required but not installed.")
        return self.robot

    def profile(self, name):
        if self.facts is None:
            raise UsageError.unknown("robot profile", name, ["bench"])
        return self.facts
