"""How much more an intervention counts in the actor's loss."""

from __future__ import annotations

import torch
from torch import Tensor


def intervention_weights(weight: Tensor, intervention: Tensor, factor: float) -> Tensor:
    """Return the weights with interventions at `factor * max(weight, 1)`, (b,).

    A person's decision is a demonstration, hence counts as cloning would (weight 1) even where the critic, which has
    seen little of it, gives it less.

    Args:
        weight: Advantage weights before they are normalised, (b,); 1 is an advantage of zero.
        intervention: Whether a person took the decision, (b,) bool.
        factor: At least 1.
    """
    return torch.where(intervention, factor * weight.clamp(min=1.0), weight)
