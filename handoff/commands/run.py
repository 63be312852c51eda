"""`baton run`: one search-then-handoff episode on a robot, in wall-clock time: a real arm, or the simulation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from handoff import console
from handoff.commands.options import option_lines, parse_options
from handoff.config import GENERALIST_ALONE, LEARNED_SEARCH, METHODS, VlaOptions
from handoff.outcome import Outcome
from handoff.phases import StopReason
from handoff.run_folder import EVENTS, RunFolder
from handoff.shipped import SHIPPED_POLICY, shipped_policy
from robots.errors import UsageError

SIM, FRANKA = "sim", "franka"
FIRST_SPEED = 0.2
FAULTS = (StopReason.ROBOT_FAULT, StopReason.SKILL_FAULT)


@dataclass(frozen=True, slots=True)
class RobotOptions:
    """Which robot."""

    # sim, franka, or any type that LeRobot knows: so101_follower, koch_follower, ...
    type: str = SIM
    # Profile of a real arm: a YAML file, or the name of a shipped one; empty for the shipped one of the type
    profile: str = ""
    # Serial port of a LeRobot arm, or address of a Franka arm
    port: str = ""
    # LeRobot's name of this very arm, which its calibration is stored under
    id: str = ""
    # Package of a LeRobot plug-in that registers the type
    discover_packages_path: str = ""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of `baton run`.

    Raises:
        UsageError: Options are out of range or do not fit each other.
    """

    # Simulated task; it names target, instruction and region
    task: str = "bookshelf_pineapple"
    # What to find; empty for the task's target
    target: str = ""
    # Sentence for the generalist; empty for "Pick up the TARGET."
    instruction: str = ""
    # YAML file with the compartments to search; needed on a real arm
    region: str = ""
    # Weights of a colour-shape detector (.safetensors); empty for the shipped ones
    detector: str = ""
    # Search method
    method: str = LEARNED_SEARCH
    # Folder of a trained search policy; empty for the shipped one
    policy: str = ""
    # Stop when the target is found, without a generalist
    search_only: bool = False
    # Connect, read and decide, but write nothing to the arm
    dry_run: bool = False
    # Share of the profile's velocity and acceleration limits, above 0 up to 1; a real arm starts at 0.2
    speed: float | None = None
    # Longest duration of the episode [s]
    seconds: float = 300.0
    # Layout of the simulation
    seed: int = 100_000
    # Run folder; empty for runs/<time>-run
    out: str = ""
    # The robot
    robot: RobotOptions = field(default_factory=RobotOptions)
    # The generalist
    vla: VlaOptions = field(default_factory=VlaOptions)

    def __post_init__(self) -> None:
        methods = [name for name in METHODS if name != GENERALIST_ALONE]
        if self.method not in methods:
            raise UsageError.unknown("search method", self.method, methods)
        if self.speed is not None and not 0.0 < self.speed <= 1.0:
            raise UsageError(f"--speed must be above 0 and at most 1, not {self.speed}.")
        if not 0.0 < self.seconds < float("inf"):
            raise UsageError(f"--seconds must be above 0 and finite, not {self.seconds}.")
        if self.simulated:
            self._check_simulated()
        else:
            self._check_real()

    @property
    def simulated(self) -> bool:
        """Whether no real arm is involved."""
        return self.robot.type == SIM

    @property
    def chosen_speed(self) -> float:
        """The speed in force: full speed on a real arm is only ever what somebody asked for."""
        return self.speed if self.speed is not None else 1.0 if self.simulated else FIRST_SPEED

    @property
    def policy_folder(self) -> Path:
        """Where the learned search's weights are."""
        if self.policy:
            return Path(self.policy)
        return shipped_policy(self.task) if self.simulated else SHIPPED_POLICY

    def _check_simulated(self) -> None:
        if self.dry_run or self.speed not in (None, 1.0):
            raise UsageError("--dry_run and --speed are for real arms; the simulation moves nothing real.")
        given = {"--region": self.region, "--robot.profile": self.robot.profile, "--target": self.target}
        if used := [name for name, value in given.items() if value]:
            raise UsageError(f"{used[0]} is for real arms: in the simulation the task decides it.")

    def _check_real(self) -> None:
        if not self.region:
            raise UsageError("A real arm needs to know where to search: name a YAML file with --region.")
        if not self.target:
            raise UsageError("A real arm needs to know what to search for: name it with --target.")
        if self.vla.type == "expert" and not self.search_only:
            raise UsageError(
                "The expert needs the simulator: name a policy with --vla.type lerobot --vla.policy_path FOLDER, or "
                "search without a generalist with --search_only."
            )


def help_lines(_command: str) -> list[str]:
    """The options of `RunOptions`."""
    return option_lines(RunOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Run one episode; exit code 1 when a part of the system failed."""
    from handoff.commands.field import open_field
    from handoff.commands.preflight import preflight_lines

    options = parse_options(RunOptions, arguments)
    with open_field(options) as field_:
        folder = RunFolder.create(
            Path(options.out or f"runs/{time.strftime('%Y%m%d-%H%M%S')}-run"), {**asdict(options), "out": ""}
        )
        for text in preflight_lines(options, field_):
            console.line(text)
        outcome = field_.run(folder)
    for text in _result_lines(options, outcome, folder, found=field_.found, counters=field_.counters):
        console.line(text)
    return 1 if outcome.stop_reason in FAULTS else 0


def _result_lines(
    options: RunOptions, outcome: Outcome, folder: RunFolder, *, found: bool, counters: dict[str, int]
) -> list[str]:
    reason = "found" if found and options.search_only else str(outcome.stop_reason)
    refused = ", ".join(f"{name} {count}" for name, count in outcome.refusals.items()) or "none"
    counted = ", ".join(f"{name} {count}" for name, count in counters.items())
    return [
        "",
        f"ended     {reason} after {outcome.duration_s:.1f} s, {outcome.steps} control periods",
        f"handoffs  {outcome.handoffs}, of which {outcome.grasp_failures} failed",
        f"refusals  {refused}",
        *([f"arm       {counted}"] if counted else []),
        f"events    {folder.path / EVENTS}",
    ]
