"""Two questions about a privileged signal: does the return depend on it, given z? Does a value that sees it err less?

The roles are those of the two criteria of Informed Asymmetric Actor-Critic (arXiv 2509.26000): a dependence test before
training, and the gain of value prediction afterwards. The statistics are chosen here; docs/audit.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dependence:
    """Does the return depend on the signal once z is known?

    Attributes:
        strength: Norm of the residuals' covariance as a share of its largest possible value, in [0, 1].
        p: Of no dependence.
    """

    strength: float
    p: float


@dataclass(frozen=True, slots=True)
class Gain:
    """How much of the value's error the signal takes away on episodes that were not trained on.

    Attributes:
        share: Share of the squared error; negative where the signal only adds noise.
        interval: Its 95 % interval, bootstrapped over episodes.
        rank: Gain of Spearman's rank correlation between value and return.
        p: Of no gain, one-sided.
    """

    share: float
    interval: tuple[float, float]
    rank: float
    p: float


def dependence(
    features: Matrix, returns: Matrix, episode: NDArray[np.int64], draws: int, rng: np.random.Generator
) -> Dependence:
    """Test E[(phi(S) - E[phi(S) | z]) (G - E[G | z])] = 0 for all functions phi of a kernel.

    It is the generalised covariance measure (Shah and Peters 2020, arXiv 1804.07203) over kernel features of the
    signal. Under the null every episode's sum has mean zero, so flipping the signs of whole episodes (a wild bootstrap)
    gives the statistic's distribution, however decisions of one episode hang together and however noise varies.

    Args:
        features: Residuals of the signal's kernel features given z, (n, r).
        returns: Residuals of the return given z, (n,).
        episode: (n,).
        draws: Sign flips.
        rng: Draws them.
    """
    sums = _per_episode(features * returns[:, None], episode)
    observed = float(np.square(sums.sum(axis=0)).sum())
    signs = rng.choice((-1.0, 1.0), size=(draws, len(sums)))
    drawn = np.square(signs @ sums).sum(axis=1)
    largest = float(np.square(features).sum() * np.square(returns).sum())
    strength = (observed / largest) ** 0.5 if largest > 0.0 else 0.0
    return Dependence(strength, p_value(observed, drawn))


def gain(
    returns: Matrix,
    without: Matrix,
    with_signal: Matrix,
    episode: NDArray[np.int64],
    draws: int,
    rng: np.random.Generator,
) -> Gain:
    """Compare two cross-fitted values, episode by episode.

    Args:
        returns: G, (n,).
        without: V(z), (n,).
        with_signal: V(z, signal), (n,).
        episode: (n,).
        draws: Bootstrap draws and sign flips.
        rng: Draws them.
    """
    errors = np.stack([np.square(returns - without), np.square(returns - with_signal)], axis=1)
    sums = _per_episode(errors, episode)
    less = sums[:, 0] - sums[:, 1]
    chosen = rng.integers(len(sums), size=(draws, len(sums)))
    before = np.maximum(sums[:, 0][chosen].sum(axis=1), 1e-300)
    low, high = np.percentile(less[chosen].sum(axis=1) / before, [2.5, 97.5])
    signs = rng.choice((-1.0, 1.0), size=(draws, len(sums)))
    share = float(less.sum() / max(float(sums[:, 0].sum()), 1e-300))
    rank = _rank(with_signal, returns) - _rank(without, returns)
    return Gain(share, (float(low), float(high)), rank, p_value(float(less.sum()), signs @ less))


def p_value(observed: float, drawn: Matrix) -> float:
    """Return the share of draws that are at least as large, the observed one included."""
    return float((1 + np.count_nonzero(drawn >= observed * (1.0 - 1e-12))) / (1 + len(drawn)))


def _per_episode(values: Matrix, episode: NDArray[np.int64]) -> Matrix:
    _, place = np.unique(episode, return_inverse=True)
    sums = np.zeros((int(place.max()) + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return sums


def _rank(value: Matrix, returns: Matrix) -> float:
    if np.ptp(value) < 1e-12 or np.ptp(returns) < 1e-12:
        return 0.0
    return float(spearmanr(value, returns).statistic)
