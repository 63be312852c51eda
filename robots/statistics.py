"""Intervals and paired tests of single measures, so that a difference is only claimed where the data carry it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
