"""Planned comparisons of two methods on the same layouts and training seeds, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.statistics import Interval, mcnemar_exact, wilcoxon
from search_policy.experiment.measures import Sample, crossed_bootstrap

LEVEL = 0.05
RESAMPLES = 9999


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a comparison: first minus second.

    Attributes:
        difference: Mean.
        ci95: Its interval over training seeds and layouts.
        p: Of the paired test over layouts.
        p_holm: The same, corrected for all comparisons of the setting.
    """

    difference: float
    ci95: Interval
    p: float
    p_holm: float = 1.0

    @property
    def carries(self) -> bool:
        """Whether the difference may be claimed: corrected p below 0.05, and an interval without zero."""
        return self.p_holm < LEVEL and (self.ci95[0] > 0.0 or self.ci95[1] < 0.0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two methods in one setting.

    Attributes:
        first: Method.
        second: Method.
        seeds: Training seeds that both have.
        layouts: Layouts.
        steps: Control steps, a failure counting as the limit.
        success: Share of searches.
    """

    first: str
    second: str
    seeds: int
    layouts: int
    steps: Measure
    success: Measure

    def findings(self) -> dict[str, str]:
        """Return what the data carry, in words, by measure: `steps` or `success`."""
        found = {}
        if self.steps.carries:
            found["steps"] = f"needs {'fewer' if self.steps.difference < 0 else 'more'} steps than"
        if self.success.carries:
            found["success"] = f"finds the target {'more' if self.success.difference > 0 else 'less'} often than"
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, the findings among them."""
        return {**asdict(self), "findings": self.findings()}


def compare(first: tuple[str, Sample], second: tuple[str, Sample]) -> Comparison:
    """Compare two methods, each by name and searches; one without training seeds is paired with every seed.

    The tests take layouts as the units: differences are averaged over training seeds first. Steps: Wilcoxon's
    signed-rank test. Success: McNemar's exact test; with several seeds its generalisation, a sign-flip permutation.
    """
    (name, one), (other_name, other) = first, second
    steps, success = one.steps - other.steps, one.found.astype(float) - other.found.astype(float)
    layout_steps = [float(value) for value in steps.mean(axis=0)]
    return Comparison(
        first=name,
        second=other_name,
        seeds=len(steps),
        layouts=steps.shape[1],
        steps=Measure(float(steps.mean()), crossed_bootstrap(steps), wilcoxon(layout_steps)),
        success=Measure(float(success.mean()), crossed_bootstrap(success), _success_p(one, other)),
    )


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons of one setting with p values by Holm's method over all of them and both measures."""
    if not comparisons:
        return []
    from statsmodels.stats.multitest import multipletests

    values = [value for item in comparisons for value in (item.steps.p, item.success.p)]
    adjusted = multipletests(values, alpha=LEVEL, method="holm")[1].tolist()
    return [
        replace(
            item,
            steps=replace(item.steps, p_holm=adjusted[2 * number]),
            success=replace(item.success, p_holm=adjusted[2 * number + 1]),
        )
        for number, item in enumerate(comparisons)
    ]


def _success_p(one: Sample, other: Sample) -> float:
    first, second = np.broadcast_arrays(one.found, other.found)
    if len(first) == 1:
        return mcnemar_exact(first[0].tolist(), second[0].tolist())
    return sign_flip((first.astype(float) - second.astype(float)).mean(axis=0))


def sign_flip(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p value of a sign-flip permutation test of the mean; 1 when fewer than two pairs differ."""
    nonzero = differences[differences != 0.0]
    if len(nonzero) < 2:
        return 1.0
    from scipy.stats import permutation_test

    result = permutation_test(
        (nonzero,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
        axis=0,
    )
    return float(result.pvalue)
