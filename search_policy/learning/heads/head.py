"""What every head does: learn from weighted actions, and act."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robots.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class HeadInput:
    """What a head sees of b agent states.

    Attributes:
        shared: Features of the agent state, (b, s).
        views: Features of each candidate view, (b, v, f).
        mask: Which views may be chosen, (b, v) bool.
    """

    shared: Tensor
    views: Tensor
    mask: Tensor


class Head(nn.Module, ABC):
    """pi(a | z) on top of the actor's features."""

    @abstractmethod
    def loss(self, z: HeadInput, action: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted regression loss, (), and metrics: the entropy [nats] where it has a closed form.

        Args:
            z: Agent states.
            action: What was done: views (b,), or chunks (b, h, 5).
            weight: Of each decision, without gradient, (b,).
        """

    @abstractmethod
    def act(self, z: HeadInput, *, greedy: bool, generator: torch.Generator | None = None) -> Tensor:
        """Return actions, (b,) or (b, h, 5) within [-1, 1].

        Args:
            z: Agent states.
            greedy: Take the most probable action; otherwise draw one.
            generator: Where the draw comes from; torch's own without it.
        """

    def log_probability(self, z: HeadInput, action: Tensor) -> Tensor:
        """Return log pi(a | z), (b,).

        Raises:
            UsageError: The head has no density in closed form.
        """
        raise UsageError(f"The {type(self).__name__} has no log-probability; use gaussian, mixture or categorical.")
