"""All checks of one robot, in the order in which one meets mistakes: type, profile, options, policy, link, cameras."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from handoff.commands.doctor_checks.cameras import check_cameras, watch_cameras
from handoff.commands.doctor_checks.finding import Finding
from handoff.commands.doctor_checks.policy_features import Features, check_policy_features
from handoff.commands.doctor_checks.robot import (
    ProfileFacts,
    check_calibration,
    check_limits,
    check_profile,
    check_profile_features,
    check_type,
)
from robots.errors import BatonError, RobotError, UsageError
from robots.types import Image

WATCH_S = 2.0
MAX_AGE_S = 0.2
DEFAULT_HZ = 15.0


class BuiltRobot(Protocol):
    """A robot that was built from its options and is not connected yet.

    Attributes:
        features: Its cameras, states and actions.
        states: Names of its state features, in order.
        calibration_file: Where its calibration is, or would be.
        simulated: Whether its time stands still while nothing is sent to it, so that no new picture comes.
    """

    features: Features
    states: tuple[str, ...]
    calibration_file: Path
    simulated: bool

    @property
    def calibrated(self) -> bool:
        """Whether it says that it is calibrated; before it is connected, only robots without a file can."""
        ...

    def connect(self) -> None:
        """Open the link without moving.

        Raises:
            RobotError: It cannot be reached.
        """
        ...

    def look(self) -> tuple[Mapping[str, Image], float]:
        """Return the newest images by camera, and their capture time on `time.perf_counter` [s].

        Raises:
            RobotError: The link is gone, or a camera gives nothing.
        """
        ...

    def disconnect(self) -> None:
        """Close the link. Must not raise."""
        ...


class RobotSource(Protocol):
    """Where robots and their profiles come from."""

    def known_types(self) -> set[str]:
        """Every registered robot type."""
        ...

    def build(self, robot_type: str, options: Sequence[str]) -> BuiltRobot:
        """Build a robot from `--robot.name=value` options.

        Raises:
            UsageError: It refuses its options.
            RobotError: Its driver is not installed.
        """
        ...

    def profile(self, name: str) -> ProfileFacts:
        """Read a profile by name or file.

        Raises:
            BatonError: There is none, or it cannot be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class RobotQuestion:
    """What is to be checked.

    Attributes:
        type: The robot's type; empty for that of the profile.
        profile: Its profile's name or file; empty for the type's own.
        id: Its own name, or empty.
        options: Further `--robot.name=value` options.
        connect: Whether to connect and watch the cameras.
        policy: A policy folder to compare with, or None.
        cameras: The policy's camera names to the robot's, where they differ.
        now: Clock [s].
        sleep: Passes time on that clock.
    """

    type: str
    profile: str = ""
    id: str = ""
    options: tuple[str, ...] = ()
    connect: bool = True
    policy: Path | None = None
    cameras: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


def check_robot(question: RobotQuestion, source: RobotSource) -> Iterator[Finding]:
    """Yield the findings about one robot. It is connected only when everything before was well; it is never moved."""
    profile, findings = _profile(question, source)
    if not question.type:
        if profile is None:
            yield from findings
            return
        question = replace(question, type=profile.type)
    known = check_type(question.type, source.known_types())
    yield known
    if known.passed:
        yield from findings
        yield from _built(question, source, profile, sound=all(finding.passed for finding in findings))


def _built(
    question: RobotQuestion, source: RobotSource, profile: ProfileFacts | None, *, sound: bool
) -> Iterator[Finding]:
    """Build the robot and go on with it; connect it only when everything before was `sound`."""
    try:
        robot = source.build(question.type, _options(question, profile))
    except UsageError as error:
        remedy = "Correct it on the command line (--robot.NAME) or under `options:` in the profile."
        yield Finding("robot options", str(error), remedy)
        return
    except RobotError as error:
        yield Finding("robot driver", str(error), "Install what is missing into the environment that Baton runs in.")
        return
    described = _described(question, robot, profile)
    yield from described
    if question.connect and sound and all(finding.passed for finding in described):
        yield from _connected(question, robot, profile.control_hz if profile else DEFAULT_HZ)
    elif question.connect:
        yield Finding("connection", "not tried, because of the failures above", "Mend those first, then run again.")


def _profile(question: RobotQuestion, source: RobotSource) -> tuple[ProfileFacts | None, list[Finding]]:
    try:
        profile = source.profile(question.profile or question.type)
    except BatonError as error:
        remedy = "Name one with --robot.profile: a name in configs/robots, or a YAML file of your own."
        return None, [Finding("robot profile", str(error), remedy)]
    return profile, [check_profile(profile, question.type or profile.type), check_limits(profile)]


def _options(question: RobotQuestion, profile: ProfileFacts | None) -> tuple[str, ...]:
    """Return the profile's options and those of the command line, which win."""
    given = (*([f"--robot.id={question.id}"] if question.id else []), *question.options)
    names = {word.partition("=")[0] for word in given}
    from_profile = profile.options if profile is not None and profile.type == question.type else ()
    return (*(word for word in from_profile if word.partition("=")[0] not in names), *given)


def _described(question: RobotQuestion, robot: BuiltRobot, profile: ProfileFacts | None) -> list[Finding]:
    """Return what names and files tell about a robot that is not connected."""
    findings = [] if profile is None else [check_profile_features(profile, robot.features, robot.states)]
    findings.append(
        check_calibration(
            robot.calibration_file, calibrated=robot.calibrated, robot_type=question.type, robot_id=question.id
        )
    )
    if question.policy is not None:
        findings += check_policy_features(robot.features, question.policy, question.cameras)
    return findings


def _connected(question: RobotQuestion, robot: BuiltRobot, control_hz: float) -> Iterator[Finding]:
    try:
        robot.connect()
        calibrated = robot.calibrated
        readings = watch_cameras(robot.look, watch_s=WATCH_S, now=question.now, sleep=question.sleep)
    except RobotError as error:
        yield Finding(
            "connection", str(error), "Check power, cable and --robot.port; lerobot-find-port names serial ports."
        )
        return
    finally:
        robot.disconnect()
    remedy = "" if calibrated else f"Calibrate it again: lerobot-calibrate --robot.type={question.type}"
    said = "answers" if calibrated else "answers, but its motors do not hold the calibration of the file"
    yield Finding("connection", f"{question.type} {said}", remedy)
    yield from check_cameras(readings, control_hz=0.0 if robot.simulated else control_hz, max_age_s=MAX_AGE_S)
