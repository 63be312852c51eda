"""The vocabulary of control authority: phases, stop reasons, and the authority's status."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from robots.types import Holder, Lease


class Phase(StrEnum):
    """What the system is doing. The robot's holder is given in brackets."""

    HOLD = "hold"  # [gate] armed, waiting for skills to be ready
    SEARCH = "search"  # [search] choose viewpoints and look
    VERIFY = "verify"  # [search] centre the candidate and look again
    SETTLE = "settle"  # [gate] come to rest
    PREFETCH = "prefetch"  # [gate] first chunk under the pending lease
    GRASP = "grasp"  # [vla]
    CHECK = "check"  # [gate] did the grasp work?
    RETREAT = "retreat"  # [search] back out the way the grasp came in
    DONE = "done"  # [gate] terminal
    FAULT_HOLD = "fault_hold"  # [gate] latched, terminal for the episode

    @property
    def terminal(self) -> bool:
        """Whether the episode ends here."""
        return self in (Phase.DONE, Phase.FAULT_HOLD)


class StopReason(StrEnum):
    """Why an episode ended: one per episode, in every record."""

    COMPLETED = "completed"  # the grasp check says the target is held
    SEARCHED_EVERYWHERE = "searched_everywhere"  # the search skill has nothing left to look at
    SEARCH_TIMEOUT = "search_timeout"
    GRASP_ATTEMPTS_USED = "grasp_attempts_used"
    EPISODE_TIMEOUT = "episode_timeout"
    ROBOT_FAULT = "robot_fault"
    SKILL_FAULT = "skill_fault"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Status:
    """The authority's whole state. `step` maps one to the next; nothing else holds authority state.

    Attributes:
        phase: The current phase.
        lease: Who may command the robot now.
        pending: The lease that the next holder prepares under while the gate still holds, or None.
        since_s: When the phase began [s].
        started_s: When the episode began [s].
        handoffs: Grants to the generalist so far.
        grasp_failures: Grasps that ended without success so far.
        search_elapsed_s: Time spent in SEARCH and VERIFY in earlier visits [s].
        lost_since_s: When the target was last seen during GRASP, or None while it is seen.
        prefetch_failures: Times in a row that the generalist delivered no first command.
        cooldown_until_s: Candidates are ignored before this time [s].
        stop_reason: Set exactly when the phase is terminal.
    """

    phase: Phase
    lease: Lease
    since_s: float
    started_s: float
    pending: Lease | None = None
    handoffs: int = 0
    grasp_failures: int = 0
    search_elapsed_s: float = 0.0
    lost_since_s: float | None = None
    prefetch_failures: int = 0
    cooldown_until_s: float = -math.inf
    stop_reason: StopReason | None = None

    @property
    def terminal(self) -> bool:
        """Whether the episode is over."""
        return self.phase.terminal


HOLDERS: dict[Phase, Holder] = {
    Phase.HOLD: Holder.GATE,
    Phase.SEARCH: Holder.SEARCH,
    Phase.VERIFY: Holder.SEARCH,
    Phase.SETTLE: Holder.GATE,
    Phase.PREFETCH: Holder.GATE,
    Phase.GRASP: Holder.VLA,
    Phase.CHECK: Holder.GATE,
    Phase.RETREAT: Holder.SEARCH,
    Phase.DONE: Holder.GATE,
    Phase.FAULT_HOLD: Holder.GATE,
}
