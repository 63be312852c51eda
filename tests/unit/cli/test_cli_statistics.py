"""Statistics against published or closed-form values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.statistics import compare, poisson_rate
from robots.statistics import bootstrap, mcnemar_exact, spl, wilcoxon, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_wilson_matches_newcombe_1998(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_no_trials_have_no_interval():
    assert wilson(0, 0) is None
    assert poisson_rate(0, 0.0) is None
    assert bootstrap([], np.mean) is None


@settings(deadline=None)  # the first call imports statsmodels
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_the_share(case):
    successes, trials = case
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1.0


def test_poisson_bounds():
    low, high = poisson_rate(0, 1.0)
    assert low == 0.0
    assert high == pytest.approx(-np.log(0.025), rel=1e-9)
    assert poisson_rate(5, 2.0) == pytest.approx((1.6235 / 2, 11.6683 / 2), rel=1e-4)


def test_mcnemar_is_a_binomial_test_on_the_discordant_pairs():
    first = [True] * 8 + [False] * 1 + [True] * 5
    second = [False] * 8 + [True] * 1 + [True] * 5
    assert mcnemar_exact(first, second) == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar_exact([True, False], [True, False]) == 1.0


def test_wilcoxon_exact_small_sample():
    assert wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == pytest.approx(2 / 2**6)
    assert wilcoxon([0.0, 0.0]) == 1.0
    assert wilcoxon([]) == 1.0


def test_spl_of_the_definition():
    assert spl([True, True, False], [10, 20, None], [10, 10, 10]) == pytest.approx((1 + 0.5 + 0) / 3)
    assert spl([True], [5], [10]) == 1.0
    assert spl([True], [5], [None]) is None


def test_the_bootstrap_is_seeded_and_holds_the_median():
    values = [-5.0, -3.0, -2.0, -8.0, 1.0, -4.0]
    interval = bootstrap(values, np.median)
    assert interval == bootstrap(values, np.median)
    assert interval[0] <= np.median(values) <= interval[1]


def test_comparison_uses_only_layouts_that_both_found():
    result = compare([True, True, False, True], [True, False, True, True], [10, 5, None, 30], [20, None, 7, 50])
    assert (result.first_only, result.second_only, result.both_found) == (1, 1, 2)
    assert result.steps_difference_median == -15.0
    assert result.success_p == 1.0


def test_a_shorter_tail_shows_in_the_mean_though_most_pairs_are_equal():
    fast, slow = [20] * 60 + [40] * 40, [20] * 60 + [80] * 40
    result = compare([True] * 100, [True] * 100, fast, slow)
    assert result.steps_difference_median == 0.0
    assert result.steps_difference_mean == -16.0
    assert result.steps_difference_mean_ci95[1] < 0.0
    assert result.steps_p < 0.001
