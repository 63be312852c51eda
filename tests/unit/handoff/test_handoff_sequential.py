import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.trigger.sequential import (
    Sprt,
    SprtConfig,
    Verdict,
    cusum,
    cusum_threshold,
    sprt_bounds,
    sprt_step,
)
from robots.errors import UsageError

RATIOS = st.lists(st.floats(-3.0, 3.0), max_size=60)


@given(RATIOS)
def test_the_cumulative_sum_is_the_height_above_the_lowest_point(ratios):
    total, walk = 0.0, [0.0]
    for ratio in ratios:
        total = cusum(total, ratio)
        walk.append(walk[-1] + ratio)
    assert total == pytest.approx(walk[-1] - min(walk), abs=1e-9)


def test_the_threshold_follows_the_bound():
    assert cusum_threshold(5.0, 6.0) == pytest.approx(math.log(3000.0))
    for rates in [(0.0, 1.0), (5.0, 0.0), (5.0, 18_000.0)]:
        with pytest.raises(UsageError):
            cusum_threshold(*rates)


def test_cusum_keeps_the_promised_rate_of_false_candidates():
    rng, frames_per_s, wanted = np.random.default_rng(3), 5.0, 60.0
    threshold, total, false_candidates = cusum_threshold(frames_per_s, wanted), 0.0, 0
    frames = 200_000
    # Unit-variance scores at -1 and +1: the log-likelihood ratio of x is 2 x.
    for ratio in 2.0 * rng.normal(-1.0, 1.0, frames):
        total = cusum(total, ratio)
        if total >= threshold:
            false_candidates, total = false_candidates + 1, 0.0
    assert 0 < false_candidates <= wanted * frames / (3600.0 * frames_per_s)


@given(RATIOS)
def test_a_test_decides_once_and_within_its_frames(ratios):
    config = SprtConfig(max_frames=25)
    reject, accept = sprt_bounds(config)
    state = Sprt()
    for ratio in ratios:
        before, state = state, sprt_step(state, ratio, config)
        if before.verdict is not Verdict.OPEN:
            assert state == before
        elif state.verdict is Verdict.ACCEPT:
            assert state.total_nats >= accept
        elif state.verdict is Verdict.OPEN:
            assert reject < state.total_nats < accept
    assert state.frames == min(state.frames, 25)
    assert (state.verdict is not Verdict.OPEN) or len(ratios) < 25


def run_tests(mean, config, tests=4000, seed=11):
    rng = np.random.default_rng(seed)
    verdicts, frames = [], []
    for _ in range(tests):
        state = Sprt()
        while state.verdict is Verdict.OPEN:
            state = sprt_step(state, rng.normal(mean, 1.0), config)
        verdicts.append(state.verdict)
        frames.append(state.frames)
    return np.array(verdicts), float(np.mean(frames))


def test_error_rates_stay_below_walds_bounds():
    # Scores at -0.5 and +0.5 with unit variance: the log-likelihood ratio of x is x.
    config = SprtConfig(alpha=0.02, beta=0.05, max_frames=1000)
    absent, _ = run_tests(-0.5, config)
    present, frames = run_tests(0.5, config)
    # Wald: alpha' <= alpha / (1 - beta), beta' <= beta / (1 - alpha); three standard errors of slack.
    assert np.mean(absent == Verdict.ACCEPT) <= 0.02 / 0.95 + 3 * math.sqrt(0.02 / 4000)
    assert np.mean(present == Verdict.REJECT) <= 0.05 / 0.98 + 3 * math.sqrt(0.05 / 4000)
    reject, accept = sprt_bounds(config)
    expected = (0.95 * accept + 0.05 * reject) / 0.5  # Wald's approximation, without the overshoot
    assert expected <= frames <= 1.5 * expected


def test_truncation_rejects_and_never_accepts_more():
    free, _ = run_tests(-0.5, SprtConfig(alpha=0.05, max_frames=1000))
    cut, frames = run_tests(-0.5, SprtConfig(alpha=0.05, max_frames=3))
    assert np.mean(cut == Verdict.ACCEPT) <= np.mean(free == Verdict.ACCEPT)
    assert frames <= 3
    assert sprt_step(Sprt(0.0, 2), 0.0, SprtConfig(max_frames=3)).verdict is Verdict.REJECT


@pytest.mark.parametrize("values", [{"alpha": 0.0}, {"beta": 0.5}, {"max_frames": 0}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(UsageError):
        SprtConfig(**values)
