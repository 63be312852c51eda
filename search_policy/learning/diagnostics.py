"""Does the critic know which choices were good? Rank correlations on held-out episodes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from search_policy.audit.regression import cross_fit, episode_folds, kernel
from search_policy.learning.aawr import DecisionBatch, Learner
from search_policy.learning.batches import DecisionSource

HORIZONS = (1, 8)
FOLDS = 5
MOST_ROWS = 1500
Vector = NDArray[np.float64]


@torch.no_grad()
def rank_correlations(learner: Learner, held_out: DecisionSource) -> dict[str, float]:
    """Return Spearman's rank correlations on decisions that were not trained on.

    `advantage_return` compares min_i Q_i - V with the observed return minus V: does the critic rank choices in similar
    states? `q_return` and `value_return` compare with the return itself. `*_progress` compare advantages with what only
    the simulation knows, whether the taken view shows the target: the critic's own, and advantages over 1 and 8
    decisions with a value that was cross-fitted on the held-out episodes (`crossfit_*`). Where the latter is high and
    the critic's own is near 0, credit assignment fails, not the data.
    """
    batch = held_out.everything()
    q = learner.target.q_values(batch.privileged, batch.state, batch.action, batch.hint).min(dim=0).values
    value = learner.target.value(batch.privileged, batch.state)
    found = {
        "advantage_return": spearman(q - value, batch.return_to_go - value),
        "q_return": spearman(q, batch.return_to_go),
        "value_return": spearman(value, batch.return_to_go),
    }
    if float(batch.hint.std(correction=0)) > 0.0:
        found["advantage_progress"] = spearman(q - value, batch.hint)
        found |= crossfit_correlations(batch, held_out.episodes.numpy(), learner.config.discount)
    return found


def crossfit_correlations(batch: DecisionBatch, episode: NDArray[np.int64], discount: float) -> dict[str, float]:
    """Return how well advantages with a cross-fitted value rank choices, for each of `HORIZONS`.

    The value of every decision is a kernel ridge regression on (o^p, z) over the episodes of other folds.

    Args:
        batch: b decisions, in order.
        episode: (b,).
        discount: Per control step.
    """
    rows = np.flatnonzero(np.isin(episode, np.unique(episode)[: _whole_episodes(episode)]))
    if len(np.unique(episode[rows])) < FOLDS:
        return {}
    returns, duration, hint = (part.double().numpy()[rows] for part in (batch.return_to_go, batch.duration, batch.hint))
    inputs = [part.double().numpy()[rows] for part in (batch.privileged, batch.state.embedding, batch.state.memory)]
    gram = kernel([part for part in inputs if part.shape[1]])
    fold = episode_folds(episode[rows], FOLDS, np.random.default_rng(0))
    value = cross_fit(gram, [returns[:, None]], episode[rows], fold)[0][:, 0]
    found = {}
    for steps in HORIZONS:
        advantage = n_step_advantages(returns, value, duration, episode[rows], discount, steps)
        found[f"crossfit_{steps}_step_progress"] = spearman(torch.tensor(advantage), torch.tensor(hint))
    return found


def n_step_advantages(
    returns: Vector, value: Vector, duration: Vector, episode: NDArray[np.int64], discount: float, steps: int
) -> Vector:
    """Return A = sum of n rewards + discount^k V(t + n) - V(t); the whole return where the episode ends before, (b,).

    The n rewards are the difference of two returns: G(t) - discount^k G(t + n), with k control steps between them.

    Args:
        returns: G, discounted return of each decision, (b,).
        value: V, (b,).
        duration: Control steps of each decision, (b,).
        episode: Rows of one episode lie together, in order, (b,).
        discount: Per control step.
        steps: n, decisions.
    """
    total = np.concatenate([[0.0], np.cumsum(duration)])
    advantage = returns - value
    start = np.arange(max(len(returns) - steps, 0))
    later = start + steps
    inside = episode[start] == episode[later]
    start, later = start[inside], later[inside]
    advantage[start] += discount ** (total[later] - total[start]) * (value[later] - returns[later])
    return advantage


def spearman(first: Tensor, second: Tensor) -> float:
    """Return Spearman's rank correlation of two vectors, (m,) each; 0 where one of them is constant."""
    if len(first) < 3 or float(first.std()) == 0.0 or float(second.std()) == 0.0:
        return 0.0
    return float(spearmanr(first.numpy(), second.numpy()).statistic)


def _whole_episodes(episode: NDArray[np.int64]) -> int:
    """Return how many episodes fit into `MOST_ROWS` rows."""
    _, counts = np.unique(episode, return_counts=True)
    return int(np.searchsorted(np.cumsum(counts), MOST_ROWS, side="right"))
