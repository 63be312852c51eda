"""Counts what happens in one episode and turns it into its outcome."""

from __future__ import annotations

from collections.abc import Mapping

from handoff.outcome import Outcome
from handoff.phases import Phase, Status
from handoff.transitions import Cause, CauseName


class EpisodeTally:
    """One episode's counts. Call `note` once per control period.

    Attributes:
        steps: Control periods so far.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._steps_to_handoff: int | None = None
        self._latencies_s: list[float] = []
        self._triggered_at_s: float | None = None
        self._detail = ""

    def note(self, status: Status, cause: Cause | None, now: float, *, executed: bool) -> None:
        """Take in one control period.

        Args:
            status: The status after the authority's step.
            cause: Why the phase changed in this period, or None.
            now: Loop time [s].
            executed: Whether the gate executed the holder's command.
        """
        if cause is not None:
            self._detail = str(cause)
            if cause.name in (CauseName.CONFIRMED, CauseName.GRASP_REQUESTED, CauseName.GRASP_RETRIED):
                self._triggered_at_s = now
        if status.phase is Phase.GRASP:
            if self._steps_to_handoff is None:
                self._steps_to_handoff = self.steps
            if executed and self._triggered_at_s is not None:
                self._latencies_s.append(now - self._triggered_at_s)
                self._triggered_at_s = None
        self.steps += 1

    def outcome(self, status: Status, refusals: Mapping[str, int], now: float) -> Outcome:
        """Return the outcome of an episode that has reached a terminal `status`."""
        if status.stop_reason is None:
            raise ValueError(f"The episode is still in {status.phase}.")
        return Outcome(
            stop_reason=status.stop_reason,
            steps=self.steps,
            steps_to_handoff=self._steps_to_handoff,
            handoffs=status.handoffs,
            grasp_failures=status.grasp_failures,
            handoff_latency_s=tuple(self._latencies_s),
            duration_s=now - status.started_s,
            refusals=dict(refusals),
            detail=self._detail,
        )
