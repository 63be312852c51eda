"""A choice among candidate views: each is scored from its features and the shared features of the agent state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from search_policy.learning.heads.head import Head, HeadInput
from search_policy.learning.layers import dense, linear_at
from search_policy.learning.losses import weighted_regression_loss

MASKED_LOGIT = -1e9


class CategoricalHead(Head):
    """pi(a | z) over the views.

    Args:
        shared: Length of the shared features.
        features: Features of each view.
        views: Number of views.
        width: Width of the scorer.
        dropout: Share of hidden units dropped.
    """

    def __init__(self, shared: int, features: int, views: int, width: int, dropout: float) -> None:
        super().__init__()
        self.scorer = dense(shared + features, width, 1, dropout=dropout)
        self.bias = nn.Linear(shared, views)

    def logits(self, z: HeadInput) -> Tensor:
        """Return the views' logits, masked ones far below all others, (b, v)."""
        first, others = linear_at(self.scorer, 0), list(self.scorer)[1:]
        # The shared features enter once per agent state, not once per view: a fifth of the products, the same sums.
        of_shared, of_views = first.weight.split([z.shared.shape[1], z.views.shape[2]], dim=1)
        hidden = linear(z.shared, of_shared, first.bias)[:, None] + linear(z.views, of_views)
        for layer in others:
            hidden = layer(hidden)
        return torch.where(z.mask, (hidden.squeeze(2) + self.bias(z.shared)).float(), MASKED_LOGIT)

    def log_probabilities(self, z: HeadInput) -> Tensor:
        """Return log pi(a | z) of every view, (b, v)."""
        return torch.log_softmax(self.logits(z), dim=1)

    def log_probability(self, z: HeadInput, action: Tensor) -> Tensor:
        """Return log pi(a | z) of the taken views, (b,)."""
        return self.log_probabilities(z).gather(1, action[:, None]).squeeze(1)

    def loss(self, z: HeadInput, action: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return -E[w log pi(a | z)] and the mean entropy over the open views [nats]."""
        every = self.log_probabilities(z)
        loss = weighted_regression_loss(every.gather(1, action[:, None]).squeeze(1), weight)
        entropy = -(every.exp() * every.clamp(min=-50.0)).sum(dim=1).mean()
        return loss, {"entropy": entropy.item()}

    def act(self, z: HeadInput, *, greedy: bool, generator: torch.Generator | None = None) -> Tensor:
        """Return views, (b,)."""
        logits = self.logits(z)
        if greedy:
            return logits.argmax(dim=1)
        return torch.multinomial(torch.softmax(logits, dim=1), 1, generator=generator).squeeze(1)
