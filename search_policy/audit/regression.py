"""Kernel ridge regression that predicts every episode from others: nothing is ever predicted from its own episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
# Ridge penalties as shares of the number of rows; the largest predicts the mean.
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 100.0)


def standardised(values: Matrix) -> Matrix:
    """Return the columns that vary, each with mean 0 and standard deviation 1, (n, d)."""
    spread = values.std(axis=0)
    kept = spread > 1e-9 * np.maximum(1.0, np.abs(values).max(axis=0, initial=0.0))
    return (values[:, kept] - values[:, kept].mean(axis=0)) / spread[kept]


def kernel(blocks: Sequence[Matrix], scales: Sequence[float] = (1.0,), linear: float = 1.0) -> Matrix:
    """Return Gaussian kernels plus a linear one over blocks of columns that count alike, (n, n).

    Each block's squared distances are divided by their median (the median heuristic), then averaged over the blocks.

    Args:
        blocks: Columns, (n, d) each; constant ones say nothing and are left out.
        scales: Factors on the squared distances, one Gaussian each: larger ones see finer detail.
        linear: Weight of the linear kernel.
    """
    useful = [block for block in map(standardised, blocks) if block.shape[1]]
    rows = len(blocks[0])
    if not useful:
        return np.zeros((rows, rows))
    straight, distance = np.zeros((rows, rows)), np.zeros((rows, rows))
    for block in useful:
        products = block @ block.T
        straight += products / block.shape[1]
        squares = np.diag(products)
        own = np.maximum(squares[:, None] + squares[None, :] - 2.0 * products, 0.0)
        median = float(np.median(own[np.triu_indices(rows, 1)]))
        distance += own / (median or float(own.mean()) or 1.0)
    curved = sum(np.exp(-scale * distance / len(useful)) for scale in scales)
    return np.asarray(curved / len(scales) + linear * straight / len(useful))


def principal_features(gram: Matrix, most: int = 20, share: float = 0.99) -> Matrix:
    """Return the leading kernel principal components of a centred kernel, which stand for its functions, (n, r).

    Args:
        gram: (n, n).
        most: Largest r.
        share: Of the kernel's variance that is enough.
    """
    centred = gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()
    values, vectors = np.linalg.eigh(centred)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    enough = int(np.searchsorted(np.cumsum(values) / max(values.sum(), 1e-12), share)) + 1
    count = min(enough, most)
    return np.asarray(vectors[:, :count] * np.sqrt(values[:count]))


def episode_folds(episode: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of every row, whole episodes together, (n,)."""
    names, place = np.unique(episode, return_inverse=True)
    return np.asarray(rng.permutation(len(names)) % folds)[place]


def cross_fit(
    gram: Matrix, targets: Sequence[Matrix], episode: NDArray[np.int64], fold: NDArray[np.int64]
) -> list[Matrix]:
    """Return predictions of every row from the other folds' rows.

    Args:
        gram: Kernel of the inputs, (n, n).
        targets: (n, m) each.
        episode: (n,).
        fold: See `episode_folds`, (n,).
    """
    predictions = [np.zeros_like(target) for target in targets]
    for number in np.unique(fold):
        test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        fits = fit(gram[np.ix_(train, train)], [target[train] for target in targets], episode[train])
        for one, prediction in zip(fits, predictions, strict=True):
            prediction[test] = one.mean + gram[np.ix_(test, train)] @ one.weights
    return predictions


def corrected_values(
    state: Matrix, signal: Matrix, returns: Matrix, episode: NDArray[np.int64], fold: NDArray[np.int64]
) -> Matrix:
    """Return cross-fitted V(z, signal) = V(z) + h(signal, z), where h learns what V(z) left unexplained, (n, 1).

    h has a penalty of its own, so a signal that says nothing is shrunk away instead of blurring what z says.

    Args:
        state: Kernel of z, (n, n).
        signal: Kernel of the signal, (n, n).
        returns: (n, 1).
        episode: (n,).
        fold: See `episode_folds`, (n,).
    """
    value, extra = np.zeros_like(returns), signal + signal * state
    for number in np.unique(fold):
        test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        (base,) = fit(state[np.ix_(train, train)], [returns[train]], episode[train])
        (rest,) = fit(extra[np.ix_(train, train)], [base.left_over], episode[train])
        value[test] = base.mean + state[np.ix_(test, train)] @ base.weights
        value[test] += rest.mean + extra[np.ix_(test, train)] @ rest.weights
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted regression.

    Attributes:
        mean: Of the targets, (m,).
        weights: Of the training rows, (n, m).
        left_over: Residual of every row when its own episode is left out, (n, m).
    """

    mean: Matrix
    weights: Matrix
    left_over: Matrix


def fit(gram: Matrix, targets: Sequence[Matrix], episode: NDArray[np.int64]) -> list[Fit]:
    """Fit each target with the penalty that errs least when each episode in turn is left out, in closed form.

    The residual of rows e that are left out is (I - H_ee)^-1 (y - H y)_e with the hat matrix H = K (K + penalty I)^-1.

    Args:
        gram: Kernel of the inputs, (n, n).
        targets: (n, m) each.
        episode: (n,).
    """
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 0.0)
    means = [target.mean(axis=0) for target in targets]
    together = np.concatenate([target - mean for target, mean in zip(targets, means, strict=True)], axis=1)
    projected = vectors.T @ together
    ends = np.cumsum([target.shape[1] for target in targets])[:-1]
    blocks = [np.flatnonzero(episode == name) for name in np.unique(episode)]
    best: list[Fit] = []
    least = [np.inf] * len(targets)
    for penalty in np.array(PENALTIES) * len(values):
        left_over = np.split(_left_out(values / (values + penalty), vectors, together, projected, blocks), ends, axis=1)
        weights = np.split(vectors @ (projected / (values + penalty)[:, None]), ends, axis=1)
        for place, mean in enumerate(means):
            error = float(np.square(left_over[place]).sum())
            candidate = Fit(mean, weights[place], left_over[place])
            if len(best) <= place:
                best.append(candidate)
                least[place] = error
            elif error < least[place]:
                best[place], least[place] = candidate, error
    return best


def _left_out(
    shrink: Matrix, vectors: Matrix, target: Matrix, projected: Matrix, blocks: Sequence[NDArray[np.int64]]
) -> Matrix:
    residual = target - vectors @ (shrink[:, None] * projected)
    for rows in blocks:
        own = vectors[rows]
        residual[rows] = np.linalg.solve(np.eye(len(rows)) - (own * shrink) @ own.T, residual[rows])
    return residual
