"""How well the loop kept its rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class LoopStats:
    """Timing of one run of the loop.

    Attributes:
        ticks: Control periods that were measured.
        rate_error: Relative deviation of the mean rate from the wanted one; 0.01 is one per cent too fast.
        period_ms_p99: 99th percentile of the time between two ticks [ms].
        period_ms_max: Longest time between two ticks [ms].
        overruns: Deadlines that were missed.
    """

    ticks: int
    rate_error: float
    period_ms_p99: float
    period_ms_max: float
    overruns: int


def loop_stats(periods_s: Sequence[float], hz: float, overruns: int = 0) -> LoopStats:
    """Summarise the measured periods of a loop that was meant to run at `hz`.

    Args:
        periods_s: Time between consecutive ticks [s]; at least one.
        hz: The wanted rate.
        overruns: Deadlines that were missed.
    """
    periods = np.asarray(periods_s, dtype=np.float64)
    rate_error = len(periods) / (periods.sum() * hz) - 1.0
    return LoopStats(
        ticks=len(periods),
        rate_error=float(rate_error),
        period_ms_p99=float(np.percentile(periods, 99)) * 1e3,
        period_ms_max=float(periods.max()) * 1e3,
        overruns=overruns,
    )
