"""Rates of events, and two methods on the same layouts; the tests themselves are in `robots.statistics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robots.statistics import Interval, bootstrap, mcnemar_exact, wilcoxon


def poisson_rate(events: int, exposure: float) -> Interval | None:
    """Exact 95 % interval of a rate: `events` in `exposure`, in events per unit of exposure (Garwood 1936)."""
    if exposure <= 0.0:
        return None
    from scipy.stats import chi2

    low = 0.5 * float(chi2.ppf(0.025, 2 * events)) if events else 0.0
    return low / exposure, 0.5 * float(chi2.ppf(0.975, 2 * events + 2)) / exposure


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
