"""Does the critic know which choices were good? Rank correlations with the observed return, on held-out episodes."""

from __future__ import annotations

import torch
from scipy.stats import spearmanr
from torch import Tensor

from search_policy.learning.aawr import Learner
from search_policy.learning.batches import DecisionSource


@torch.no_grad()
def rank_correlations(learner: Learner, held_out: DecisionSource) -> dict[str, float]:
    """Return Spearman's rank correlations on decisions that were not trained on.

    `advantage_return` compares min_i Q_i - V with the observed return minus V: does the critic rank choices in similar
    states? `q_return` and `value_return` compare with the return itself.
    """
    batch = held_out.everything()
    q = learner.target.q_values(batch.privileged, batch.state, batch.action, batch.hint).min(dim=0).values
    value = learner.target.value(batch.privileged, batch.state)
    return {
        "advantage_return": spearman(q - value, batch.return_to_go - value),
        "q_return": spearman(q, batch.return_to_go),
        "value_return": spearman(value, batch.return_to_go),
    }


def spearman(first: Tensor, second: Tensor) -> float:
    """Return Spearman's rank correlation of two vectors, (m,) each; 0 where one of them is constant."""
    if len(first) < 3 or float(first.std()) == 0.0 or float(second.std()) == 0.0:
        return 0.0
    return float(spearmanr(first.numpy(), second.numpy()).statistic)
