"""How well the control loop keeps its rate: the real loop in wall time, on a robot without physics.

Run `python -m benchmarks.loop --seconds 20 --hz 15`. The bound for the rate error is 0, for the period 1 / hz.
"""

from __future__ import annotations

import dataclasses
import sys

from benchmarks.report import Row, arguments, publish
from handoff.clock import MonotonicClock
from handoff.controller import ControllerConfig, run_episode
from handoff.interfaces import Step
from handoff.loop_stats import LoopStats, loop_stats
from handoff.outcome import Outcome
from handoff.phases import Phase
from handoff.trigger import SequentialTrigger
from robots.fake import FakeRobot
from robots.types import (
    Action,
    ActionSpace,
    Command,
    DetectionFrame,
    Lease,
    Observation,
    SkillHealth,
    SkillState,
    Task,
)


class Wander:
    """A search skill that sways the first joint for ever."""

    def reset(self, task: Task) -> None:
        """Begin anew."""
        self._seq = 0

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Ready at once."""
        return True

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command:
        """Sway."""
        self._seq += 1
        values = observation.joint_positions_rad.copy()
        values[0] = 0.3 if self._seq // 30 % 2 else -0.3
        action = Action(ActionSpace.JOINT_POSITION, values)
        return Command(lease.holder, lease.epoch, self._seq, observation.captured_at_s, action)

    def health(self) -> SkillHealth:
        """Ready for ever."""
        return SkillHealth(SkillState.READY)


class Nothing:
    """A detector that looks at every image and finds nothing."""

    def reset(self, task: Task) -> None:
        """Forget the last result."""
        self._frame: DetectionFrame | None = None

    def submit(self, observation: Observation) -> None:
        """Answer at once."""
        self._frame = DetectionFrame(observation.capture_id, observation.captured_at_s, "wrist", 84, 84)

    def latest(self) -> DetectionFrame | None:
        """Return the newest result."""
        return self._frame


class Ticks:
    """A recorder that keeps the tick times."""

    def __init__(self) -> None:
        self.times_s: list[float] = []

    def begin(self, task: Task) -> None:
        """Start."""
        self.times_s.clear()

    def step(self, step: Step) -> None:
        """Note the time."""
        self.times_s.append(step.now_s)

    def end(self, outcome: Outcome | None) -> None:
        """Nothing to close."""


def measure(hz: float, seconds: float) -> LoopStats:
    """Run the loop for `seconds` of wall time at `hz`."""
    clock, ticks = MonotonicClock(), Ticks()
    robot = FakeRobot(clock.now, control_hz=hz)
    config = ControllerConfig(control_hz=hz)
    authority = dataclasses.replace(config.authority, episode_timeout_s=seconds, search_timeout_s=2.0 * seconds)
    config = dataclasses.replace(config, authority=authority)
    trigger = SequentialTrigger(config.trigger, robot.description.cameras)
    task = Task("benchmark", "nothing", "look around")
    run_episode(robot, {Phase.SEARCH: Wander()}, Nothing(), trigger, ticks, config, task=task, clock=clock)
    periods = [after - before for before, after in zip(ticks.times_s, ticks.times_s[1:], strict=False)]
    late = sum(period > 1.5 / hz for period in periods)
    return loop_stats(periods, hz, overruns=late)


def main() -> int:
    """Measure and publish."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--hz", type=float, default=15.0, help="control rate")
    parser.add_argument("--seconds", type=float, default=20.0, help="wall time")
    options = parser.parse_args()
    stats = measure(options.hz, options.seconds)
    rows = [
        Row("loop.rate_error", stats.rate_error, "1"),
        Row("loop.period_ms_p99", stats.period_ms_p99, "ms"),
        Row("loop.period_ms_max", stats.period_ms_max, "ms"),
        Row("loop.late_ticks", stats.overruns, "1"),
    ]
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
