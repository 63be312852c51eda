"""Intervals and paired tests, so that a difference is only claimed where the data carry it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robots.types import Float

Interval = tuple[float, float]


def wilson(successes: int, trials: int) -> Interval | None:
    """Wilson 95 % interval of a proportion (Wilson 1927), or None without trials."""
    if trials == 0:
        return None
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, trials, alpha=0.05, method="wilson")
    return float(low), float(high)


def poisson_rate(events: int, exposure: float) -> Interval | None:
    """Exact 95 % interval of a rate: `events` in `exposure`, in events per unit of exposure (Garwood 1936)."""
    if exposure <= 0.0:
        return None
    from scipy.stats import chi2

    low = 0.5 * float(chi2.ppf(0.025, 2 * events)) if events else 0.0
    return low / exposure, 0.5 * float(chi2.ppf(0.975, 2 * events + 2)) / exposure


def spl(found: Sequence[bool], steps: Sequence[int | None], oracle_steps: Sequence[int | None]) -> float | None:
    """Success weighted by path length: the mean of `S l / max(p, l)` (Anderson et al., arXiv 1807.06757).

    Path lengths are counted in control periods.

    Args:
        found: S, success of each episode.
        steps: p, steps of each successful episode.
        oracle_steps: l, steps of the shortest path with full knowledge; episodes without one are left out.
    """
    terms = [
        oracle / max(path, oracle, 1) if success and path is not None else 0.0
        for success, path, oracle in zip(found, steps, oracle_steps, strict=True)
        if oracle is not None
    ]
    return float(np.mean(terms)) if terms else None


def mcnemar_exact(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided exact McNemar p value for paired successes: a binomial test on the pairs that differ."""
    from scipy.stats import binomtest

    pairs = list(zip(first, second, strict=True))
    wins, losses = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    return float(binomtest(wins, wins + losses, 0.5).pvalue) if wins + losses else 1.0


def wilcoxon(differences: Sequence[float]) -> float:
    """Two-sided Wilcoxon signed-rank p value; 1 when every pair is equal or there is none."""
    nonzero = [value for value in differences if value != 0.0]
    if not nonzero:
        return 1.0
    from scipy.stats import wilcoxon as signed_rank

    return float(signed_rank(nonzero).pvalue)


def bootstrap(
    differences: Sequence[float], statistic: Callable[..., Float], *, seed: int = 0, resamples: int = 10_000
) -> Interval | None:
    """Percentile 95 % interval of a statistic (`np.mean`, `np.median`) of paired differences, or None without pairs."""
    if not differences:
        return None
    generator = np.random.default_rng(seed)
    draws = generator.choice(np.asarray(differences, dtype=float), size=(resamples, len(differences)))
    low, high = np.percentile(statistic(draws, axis=1), [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two methods on the same layouts.

    Attributes:
        layouts: Layouts that both methods ran.
        first_only: Layouts where only the first method succeeded.
        second_only: Layouts where only the second one did.
        success_p: Exact McNemar p value.
        both_found: Layouts that both methods found the target on: the pairs of the steps comparison.
        steps_difference_median: Median of first minus second, in control periods; negative when the first is faster.
        steps_difference_ci95: Its bootstrap interval.
        steps_difference_mean: Mean of the same differences; unlike the median it shows a shorter tail.
        steps_difference_mean_ci95: Its bootstrap interval.
        steps_p: Wilcoxon signed-rank p value.
    """

    layouts: int
    first_only: int
    second_only: int
    success_p: float
    both_found: int
    steps_difference_median: float | None
    steps_difference_ci95: Interval | None
    steps_difference_mean: float | None
    steps_difference_mean_ci95: Interval | None
    steps_p: float

    @property
    def lead(self) -> int:
        """Layouts that the first method won, less those that it lost."""
        return self.first_only - self.second_only


def compare(
    first: Sequence[bool], second: Sequence[bool], first_steps: Sequence[int | None], second_steps: Sequence[int | None]
) -> Comparison:
    """Compare two methods layout by layout; steps only where both succeeded."""
    differences = [
        float(a - b) for a, b in zip(first_steps, second_steps, strict=True) if a is not None and b is not None
    ]
    pairs = list(zip(first, second, strict=True))
    return Comparison(
        layouts=len(pairs),
        first_only=sum(a and not b for a, b in pairs),
        second_only=sum(b and not a for a, b in pairs),
        success_p=mcnemar_exact(first, second),
        both_found=len(differences),
        steps_difference_median=float(np.median(differences)) if differences else None,
        steps_difference_ci95=bootstrap(differences, np.median),
        steps_difference_mean=float(np.mean(differences)) if differences else None,
        steps_difference_mean_ci95=bootstrap(differences, np.mean),
        steps_p=wilcoxon(differences),
    )
