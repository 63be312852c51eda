"""Normal distributions over chunks, one or a mixture; the standard deviation is learned, and acting uses it.

No tanh: a density over bounded actions through tanh is steep where demonstrations saturate. Draws are clipped to
[-1, 1] instead, when they are acted on.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from search_policy.learning.heads.config import HeadConfig
from search_policy.learning.heads.head import Head, HeadInput
from search_policy.learning.losses import weighted_regression_loss

LOG_STD = (-3.0, 1.0)  # below exp(-3) = 0.05 the likelihood of a clipped label grows without use
_INITIAL_LOG_STD = -0.5


class MixtureHead(Head):
    """pi(a | z) = sum_m p_m(z) N(a; mean_m(z), diag std_m(z)^2); the Gaussian head is the one with m = 1.

    Args:
        shared: Length of the shared features.
        chunk: Steps and entries of a chunk, (h, 5).
        components: m.
        config: Whether the standard deviation depends on the state.
    """

    def __init__(self, shared: int, chunk: tuple[int, int], components: int, config: HeadConfig) -> None:
        super().__init__()
        self._chunk, self._components = chunk, components
        size = components * chunk[0] * chunk[1]
        self.mean = nn.Linear(shared, size)
        self.deviation = nn.Linear(shared, size) if config.deviation == "state" else None
        self.log_std = nn.Parameter(torch.full((size,), _INITIAL_LOG_STD))
        self.mixing = nn.Linear(shared, components)

    def parameters_of(self, z: HeadInput) -> tuple[Tensor, Tensor, Tensor]:
        """Return log p (b, m), means and log standard deviations (b, m, h * 5) each."""
        mean = self.mean(z.shared).float()
        offset = self.deviation(z.shared).float() if self.deviation is not None else torch.zeros_like(mean)
        log_std = (self.log_std + offset).clamp(*LOG_STD)
        shape = (len(mean), self._components, -1)
        mixing = torch.log_softmax(self.mixing(z.shared).float(), dim=1)
        return mixing, mean.reshape(shape), log_std.reshape(shape)

    def log_probability(self, z: HeadInput, action: Tensor) -> Tensor:
        """Return the log-density of chunks, (b,)."""
        return self._density(self.parameters_of(z), action)

    def loss(self, z: HeadInput, action: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return -E[w log pi(a | z)], the mean deviation and, of one Gaussian, the entropy [nats]."""
        parameters = self.parameters_of(z)
        log_std = parameters[2].detach()
        metrics = {"deviation": log_std.exp().mean().item()}
        if self._components == 1:
            metrics["entropy"] = (log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum(dim=(1, 2)).mean().item()
        return weighted_regression_loss(self._density(parameters, action), weight), metrics

    def act(self, z: HeadInput, *, greedy: bool, generator: torch.Generator | None = None) -> Tensor:
        """Return chunks, (b, h, 5): the likeliest component's mean, or a draw with the learned deviation."""
        mixing, mean, log_std = self.parameters_of(z)
        chosen = mixing.argmax(dim=1) if greedy else _draw(mixing, generator)
        rows = torch.arange(len(mean))
        action = mean[rows, chosen]
        if not greedy:
            noise = torch.randn(action.shape, generator=generator, device=action.device)
            action = action + log_std[rows, chosen].exp() * noise
        return action.clamp(-1.0, 1.0).reshape(len(mean), *self._chunk)

    def _density(self, parameters: tuple[Tensor, Tensor, Tensor], action: Tensor) -> Tensor:
        mixing, mean, log_std = parameters
        distance = (action.flatten(1)[:, None] - mean) * (-log_std).exp()
        densities = -0.5 * distance.square() - log_std - 0.5 * math.log(2.0 * math.pi)
        return torch.logsumexp(mixing + densities.sum(dim=2), dim=1)


def _draw(log_probability: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.multinomial(log_probability.exp(), 1, generator=generator).squeeze(1)
