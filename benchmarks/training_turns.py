"""Measuring by turns: what is compared runs in alternating rounds, and what counts is CPU time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over the rounds of the mean of one call.

    Attributes:
        cpu_s: CPU time of the process, all its threads together [s].
        wall_s: Wall time [s].
    """

    cpu_s: float
    wall_s: float


def by_turns(
    work: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float, threads: int = 1, device: str = "cpu"
) -> dict[str, Cost]:
    """Return what one call of each costs; in every round each gets its turn.

    Args:
        work: What to compare, by name; each is called twice beforehand.
        rounds: How many means the median is taken over.
        seconds: CPU time of a turn [s]; the number of calls follows from the second warming call, at least one.
        threads: Of torch.
        device: Waited for before a clock is read.
    """
    torch.set_num_threads(threads)
    calls, costs = {}, {name: [] for name in work}
    for name, call in work.items():
        call()
        once = _measure(call, 1, device)
        calls[name] = max(1, min(50, round(seconds / max(once.cpu_s, once.wall_s / 4, 1e-6))))
    for _ in range(rounds):
        for name, call in work.items():
            costs[name].append(_measure(call, calls[name], device))
    torch.set_num_threads(1)
    return {
        name: Cost(statistics.median(c.cpu_s for c in found), statistics.median(c.wall_s for c in found))
        for name, found in costs.items()
    }


def _measure(call: Callable[[], object], calls: int, device: str) -> Cost:
    _wait(device)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for _ in range(calls):
        call()
    _wait(device)
    return Cost((time.process_time() - cpu_s) / calls, (time.perf_counter() - wall_s) / calls)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
