"""The reader: a small network that names what every patch of a wrist image shows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from robots.types import Image
from search_policy.semantics.labels import LABELS


class Reader(nn.Module):
    """uint8 (b, 84, 84, 3) to the logits of every patch's label, (b, labels, 21, 21); a million multiplications a row.

    Two strided convolutions make patches of 4 pixels; two dilated ones let each see 60 pixels around itself.
    """

    def __init__(self, width: int = 32, labels: int = len(LABELS)) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width // 2, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=4, dilation=4),
            nn.ReLU(),
            nn.Conv2d(width, labels, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.layers(image.permute(0, 3, 1, 2).float() / 255.0 - 0.5)
        return logits

    def read(self, image: Image) -> NDArray[np.float32]:
        """Return the probability of every label in every patch of one image, (labels, h / 4, w / 4)."""
        with torch.inference_mode():
            return np.asarray(self(torch.tensor(image)[None])[0].softmax(dim=0).numpy())


def reader_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the cross-entropy over patches and the metrics; `recall` is over patches that show something.

    Args:
        logits: (b, labels, h, w).
        labels: int64 (b, h, w).
    """
    loss = functional.cross_entropy(logits, labels)
    named, guess = labels > 0, logits.argmax(dim=1)
    right = (guess == labels) & named
    return loss, {
        "reader_loss": loss.item(),
        "recall": float(right.sum() / named.sum().clamp(min=1)),
        "precision": float(right.sum() / (guess > 0).sum().clamp(min=1)),
    }
