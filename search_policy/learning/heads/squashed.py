"""A normal distribution squashed by tanh, for learning from one's own actions: they never lie on the bounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from search_policy.learning.heads.config import HeadConfig
from search_policy.learning.heads.gaussian import MixtureHead
from search_policy.learning.heads.head import HeadInput

_INSIDE = 1.0 - 1e-6


class SquashedHead(MixtureHead):
    """a = tanh(u), u ~ N(mean(z), diag std(z)^2): SAC (arXiv 1812.05905), appendix C.

    Args:
        shared: Length of the shared features.
        chunk: Steps and entries of a chunk, (h, 5).
        config: Whether the standard deviation depends on the state.
    """

    def __init__(self, shared: int, chunk: tuple[int, int], config: HeadConfig) -> None:
        super().__init__(shared, chunk, 1, config)

    def log_probability(self, z: HeadInput, action: Tensor) -> Tensor:
        """Return the log-density of chunks in (-1, 1), (b,)."""
        before = unsquashed(action)
        return self._density(self.parameters_of(z), before) - log_slope(before).sum(dim=1)

    def loss(self, z: HeadInput, action: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return -E[w log pi(a | z)] up to what no weight of the head changes, and the metrics before squashing."""
        return super().loss(z, unsquashed(action), weight)

    def act(self, z: HeadInput, *, greedy: bool, generator: torch.Generator | None = None) -> Tensor:
        """Return chunks, (b, h, 5): the squashed mean, or a draw."""
        if greedy:
            mean = self.parameters_of(z)[1][:, 0]
            return torch.tanh(mean).reshape(len(mean), *self._chunk)
        return self.draw(z, generator)[0]

    def spread(self, z: HeadInput) -> Tensor:
        """Return the entropy before squashing [nats], (b,)."""
        log_std = self.parameters_of(z)[2][:, 0]
        return (log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum(dim=1)

    def draw(self, z: HeadInput, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return chunks (b, h, 5) and their log-density (b,), both with gradient: the reparametrisation trick."""
        _, means, deviations = self.parameters_of(z)
        mean, log_std = means[:, 0], deviations[:, 0]
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        before = mean + log_std.exp() * noise
        density = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
        log_probability = (density - log_slope(before)).sum(dim=1)
        return torch.tanh(before).reshape(len(mean), *self._chunk), log_probability


def unsquashed(action: Tensor) -> Tensor:
    """Return u with tanh(u) = a, (b, h * 5), for chunks (b, h, 5); the bounds are moved inside by a millionth."""
    return torch.atanh(action.flatten(1).clamp(-_INSIDE, _INSIDE))


def log_slope(before: Tensor) -> Tensor:
    """Return log(1 - tanh(u)^2), stably: SAC (arXiv 1812.05905), eq. 26, in the form 2 (log 2 - u - softplus(-2 u))."""
    return 2.0 * (math.log(2.0) - before - functional.softplus(-2.0 * before))
