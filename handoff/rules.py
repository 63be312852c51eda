"""When a phase ends: one pure rule per phase, with the guards and time-outs they use.

A rule returns the cause that ends its phase in this control period, or None. Within a phase the worst cause wins:
robot fault, then interrupt, then episode time-out, then the phase's own failures, then its success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from handoff.grasp_check import GraspReport, GraspState
from handoff.interfaces import TriggerDecision, TriggerState
from handoff.phases import Phase, Status
from handoff.transitions import Cause, CauseName
from robots.errors import UsageError
from robots.types import SkillHealth, SkillState


@dataclass(frozen=True, slots=True)
class AuthorityConfig:
    """Guards and time-outs. Every phase has one.

    Attributes:
        search: False hands the robot to the generalist at once, without a search.
        episode_timeout_s: Longest episode [s].
        hold_timeout_s: Longest wait for the search skill and the detector [s].
        search_timeout_s: Longest time in SEARCH and VERIFY together, over all visits [s].
        verify_timeout_s: Longest second look [s].
        settle_timeout_s: Longest wait for the arm to come to rest [s].
        prefetch_timeout_s: Longest wait for the generalist's first command [s].
        grasp_timeout_s: Longest grant to the generalist [s].
        check_timeout_s: Longest judgement of a grasp [s].
        retreat_timeout_s: Longest way back [s].
        observation_timeout_s: An older observation counts as a robot fault [s].
        detector_timeout_s: An older detector result ends SEARCH and VERIFY [s].
        failed_grace_s: A failed skill keeps its phase this long after its last executed command [s].
        silence_timeout_s: The generalist may leave the gate without a valid command this long [s].
        no_progress_s: The arm may be at rest during GRASP this long [s].
        lost_timeout_s: The target may be missing during GRASP this long [s].
        held_s: A gripper that holds something this long ends GRASP [s].
        still_s: How long the arm must be at rest before a skill is granted the robot [s].
        cooldown_s: Candidates are ignored this long after one was rejected, so that the search moves on [s].
        max_grasps: Grants to the generalist.
        max_prefetches: Times in a row that the generalist may fail to deliver a first command.
    """

    search: bool = True
    episode_timeout_s: float = 300.0
    hold_timeout_s: float = 10.0
    search_timeout_s: float = 120.0
    verify_timeout_s: float = 6.0
    settle_timeout_s: float = 2.0
    prefetch_timeout_s: float = 3.0
    grasp_timeout_s: float = 45.0
    check_timeout_s: float = 3.0
    retreat_timeout_s: float = 8.0
    observation_timeout_s: float = 1.0
    detector_timeout_s: float = 2.0
    failed_grace_s: float = 0.5
    silence_timeout_s: float = 2.0
    no_progress_s: float = 10.0
    lost_timeout_s: float = 6.0
    held_s: float = 6.0
    still_s: float = 0.2
    cooldown_s: float = 1.0
    max_grasps: int = 3
    max_prefetches: int = 3

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name != "search" and not getattr(self, item.name) > 0:
                raise UsageError(f"authority.{item.name} must be above 0, not {getattr(self, item.name)}.")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the authority is told about one control period.

    Attributes:
        decision: The trigger's decision.
        search: Health of the search skill.
        vla: Health of the generalist.
        retreat: Health of the retreat skill.
        prepared: Whether the skill of the pending lease can act at once.
        still_s: How long the arm has been at rest [s].
        silent_s: Time since the gate last executed a command of the current lease [s].
        target_missing: Whether the target should be visible but is not.
        grasp: The gripper's judgement.
        observation_age_s: Age of the newest observation [s].
        robot_fault: What is wrong with the robot; empty when nothing is.
        interrupted: Whether a person asked to stop.
    """

    decision: TriggerDecision
    search: SkillHealth
    vla: SkillHealth
    retreat: SkillHealth
    prepared: bool
    still_s: float
    silent_s: float
    target_missing: bool
    grasp: GraspReport
    observation_age_s: float
    robot_fault: str = ""
    interrupted: bool = False


def cause_of_change(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    """Return why the phase of `status` ends now, or None while it goes on."""
    return _any_phase(status, inputs, now, config) or _RULES[status.phase](status, inputs, now, config)


def searched_s(status: Status, now: float) -> float:
    """Return the time spent in SEARCH and VERIFY so far, this visit included [s]."""
    return status.search_elapsed_s + now - status.since_s


def _any_phase(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    if inputs.robot_fault:
        return Cause(CauseName.ROBOT_FAULT, inputs.robot_fault)
    if inputs.observation_age_s > config.observation_timeout_s:
        return _crossed(CauseName.OBSERVATION_STALE, inputs.observation_age_s, config.observation_timeout_s)
    if inputs.interrupted:
        return Cause(CauseName.INTERRUPTED, "stop requested")
    return _expired(CauseName.EPISODE_TIMEOUT, now - status.started_s, config.episode_timeout_s)


def _hold(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    at_rest = inputs.still_s >= config.still_s
    if at_rest and not config.search and inputs.vla.state is not SkillState.WARMING:
        return Cause(CauseName.GRASP_REQUESTED, "method without search")
    fresh = inputs.decision.frame_age_s <= config.detector_timeout_s
    if at_rest and config.search and fresh and inputs.prepared:
        return Cause(CauseName.SEARCH_READY, f"at rest for {inputs.still_s:.2f} s")
    name = CauseName.HOLD_TIMEOUT if at_rest else CauseName.NOT_AT_REST
    return _expired(name, now - status.since_s, config.hold_timeout_s)


def _search(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    if inputs.search.state is SkillState.FAILED and inputs.silent_s >= config.failed_grace_s:
        return Cause(CauseName.SEARCH_FAILED, inputs.search.detail or "no detail")
    if cause := _stale_detector(inputs, config):
        return cause
    if cause := _expired(CauseName.SEARCH_TIMEOUT, searched_s(status, now), config.search_timeout_s):
        return cause
    if inputs.decision.state is TriggerState.CANDIDATE and now >= status.cooldown_until_s:
        return _judged(CauseName.CANDIDATE, inputs)
    if inputs.search.state is SkillState.EXHAUSTED:
        return Cause(CauseName.SEARCHED_EVERYWHERE, inputs.search.detail or f"after {searched_s(status, now):.1f} s")
    return None


def _verify(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    if cause := _stale_detector(inputs, config):
        return cause
    if inputs.decision.state is TriggerState.REJECTED:
        return _judged(CauseName.REJECTED, inputs)
    if now - status.since_s >= config.verify_timeout_s:
        missing = inputs.decision.detail or "more evidence needed"
        return Cause(CauseName.VERIFY_TIMEOUT, f"evidence {inputs.decision.evidence_nats:.2f} nats, {missing}")
    return _judged(CauseName.CONFIRMED, inputs) if inputs.decision.state is TriggerState.CONFIRMED else None


def _settle(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    if inputs.still_s >= config.still_s:
        return _crossed(CauseName.AT_REST, inputs.still_s, config.still_s)
    return _expired(CauseName.SETTLE_TIMEOUT, now - status.since_s, config.settle_timeout_s)


def _prefetch(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    waited_s = now - status.since_s
    # A failure may still be the one that ended the last grant, until the skill has worked on the new lease.
    failed = inputs.vla.state is SkillState.FAILED and waited_s >= config.failed_grace_s
    if failed or waited_s >= config.prefetch_timeout_s:
        if status.prefetch_failures + 1 >= config.max_prefetches:
            return _expired(CauseName.PREFETCH_ATTEMPTS_USED, status.prefetch_failures + 1, config.max_prefetches)
        name = CauseName.PREFETCH_FAILED if failed else CauseName.PREFETCH_TIMEOUT
        return Cause(name, f"{inputs.vla.state} after {waited_s:.2f} s {inputs.vla.detail}".strip())
    if inputs.prepared and inputs.still_s >= config.still_s:
        return Cause(CauseName.GRANTED, f"first command after {waited_s:.2f} s")
    return None


def _grasp(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    lost_s = now - status.lost_since_s if inputs.target_missing and status.lost_since_s is not None else 0.0
    held_s = inputs.grasp.steady_s if inputs.grasp.state is GraspState.HELD else 0.0
    return (
        _failed_vla(inputs, config)
        or _expired(CauseName.GRASP_TIMEOUT, now - status.since_s, config.grasp_timeout_s)
        or _expired(CauseName.VLA_SILENT, inputs.silent_s, config.silence_timeout_s)
        or _expired(CauseName.TARGET_LOST, lost_s, config.lost_timeout_s)
        or (Cause(CauseName.VLA_DONE, "reported") if inputs.vla.state is SkillState.DONE else None)
        or _expired(CauseName.OBJECT_HELD, held_s, config.held_s)
        or _expired(CauseName.NO_PROGRESS, inputs.still_s, config.no_progress_s)
    )


def _failed_vla(inputs: Inputs, config: AuthorityConfig) -> Cause | None:
    if inputs.vla.state is SkillState.FAILED and inputs.silent_s >= config.failed_grace_s:
        return Cause(CauseName.VLA_FAILED, inputs.vla.detail or "no detail")
    return None


def _check(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    waited_s = now - status.since_s
    if inputs.still_s < config.still_s:
        return _expired(CauseName.NOT_AT_REST, waited_s, config.check_timeout_s)
    if inputs.grasp.state is GraspState.HELD:
        return Cause(CauseName.GRASP_HELD, f"gripper steady for {inputs.grasp.steady_s:.2f} s")
    if inputs.grasp.state is GraspState.MOVING:
        return _expired(CauseName.CHECK_TIMEOUT, waited_s, config.check_timeout_s)
    return Cause(CauseName.GRASP_EMPTY, f"gripper {inputs.grasp.state}")


def _retreat(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> Cause | None:
    waited_s = now - status.since_s
    expired = waited_s >= config.retreat_timeout_s
    if inputs.retreat.state not in (SkillState.DONE, SkillState.FAILED) and not expired:
        return None
    if status.grasp_failures >= config.max_grasps:
        return _expired(CauseName.GRASP_ATTEMPTS_USED, status.grasp_failures, config.max_grasps)
    evidence = f"{inputs.retreat.state} after {waited_s:.2f} s {inputs.retreat.detail}".strip()
    if not config.search:
        return Cause(CauseName.GRASP_RETRIED, evidence)
    if inputs.retreat.state is SkillState.DONE:
        return Cause(CauseName.RETREATED, evidence)
    failed = inputs.retreat.state is SkillState.FAILED
    return Cause(CauseName.RETREAT_FAILED if failed else CauseName.RETREAT_TIMEOUT, evidence)


_RULES: dict[Phase, Callable[[Status, Inputs, float, AuthorityConfig], Cause | None]] = {
    Phase.HOLD: _hold,
    Phase.SEARCH: _search,
    Phase.VERIFY: _verify,
    Phase.SETTLE: _settle,
    Phase.PREFETCH: _prefetch,
    Phase.GRASP: _grasp,
    Phase.CHECK: _check,
    Phase.RETREAT: _retreat,
}


def _stale_detector(inputs: Inputs, config: AuthorityConfig) -> Cause | None:
    if inputs.decision.frame_age_s <= config.detector_timeout_s:
        return None
    return _crossed(CauseName.DETECTOR_STALE, inputs.decision.frame_age_s, config.detector_timeout_s)


def _judged(name: CauseName, inputs: Inputs) -> Cause:
    return Cause(name, f"evidence {inputs.decision.evidence_nats:.2f} nats")


def _expired(name: CauseName, value: float, bound: float) -> Cause | None:
    return _crossed(name, value, bound) if value >= bound else None


def _crossed(name: CauseName, value: float, bound: float) -> Cause:
    return Cause(name, f"{value:.2f} reached {bound:.2f}")
