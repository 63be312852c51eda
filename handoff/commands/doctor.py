"""`baton doctor`: is everything there that a run needs? One line per check, each failure with its remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from handoff import console
from handoff.commands.doctor_checks import installation, weights
from handoff.commands.doctor_checks.finding import Finding, as_json, as_table
from handoff.commands.options import option_kinds, option_lines, parse_options
from handoff.shipped import SHIPPED_POLICY
from robots.errors import UsageError

PASSED, FAILED = 0, 1
ROBOT = "--robot."


@dataclass(frozen=True, slots=True)
class RobotOptions:
    """Which robot to check. Every other `--robot.NAME` is handed to its driver as it is."""

    # A LeRobot robot type, for instance so101_follower; empty for that of the profile
    type: str = ""
    # The robot's profile: a name in configs/robots, or a YAML file; empty for the type's own
    profile: str = ""
    # LeRobot's name of this very robot, which its calibration file carries
    id: str = ""
    # Package of a LeRobot plug-in that registers the type
    discover_packages_path: str = ""
    # Connect, without moving anything, and watch the cameras for 2 s
    connect: bool = True


@dataclass(frozen=True, slots=True)
class GeneralistOptions:
    """Which generalist to check."""

    # Folder of a LeRobot policy: is it complete, and does it fit the robot?
    policy_path: str = ""
    # Policy server to shake hands with: tcp://127.0.0.1:5656
    endpoint: str = ""
    # The policy's camera names on this robot where they differ: top=front,wrist=hand
    cameras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """Options of `baton doctor`."""

    # Port that the policy server is to listen on
    port: int = 5656
    # Task whose detector weights must be there; empty for any
    task: str = ""
    # Folder of a search policy; empty for the shipped one
    policy: str = ""
    # Where run folders are to be made
    out: str = "runs"
    # How long the policy server may take to answer, loading included [s]
    deadline_s: float = 10.0
    # Print one JSON object instead of the table
    json: bool = False
    # The robot
    robot: RobotOptions = field(default_factory=RobotOptions)
    # The generalist
    vla: GeneralistOptions = field(default_factory=GeneralistOptions)

    def __post_init__(self) -> None:
        if not self.deadline_s > 0.0:
            raise UsageError(f"--deadline_s must be positive, not {self.deadline_s}.")
        for pair in self.vla.cameras:
            if not all(pair.partition("=")):
                raise UsageError(f"--vla.cameras takes POLICY=ROBOT pairs separated by commas, not {pair!r}.")


def help_lines(_command: str) -> list[str]:
    """The options of `DoctorOptions`."""
    return option_lines(DoctorOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Print every finding; exit code 1 when one of them needs a remedy."""
    own, robot = _split(arguments)
    options = parse_options(DoctorOptions, own)
    findings = list(examine(options, robot))
    for line in [json.dumps(as_json(findings))] if options.json else as_table(findings):
        console.line(line)
    return PASSED if all(finding.passed for finding in findings) else FAILED


def examine(options: DoctorOptions, robot_options: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield every finding: the installation, the weights, then the generalist and the robot where they are named."""
    always: list[Callable[[], Finding]] = [
        installation.check_python,
        installation.check_packages,
        installation.check_graphics,
        installation.check_messaging,
        lambda: weights.check_detector(options.task),
        lambda: weights.check_search_policy(Path(options.policy) if options.policy else SHIPPED_POLICY),
        lambda: installation.check_disk(Path(options.out)),
    ]
    yield from (check() for check in always)
    yield from _generalist(options)
    if options.robot.type or options.robot.profile:
        yield from _robot(options, robot_options)


def _generalist(options: DoctorOptions) -> Iterator[Finding]:
    if options.vla.policy_path:
        yield weights.check_policy_folder(Path(options.vla.policy_path))
    if options.vla.endpoint:
        from handoff.commands.doctor_checks.server import check_server

        yield check_server(options.vla.endpoint, options.deadline_s)
    else:
        yield installation.check_port(options.port)


def _robot(options: DoctorOptions, robot_options: Sequence[str]) -> Iterator[Finding]:
    from handoff.commands.doctor_checks.franka_source import franka_source
    from handoff.commands.doctor_checks.lerobot_source import LeRobotTypes
    from handoff.commands.doctor_checks.robot_setup import RobotQuestion, check_robot

    question = RobotQuestion(
        type=options.robot.type,
        profile=options.robot.profile,
        id=options.robot.id,
        options=tuple(robot_options),
        connect=options.robot.connect,
        policy=Path(options.vla.policy_path) if options.vla.policy_path else None,
        cameras=dict(pair.split("=", 1) for pair in options.vla.cameras),
    )
    franka = franka_source(options.robot.profile) if options.robot.profile else None
    yield from check_robot(question, franka or LeRobotTypes(options.robot.discover_packages_path))


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our own arguments, and the robot's further options as `--robot.name=value` words."""
    known = {f"--{name}" for name in option_kinds(DoctorOptions)}
    own: list[str] = []
    robot: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith(ROBOT) or word.partition("=")[0] in known:
            own.append(word)
        elif "=" in word or not rest or rest[0].startswith("--"):
            robot.append(word)
        else:
            robot.append(f"{word}={rest.pop(0)}")
    return own, robot
