"""Time for the loop: a monotonic clock, a simulated one, and ticks at a fixed rate with absolute deadlines.

Deadlines are multiples of the period counted from the start. Sleeping for a period after each tick would add every
delay to all later ticks; an absolute deadline forgets it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from handoff.interfaces import Clock

Barrier = Callable[[float], bool]
"""`barrier(timeout_s)` waits at most `timeout_s` of wall time for outstanding work; True when none is left."""


class MonotonicClock:
    """The process clock."""

    def now(self) -> float:
        """Return `time.monotonic()` [s]."""
        return time.monotonic()

    def sleep_until(self, deadline_s: float) -> None:
        """Sleep until `deadline_s`, or return at once when it has passed."""
        while (left_s := deadline_s - time.monotonic()) > 0.0:
            time.sleep(left_s)


class SimulatedClock:
    """A clock that jumps: sleeping takes no wall time, except where a barrier reports outstanding work.

    With a barrier, simulated time does not run ahead of a policy server that works in wall time: before each jump of
    `dt` the barrier may use up to `dt` of wall time. A request that takes 0.2 s of wall time therefore costs about
    0.2 s of simulated time, and a fast one costs almost nothing.

    Args:
        start_s: First time [s].
        barriers: Waited for in turn; together they get at most the length of the jump.
        wall: Source of wall time [s], for tests.
    """

    def __init__(
        self, start_s: float = 0.0, barriers: Sequence[Barrier] = (), *, wall: Callable[[], float] = time.monotonic
    ) -> None:
        self._now_s = start_s
        self._barriers = tuple(barriers)
        self._wall = wall

    def now(self) -> float:
        """Return the simulated time [s]."""
        return self._now_s

    def sleep_until(self, deadline_s: float) -> None:
        """Jump to `deadline_s` once the barriers are clear or have used up the length of the jump."""
        jump_s = deadline_s - self._now_s
        if jump_s <= 0.0:
            return
        give_up_at_s = self._wall() + jump_s
        for barrier in self._barriers:
            barrier(max(give_up_at_s - self._wall(), 0.0))
        self._now_s = deadline_s


class Ticker:
    """Yields the loop time once per control period, and counts what went wrong.

    A tick that comes late by a whole period or more skips the deadlines it missed instead of catching up in a burst.

    Attributes:
        overruns: Deadlines that had passed before the loop came back.
        periods_s: Time between consecutive ticks [s].
    """

    def __init__(self, clock: Clock, hz: float) -> None:
        self._clock = clock
        self._period_s = 1.0 / hz
        self.overruns = 0
        self.periods_s: list[float] = []

    def __iter__(self) -> Iterator[float]:
        """Yield loop times [s] without end; the first at once."""
        start_s = last_s = self._clock.now()
        index = 0
        yield start_s
        while True:
            index = self._next_index(start_s, index)
            self._clock.sleep_until(start_s + index * self._period_s)
            now = self._clock.now()
            self.periods_s.append(now - last_s)
            last_s = now
            yield now

    def _next_index(self, start_s: float, index: int) -> int:
        # A millionth of a period absorbs rounding, so that an exact simulated clock never counts as late.
        reached = math.ceil((self._clock.now() - start_s) / self._period_s - 1e-6)
        missed = max(reached - (index + 1), 0)
        self.overruns += missed
        return index + 1 + missed


def ticks(clock: Clock, hz: float) -> Ticker:
    """Return an iterable of loop times at `hz` that keeps its own statistics."""
    return Ticker(clock, hz)
