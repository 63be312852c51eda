"""CURL's contrastive loss: two augmented copies of one image are each other's match, those of other images are not."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from search_policy.pixels.losses import info_nce


class Contrast(nn.Module):
    """Momentum encoder and bilinear similarity: CURL (arXiv 2004.04136).

    Args:
        encoder: The trained encoder; its copy embeds the keys.
        width: Length of its embeddings.
        momentum: Step of the copy towards the encoder, per update.
    """

    def __init__(self, encoder: nn.Module, width: int, momentum: float) -> None:
        super().__init__()
        self._rate = momentum
        self.momentum = copy.deepcopy(encoder).requires_grad_(requires_grad=False)
        # The identity makes the first similarities plain inner products, whatever the generator's state.
        self.bilinear = nn.Parameter(torch.eye(width))

    def loss(self, query: Tensor, key_inputs: Tensor) -> Tensor:
        """Return the contrastive loss.

        Args:
            query: Embeddings of one augmented copy by the trained encoder, (b, width).
            key_inputs: Another augmented copy.
        """
        with torch.no_grad():
            key = self.momentum(key_inputs)
        return info_nce(query, key, self.bilinear)

    @torch.no_grad()
    def follow(self, encoder: nn.Module) -> None:
        """Move the momentum encoder towards the trained one: after every update of it."""
        for old, new in zip(self.momentum.parameters(), encoder.parameters(), strict=True):
            old.lerp_(new, self._rate)
