import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.clock import MonotonicClock, SimulatedClock, ticks
from handoff.loop_stats import loop_stats


class LateClock(SimulatedClock):
    """Oversleeps by a given time, and can be made to spend time inside the loop's body."""

    def __init__(self, late_s=0.0):
        super().__init__()
        self.late_s = late_s

    def work(self, duration_s):
        self._now_s += duration_s

    def sleep_until(self, deadline_s):
        super().sleep_until(deadline_s)
        self.work(self.late_s)


def test_ticks_keep_the_grid_although_every_sleep_is_late():
    clock = LateClock(late_s=0.003)
    ticker = ticks(clock, 50.0)
    times = list(itertools.islice(ticker, 1001))
    assert times[0] == 0.0
    assert times[-1] == pytest.approx(1000 * 0.02 + 0.003)
    assert ticker.overruns == 0
    assert abs(loop_stats(ticker.periods_s, 50.0).rate_error) < 1e-3


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=50))
def test_deadlines_stay_on_the_grid_whatever_the_body_takes(durations):
    clock = LateClock()
    ticker = ticks(clock, 10.0)
    times = iter(ticker)
    last = next(times)
    for duration in durations:
        clock.work(duration)
        now = next(times)
        assert now / 0.1 == pytest.approx(round(now / 0.1), abs=1e-5)
        assert now > last
        assert now >= last + duration - 1e-9
        last = now


def test_missed_deadlines_are_counted_and_skipped_without_a_burst():
    clock = LateClock()
    ticker = ticks(clock, 10.0)
    times = iter(ticker)
    next(times)
    clock.work(0.35)
    assert next(times) == pytest.approx(0.4)
    assert next(times) == pytest.approx(0.5)
    assert ticker.overruns == 3
    assert ticker.periods_s == pytest.approx([0.4, 0.1])


def test_simulated_time_jumps_without_waiting():
    clock = SimulatedClock(5.0)
    clock.sleep_until(1000.0)
    clock.sleep_until(10.0)
    assert clock.now() == 1000.0


def test_barriers_share_the_jump_as_their_time_budget():
    wall, waited = [0.0], []

    def slow(timeout_s):
        waited.append(timeout_s)
        wall[0] += 0.15
        return True

    clock = SimulatedClock(barriers=[slow, slow], wall=lambda: wall[0])
    clock.sleep_until(0.2)
    assert clock.now() == 0.2
    assert waited == pytest.approx([0.2, 0.05])


def test_the_monotonic_clock_sleeps_to_the_deadline_and_not_in_the_past():
    clock = MonotonicClock()
    start = time.monotonic()
    clock.sleep_until(start + 0.02)
    assert time.monotonic() >= start + 0.02
    clock.sleep_until(start - 100.0)
    assert time.monotonic() < start + 10.0


def test_loop_statistics():
    periods = np.full(1000, 0.1)
    periods[-1] = 0.2
    stats = loop_stats(periods, 10.0, overruns=1)
    assert stats.ticks == 1000
    assert stats.rate_error == pytest.approx(1000 / 100.1 / 10.0 - 1.0)
    assert stats.period_ms_p99 == pytest.approx(100.0)
    assert stats.period_ms_max == pytest.approx(200.0)
    assert stats.overruns == 1
