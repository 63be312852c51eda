"""How an episode ended, as far as the controller itself can know. Ground truth is judged elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from handoff.loop_stats import LoopStats
from handoff.phases import StopReason


@dataclass(frozen=True, slots=True)
class Outcome:
    """One episode's ending.

    Attributes:
        stop_reason: Why it ended.
        steps: Control periods.
        steps_to_handoff: Control periods before the first grant to the generalist, or None without one.
        handoffs: Grants to the generalist.
        grasp_failures: Grants that ended without a held object.
        handoff_latency_s: For each grant, loop time from the confirmed trigger to the first executed VLA command [s].
        duration_s: Loop time [s].
        refusals: Control periods in which the gate executed nothing for the holder, by reason.
        detail: The cause and evidence of the last transition.
        loop: How well the loop kept its rate, or None for an episode of a single period.
    """

    stop_reason: StopReason
    steps: int
    steps_to_handoff: int | None
    handoffs: int
    grasp_failures: int
    handoff_latency_s: tuple[float, ...]
    duration_s: float
    refusals: dict[str, int]
    detail: str = ""
    loop: LoopStats | None = None
