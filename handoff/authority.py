"""Control authority: a pure state machine over `handoff.phases`.

`step` maps a status and one control period's inputs to the next status. It reads no clock, holds no state and has no
effects, so the tests walk every reachable state of this very code. When a phase ends is written in `handoff.rules`, and
where it leads in `handoff.transitions`; here is what a change of phase does to leases and counters.

Every change of phase brings a new epoch. A lease that was prepared while the gate held the robot (the `pending` one) is
promoted with the epoch it was prepared under. The robot passes from one skill to another only through the gate and at
rest.
"""

from __future__ import annotations

import dataclasses

from handoff.phases import HOLDERS, Phase, Status, StopReason
from handoff.rules import AuthorityConfig, Inputs, cause_of_change, searched_s
from handoff.transitions import STOP_REASONS, TRANSITIONS, Cause, CauseName
from robots.types import Holder, Lease

__all__ = ["AuthorityConfig", "Cause", "CauseName", "Inputs", "fault", "start", "step"]


def start(now: float, config: AuthorityConfig, *, epoch: int = 0) -> Status:
    """Return the status at the start of an episode: the gate holds under `epoch`.

    Args:
        now: Loop time [s].
        config: Guards and time-outs.
        epoch: First epoch; must be above every epoch of earlier episodes with the same skills.
    """
    return _with_pending(Status(Phase.HOLD, Lease(Holder.GATE, epoch), since_s=now, started_s=now), config)


def step(status: Status, inputs: Inputs, now: float, config: AuthorityConfig) -> tuple[Status, Cause | None]:
    """Return the next status, and the cause if the phase changed. A terminal status is returned as it is."""
    if status.terminal:
        return status, None
    cause = cause_of_change(status, inputs, now, config)
    if cause is None:
        return _follow_target(status, inputs, now), None
    return _enter(status, cause, now, config), cause


def fault(status: Status, evidence: str, now: float, config: AuthorityConfig) -> tuple[Status, Cause | None]:
    """Return the status after the link to the robot was lost: there are no inputs any more."""
    if status.terminal:
        return status, None
    cause = Cause(CauseName.ROBOT_FAULT, evidence)
    return _enter(status, cause, now, config), cause


def _follow_target(status: Status, inputs: Inputs, now: float) -> Status:
    if status.phase is not Phase.GRASP:
        return status
    since = (status.lost_since_s if status.lost_since_s is not None else now) if inputs.target_missing else None
    return status if since == status.lost_since_s else dataclasses.replace(status, lost_since_s=since)


def _enter(status: Status, cause: Cause, now: float, config: AuthorityConfig) -> Status:
    entered = _with_pending(_change_phase(status, cause, now), config)
    if status.phase in (Phase.SEARCH, Phase.VERIFY):
        entered = dataclasses.replace(entered, search_elapsed_s=searched_s(status, now))
    if cause.name in (CauseName.REJECTED, CauseName.VERIFY_TIMEOUT, CauseName.SETTLE_TIMEOUT):
        entered = dataclasses.replace(entered, cooldown_until_s=now + config.cooldown_s)
    if cause.name in (CauseName.PREFETCH_TIMEOUT, CauseName.PREFETCH_FAILED):
        entered = dataclasses.replace(entered, prefetch_failures=status.prefetch_failures + 1)
    return _count_grants(status, entered)


def _count_grants(status: Status, entered: Status) -> Status:
    if entered.phase is Phase.GRASP:
        return dataclasses.replace(entered, handoffs=status.handoffs + 1, prefetch_failures=0)
    leaves = status.phase in (Phase.GRASP, Phase.CHECK) and entered.phase is not Phase.CHECK
    if leaves and entered.stop_reason is not StopReason.COMPLETED:
        return dataclasses.replace(entered, grasp_failures=status.grasp_failures + 1)
    return entered


def _change_phase(status: Status, cause: Cause, now: float) -> Status:
    phase = TRANSITIONS[status.phase][cause.name]
    newest = status.pending or status.lease
    granted = status.pending if cause.name in (CauseName.GRANTED, CauseName.SEARCH_READY) else None
    return dataclasses.replace(
        status,
        phase=phase,
        lease=granted or Lease(HOLDERS[phase], newest.epoch + 1),
        pending=None,
        since_s=now,
        lost_since_s=None,
        stop_reason=STOP_REASONS[cause.name] if phase.terminal else None,
    )


def _with_pending(status: Status, config: AuthorityConfig) -> Status:
    """Name the next holder while the gate still holds, so that it can prepare under its own epoch."""
    next_holder = Holder.VLA if status.phase is Phase.PREFETCH else Holder.SEARCH
    if status.phase is Phase.PREFETCH or (status.phase is Phase.HOLD and config.search):
        return dataclasses.replace(status, pending=Lease(next_holder, status.lease.epoch + 1))
    return status
