"""CPU times of this process, for a machine that others use too: medians over rounds, in which calls take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def cpu_ms(call: Callable[[], object], *, repetitions: int, calls: int) -> float:
    """Return the CPU time of one call [ms]: median over `repetitions` of the mean over `calls`."""
    return compare_cpu_ms({"": call}, repetitions=repetitions, calls=calls)[""]


def compare_cpu_ms(work: Mapping[str, Callable[[], object]], *, repetitions: int, calls: int) -> dict[str, float]:
    """Return the CPU time of one call of each [ms], by name; in every repetition each gets its turn.

    Args:
        work: What to compare, by name; each is called once beforehand.
        repetitions: How many means the median is taken over.
        calls: How many calls in a row the mean is taken over.
    """
    for call in work.values():
        call()
    means: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repetitions):
        for name, call in work.items():
            start_s = time.process_time()
            for _ in range(calls):
                call()
            means[name].append((time.process_time() - start_s) * 1e3 / calls)
    return {name: statistics.median(values) for name, values in means.items()}
