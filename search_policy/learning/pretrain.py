"""Pretrain the image encoder on labels that the simulation gives for free: is the target in view, and where is it?

The labels are privileged; they are training targets only. The encoder itself sees images, its head also proprioception.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from search_policy.learning.networks import ActorSpec, ImageEncoder, dense
from search_policy.learning.replay import Frames

_SHIFT_PX = 4


class Auxiliary(nn.Module):
    """Predicts the target's visibility and its place on the map from an embedding and proprioception."""

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        _, shelves, columns = spec.sizes.seen_map
        self.layers = dense(spec.network.embedding + spec.sizes.proprioception, 128, 1 + shelves * columns)

    def forward(self, embedding: Tensor, proprioception: Tensor) -> tuple[Tensor, Tensor]:
        """Return the visibility logit (b,) and the cells' logits (b, shelves * columns)."""
        out = self.layers(torch.cat([embedding, proprioception], dim=1))
        return out[:, 0], out[:, 1:]


class Labels:
    """The auxiliary targets of a data set.

    Args:
        frames: Decision frames with their privileged entries.
    """

    def __init__(self, frames: Frames) -> None:
        self.visible = torch.tensor((frames.target_visibility[:, 0] > 0.1).astype(np.float32))
        self.cell = torch.tensor(cell_of(frames.target_position, frames.seen_map.shape[2:4]))
        self.present = torch.tensor(frames.target_present[:, 0])


def cell_of(position: NDArray[np.float32], grid: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the flat cell index of positions relative to the region, (n, 3) in [-1, 1] to (n,)."""
    shelves, columns = grid
    column = np.clip((position[:, 1] + 1.0) / 2.0 * columns, 0, columns - 1).astype(np.int64)
    shelf = np.clip((position[:, 2] + 1.0) / 2.0 * shelves, 0, shelves - 1).astype(np.int64)
    return shelf * columns + column


def auxiliary_loss(
    encoder: ImageEncoder, head: Auxiliary, image: Tensor, proprioception: Tensor, labels: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Return the summed cross-entropies and the metrics; the place counts only where there is a target.

    Args:
        encoder: Trained.
        head: Trained.
        image: uint8 (b, 84, 84, 3).
        proprioception: (b, p).
        labels: Visible, cell and present, (b,) each.
    """
    visible, cell, present = labels
    seen, place = head(encoder(image), proprioception)
    seen_loss = functional.binary_cross_entropy_with_logits(seen, visible)
    place_loss = (functional.cross_entropy(place, cell, reduction="none") * present).mean()
    accuracy = ((seen > 0.0) == (visible > 0.5)).float().mean()
    metrics = {"visible_loss": seen_loss.item(), "place_loss": place_loss.item(), "visible_accuracy": accuracy.item()}
    return seen_loss + place_loss, metrics


def random_shift(image: Tensor, offsets: NDArray[np.int64]) -> Tensor:
    """Shift each image by up to four pixels, edges repeated: DrQ (arXiv 2004.13649).

    Args:
        image: uint8 (b, h, w, 3).
        offsets: Integers in [0, 8], (b, 2).
    """
    size = image.shape[1]
    padded = functional.pad(image.permute(0, 3, 1, 2).float(), (_SHIFT_PX,) * 4, mode="replicate").to(torch.uint8)
    cut = [plane[:, y : y + size, x : x + size] for plane, (y, x) in zip(padded, offsets, strict=True)]
    return torch.stack(cut).permute(0, 2, 3, 1)


@torch.no_grad()
def embed_all(encoder: ImageEncoder, image: NDArray[np.uint8], chunk: int = 256) -> Tensor:
    """Return the embeddings of all images, (n, embedding)."""
    parts = [encoder(torch.tensor(image[start : start + chunk])) for start in range(0, len(image), chunk)]
    return torch.cat(parts)
