"""The authority's map: every cause, the transition it makes, and the stop reason where it ends the episode.

`authority.step` looks its target phase up here, and the state diagram in `docs/handoff.md` is drawn from the same
table, so neither can disagree with the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from handoff.phases import HOLDERS, Phase, StopReason


class CauseName(StrEnum):
    """Why a phase ends."""

    ROBOT_FAULT = "robot_fault"  # the link is gone
    OBSERVATION_STALE = "observation_stale"  # the robot no longer delivers new observations
    INTERRUPTED = "interrupted"  # a person asked to stop
    EPISODE_TIMEOUT = "episode_timeout"
    SEARCH_READY = "search_ready"  # the search skill can act, the detector delivers, the arm is at rest
    GRASP_REQUESTED = "grasp_requested"  # there is no search: the generalist starts at once
    HOLD_TIMEOUT = "hold_timeout"  # the next skill or the detector did not become ready
    NOT_AT_REST = "not_at_rest"  # the arm keeps moving although the gate holds it
    CANDIDATE = "candidate"  # the trigger asks for a second look
    SEARCHED_EVERYWHERE = "searched_everywhere"
    SEARCH_TIMEOUT = "search_timeout"
    SEARCH_FAILED = "search_failed"
    DETECTOR_STALE = "detector_stale"
    CONFIRMED = "confirmed"  # the second look confirms the target, and it is fixated
    REJECTED = "rejected"
    VERIFY_TIMEOUT = "verify_timeout"
    AT_REST = "at_rest"
    SETTLE_TIMEOUT = "settle_timeout"
    GRANTED = "granted"  # the generalist has a first command for the pending lease
    PREFETCH_TIMEOUT = "prefetch_timeout"
    PREFETCH_FAILED = "prefetch_failed"
    PREFETCH_ATTEMPTS_USED = "prefetch_attempts_used"
    VLA_DONE = "vla_done"
    OBJECT_HELD = "object_held"  # the gripper has closed around something for a while
    GRASP_TIMEOUT = "grasp_timeout"
    VLA_FAILED = "vla_failed"
    VLA_SILENT = "vla_silent"  # the gate had nothing to execute for too long
    NO_PROGRESS = "no_progress"  # the arm has not moved for too long
    TARGET_LOST = "target_lost"
    GRASP_HELD = "grasp_held"
    GRASP_EMPTY = "grasp_empty"
    CHECK_TIMEOUT = "check_timeout"
    RETREATED = "retreated"
    RETREAT_FAILED = "retreat_failed"
    RETREAT_TIMEOUT = "retreat_timeout"
    GRASP_ATTEMPTS_USED = "grasp_attempts_used"
    GRASP_RETRIED = "grasp_retried"  # there is no search: the generalist tries again


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the phase changed, with the figures that led to it.

    Attributes:
        name: The cause.
        evidence: The measured values and the bounds they crossed, for the log.
    """

    name: CauseName
    evidence: str

    def __str__(self) -> str:
        return f"{self.name}: {self.evidence}"


_ANY: dict[CauseName, Phase] = {
    CauseName.ROBOT_FAULT: Phase.FAULT_HOLD,
    CauseName.OBSERVATION_STALE: Phase.FAULT_HOLD,
    CauseName.INTERRUPTED: Phase.DONE,
    CauseName.EPISODE_TIMEOUT: Phase.DONE,
}

TRANSITIONS: dict[Phase, dict[CauseName, Phase]] = {
    Phase.HOLD: {
        **_ANY,
        CauseName.SEARCH_READY: Phase.SEARCH,
        CauseName.GRASP_REQUESTED: Phase.SETTLE,
        CauseName.HOLD_TIMEOUT: Phase.FAULT_HOLD,
        CauseName.NOT_AT_REST: Phase.FAULT_HOLD,
    },
    Phase.SEARCH: {
        **_ANY,
        CauseName.CANDIDATE: Phase.VERIFY,
        CauseName.SEARCHED_EVERYWHERE: Phase.DONE,
        CauseName.SEARCH_TIMEOUT: Phase.DONE,
        CauseName.SEARCH_FAILED: Phase.HOLD,
        CauseName.DETECTOR_STALE: Phase.HOLD,
    },
    Phase.VERIFY: {
        **_ANY,
        CauseName.CONFIRMED: Phase.SETTLE,
        CauseName.REJECTED: Phase.SEARCH,
        CauseName.VERIFY_TIMEOUT: Phase.SEARCH,
        CauseName.DETECTOR_STALE: Phase.HOLD,
    },
    Phase.SETTLE: {**_ANY, CauseName.AT_REST: Phase.PREFETCH, CauseName.SETTLE_TIMEOUT: Phase.HOLD},
    Phase.PREFETCH: {
        **_ANY,
        CauseName.GRANTED: Phase.GRASP,
        CauseName.PREFETCH_TIMEOUT: Phase.HOLD,
        CauseName.PREFETCH_FAILED: Phase.HOLD,
        CauseName.PREFETCH_ATTEMPTS_USED: Phase.FAULT_HOLD,
    },
    Phase.GRASP: {
        **_ANY,
        CauseName.VLA_DONE: Phase.CHECK,
        CauseName.OBJECT_HELD: Phase.CHECK,
        CauseName.GRASP_TIMEOUT: Phase.CHECK,
        CauseName.VLA_FAILED: Phase.CHECK,
        CauseName.VLA_SILENT: Phase.CHECK,
        CauseName.NO_PROGRESS: Phase.CHECK,
        CauseName.TARGET_LOST: Phase.CHECK,
    },
    Phase.CHECK: {
        **_ANY,
        CauseName.GRASP_HELD: Phase.DONE,
        CauseName.GRASP_EMPTY: Phase.RETREAT,
        CauseName.CHECK_TIMEOUT: Phase.RETREAT,
        CauseName.NOT_AT_REST: Phase.FAULT_HOLD,
    },
    Phase.RETREAT: {
        **_ANY,
        CauseName.RETREATED: Phase.SEARCH,
        CauseName.RETREAT_FAILED: Phase.SEARCH,
        CauseName.RETREAT_TIMEOUT: Phase.SEARCH,
        CauseName.GRASP_RETRIED: Phase.SETTLE,
        CauseName.GRASP_ATTEMPTS_USED: Phase.DONE,
    },
    Phase.DONE: {},
    Phase.FAULT_HOLD: {},
}

STOP_REASONS: dict[CauseName, StopReason] = {
    CauseName.ROBOT_FAULT: StopReason.ROBOT_FAULT,
    CauseName.OBSERVATION_STALE: StopReason.ROBOT_FAULT,
    CauseName.NOT_AT_REST: StopReason.ROBOT_FAULT,
    CauseName.INTERRUPTED: StopReason.INTERRUPTED,
    CauseName.EPISODE_TIMEOUT: StopReason.EPISODE_TIMEOUT,
    CauseName.HOLD_TIMEOUT: StopReason.SKILL_FAULT,
    CauseName.PREFETCH_ATTEMPTS_USED: StopReason.SKILL_FAULT,
    CauseName.SEARCHED_EVERYWHERE: StopReason.SEARCHED_EVERYWHERE,
    CauseName.SEARCH_TIMEOUT: StopReason.SEARCH_TIMEOUT,
    CauseName.GRASP_HELD: StopReason.COMPLETED,
    CauseName.GRASP_ATTEMPTS_USED: StopReason.GRASP_ATTEMPTS_USED,
}


def authority_diagram() -> str:
    """Return the state diagram as Mermaid text, one arrow per pair of phases; causes from anywhere are a note."""
    lines = ["stateDiagram-v2", "    [*] --> hold"]
    lines += [f"    state '{phase} [{HOLDERS[phase]}]' as {phase}".replace("'", '"') for phase in Phase]
    for source, exits in TRANSITIONS.items():
        for target in dict.fromkeys(exits.values()):
            causes = [name for name, phase in exits.items() if phase is target and name not in _ANY]
            lines += [f"    {source} --> {target}: {', '.join(causes)}"] if causes else []
    lines += [f"    {phase} --> [*]" for phase in Phase if phase.terminal]
    lines += ["    note left of hold", "        from every phase:"]
    lines += [f"        {name} to {target}" for name, target in _ANY.items()]
    return "\n".join([*lines, "    end note"]) + "\n"
