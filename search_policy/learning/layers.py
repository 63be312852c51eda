"""Layers that every network is made of."""

from __future__ import annotations

from torch import nn

from search_policy.learning.dropout import ByteDropout


def dense(*widths: int, norm: bool = False, dropout: float = 0.0) -> nn.Sequential:
    """Return linear layers with ReLU in between, hidden ones with LayerNorm when `norm` is set, and with dropout."""
    layers: list[nn.Module] = []
    for index in range(len(widths) - 1):
        layers.append(nn.Linear(widths[index], widths[index + 1]))
        if index < len(widths) - 2:
            layers.extend([nn.LayerNorm(widths[index + 1]), nn.ReLU()] if norm else [nn.ReLU()])
            layers.append(ByteDropout(dropout))
    return nn.Sequential(*layers)


def linear_at(layers: nn.Sequential, place: int) -> nn.Linear:
    """Return the linear layer at a place of what `dense` returned.

    Raises:
        TypeError: Another layer is there.
    """
    layer = layers[place]
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"layer {place} is {type(layer).__name__}, not Linear.")
    return layer
