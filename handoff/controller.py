"""The loop: observe, detect, decide, propose, execute, record; once per control period, until the episode ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from handoff import authority
from handoff.authority import AuthorityConfig, Inputs
from handoff.clock import ticks
from handoff.episode import EpisodeTally
from handoff.gate import Gate, GateConfig
from handoff.grasp_check import GraspCheck, GraspCheckConfig
from handoff.interfaces import Clock, Detector, Recorder, Skill, Step, Trigger, TriggerDecision
from handoff.loop_stats import loop_stats
from handoff.outcome import Outcome
from handoff.phases import Phase, Status
from handoff.retreat import RetreatConfig
from handoff.stillness import Stillness
from handoff.trigger import TriggerConfig
from handoff.visibility import TargetWatch, VisibilityConfig
from robots.errors import RobotDisconnectedError, UsageError
from robots.robot import Robot
from robots.types import Command, DetectionFrame, Holder, Observation, SkillHealth, SkillState, Task

_NO_SKILL = SkillHealth(SkillState.FAILED, "no such skill")
_PREPARED_BY = {Phase.HOLD: Phase.SEARCH, Phase.PREFETCH: Phase.GRASP}


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """Everything that the control loop needs to know.

    Attributes:
        control_hz: Control rate; must be the robot's.
        rest_speed_rad_s: The arm is at rest when every joint is slower than this [rad/s].
        authority: Guards and time-outs.
        gate: What each holder may send.
        trigger: When the target is found.
        grasp_check: When something is held.
        visibility: When the target counts as missing during a grasp.
        retreat: How the arm drives back.
    """

    control_hz: float = 15.0
    rest_speed_rad_s: float = 0.05
    authority: AuthorityConfig = field(default_factory=AuthorityConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    trigger: TriggerConfig = field(default_factory=TriggerConfig)
    grasp_check: GraspCheckConfig = field(default_factory=GraspCheckConfig)
    visibility: VisibilityConfig = field(default_factory=VisibilityConfig)
    retreat: RetreatConfig = field(default_factory=RetreatConfig)

    def __post_init__(self) -> None:
        if self.control_hz <= 0.0 or self.rest_speed_rad_s <= 0.0:
            raise UsageError("controller: control_hz and rest_speed_rad_s must be positive.")


def run_episode(
    robot: Robot,
    skills: Mapping[Phase, Skill],
    detector: Detector,
    trigger: Trigger,
    recorder: Recorder,
    config: ControllerConfig,
    *,
    task: Task,
    clock: Clock,
    interrupted: Callable[[], bool] = lambda: False,
    first_epoch: int = 0,
) -> Outcome:
    """Drive one search-then-handoff episode to its end.

    The robot stops and the recorder closes on every path, a `KeyboardInterrupt` included.

    Args:
        robot: The robot; connected and disconnected here.
        skills: What acts in SEARCH, VERIFY, GRASP and RETREAT. A missing one counts as failed.
        detector: Finds the target in images.
        trigger: Decides that it is found.
        recorder: Writes the episode down.
        config: Everything else.
        task: What to find and what to do with it.
        clock: The loop's time; the robot's capture times must be on it.
        interrupted: Asked once per control period whether a person wants to stop.
        first_epoch: Must be above every epoch of earlier episodes with the same skills.

    Returns:
        How the episode ended. A robot that is lost on the way is an ending, not an exception.

    Raises:
        UsageError: The robot runs at another control rate.
        RobotError: The robot cannot be connected.
    """
    recorder.begin(task)
    outcome = None
    try:
        with robot:
            loop = _Loop(robot, skills, detector, trigger, recorder, config, clock, interrupted)
            outcome = loop.run(task, first_epoch)
    finally:
        recorder.end(outcome)
    return outcome


class _Loop:
    """One episode's parts and state."""

    def __init__(
        self,
        robot: Robot,
        skills: Mapping[Phase, Skill],
        detector: Detector,
        trigger: Trigger,
        recorder: Recorder,
        config: ControllerConfig,
        clock: Clock,
        interrupted: Callable[[], bool],
    ) -> None:
        self._robot, self._skills, self._detector, self._trigger = robot, skills, detector, trigger
        self._recorder, self._config, self._clock, self._interrupted = recorder, config, clock, interrupted
        self._gate = Gate(robot, config.gate)
        self._stillness = Stillness(config.rest_speed_rad_s)
        self._grasp_check = GraspCheck(config.grasp_check)
        self._watch = TargetWatch(config.visibility)
        self._tally = EpisodeTally()
        self._commanded_gripper: float | None = None
        self._status: Status

    def run(self, task: Task, first_epoch: int) -> Outcome:
        """Tick until the episode ends."""
        self._reset(task, first_epoch)
        ticker = ticks(self._clock, self._config.control_hz)
        for now in ticker:
            self._tick(now)
            if self._status.terminal:
                break
        outcome = self._tally.outcome(self._status, self._gate.refusals, self._clock.now())
        if not ticker.periods_s:
            return outcome
        return replace(outcome, loop=loop_stats(ticker.periods_s, self._config.control_hz, ticker.overruns))

    def _reset(self, task: Task, first_epoch: int) -> None:
        robot_hz = self._robot.description.control_hz
        if self._config.control_hz != robot_hz:
            raise UsageError(f"controller: control_hz is {self._config.control_hz}, but the robot runs at {robot_hz}.")
        for skill in {id(skill): skill for skill in self._skills.values()}.values():
            skill.reset(task)
        self._detector.reset(task)
        self._trigger.reset(task)
        self._status = authority.start(self._clock.now(), self._config.authority, epoch=first_epoch)

    def _tick(self, now: float) -> None:
        try:
            self._control(now)
        except RobotDisconnectedError as error:
            self._status, cause = authority.fault(self._status, str(error), now, self._config.authority)
            self._tally.note(self._status, cause, now, executed=False)

    def _control(self, now: float) -> None:
        observation = self._robot.get_observation()
        self._detector.submit(observation)
        frame = self._detector.latest()
        # Observations are captured after the tick began; ages count from the moment they are read.
        read_at_s = self._clock.now()
        decision = self._trigger.update(frame, observation, read_at_s)
        before = self._status
        inputs = self._inputs(observation, frame, decision, read_at_s)
        self._status, cause = authority.step(before, inputs, now, self._config.authority)
        if cause is not None:
            self._on_change()
        command = self._propose(observation, frame)
        executed = self._gate.apply(command, self._status.lease, observation, self._clock.now())
        self._commanded_gripper = executed.sent.gripper
        moved = command is not None and not executed.refusal
        step = Step(
            index=self._tally.steps,
            now_s=now,
            observation=observation,
            frame=frame,
            decision=decision,
            status=self._status,
            cause=str(cause) if cause is not None else "",
            sent=executed.sent,
            refusal=executed.refusal,
        )
        self._tally.note(self._status, cause, now, executed=moved)
        self._recorder.step(step)

    def _inputs(
        self, observation: Observation, frame: DetectionFrame | None, decision: TriggerDecision, now: float
    ) -> Inputs:
        status = self._status
        executed_at_s = self._gate.executed_at_s
        since_s = status.since_s if executed_at_s is None else max(status.since_s, executed_at_s)
        return Inputs(
            decision=decision,
            search=self._health(Phase.SEARCH),
            vla=self._health(Phase.GRASP),
            retreat=self._health(Phase.RETREAT),
            prepared=self._prepare(observation),
            still_s=self._stillness.update(observation, now),
            silent_s=now - since_s,
            target_missing=self._watch.update(decision, frame, observation.gripper),
            grasp=self._grasp_check.update(observation.gripper, self._commanded_gripper, now),
            observation_age_s=now - observation.captured_at_s,
            interrupted=self._interrupted(),
        )

    def _health(self, phase: Phase) -> SkillHealth:
        skill = self._skills.get(phase)
        return skill.health() if skill is not None else _NO_SKILL

    def _prepare(self, observation: Observation) -> bool:
        pending, skill = (
            self._status.pending,
            self._skills.get(_PREPARED_BY.get(self._status.phase, self._status.phase)),
        )
        return pending is not None and skill is not None and skill.prepare(observation, pending)

    def _propose(self, observation: Observation, frame: DetectionFrame | None) -> Command | None:
        skill = self._skills.get(self._status.phase)
        if skill is None or self._status.lease.holder is Holder.GATE:
            return None
        return skill.propose(observation, frame, self._status.lease)

    def _on_change(self) -> None:
        """Tell the parts that judge a phase that it begins."""
        if self._status.phase is Phase.VERIFY:
            self._trigger.verify()
        elif self._status.phase in (Phase.SEARCH, Phase.HOLD):
            self._trigger.search()
        elif self._status.phase is Phase.GRASP:
            self._grasp_check.reset()
            self._commanded_gripper = None
