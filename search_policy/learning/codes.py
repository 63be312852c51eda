"""Codes that an actor reads beside the agent state: given while training, drawn from the prior at deployment."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


def prior_code(token: Tensor, width: int) -> Tensor:
    """Return codes drawn from the prior N(0, I), (b, width).

    The draw is seeded by the state itself: the same state draws the same code, so that an episode still depends on its
    seed alone.

    Args:
        token: Agent states, (b, t).
        width: Length of a code.
    """
    draws = []
    for row in token.detach().float():
        seeded = torch.Generator().manual_seed(zlib.crc32(row.numpy().tobytes()))
        draws.append(torch.randn(width, generator=seeded))
    return torch.stack(draws)
