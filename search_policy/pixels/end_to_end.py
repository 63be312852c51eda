"""Train the encoder by the actor's loss: images are augmented and embedded whenever a batch consumes them.

Every frame is stored once, as uint8; a decision's next frame is found by index, as for stored embeddings. The actor's
loss reaches the encoder through the embeddings of the current frames; critics see embeddings without gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search_policy.pixels.augmentation import Augmentation


class LiveEmbeddings:
    """Embeddings of frames by the encoder as it is now; indexed like a table of stored ones.

    A frame that an index names twice is augmented and embedded once. Separate look-ups draw separate augmentations.

    Args:
        encoder: Embeds; gradient flows into it where torch records one.
        inputs: Images uint8 (n, h, w, 3), or a frozen backbone's features (n, f), which are not augmented.
        augmentation: Applied to images on each look-up.
        rng: Draws the augmentations.
    """

    def __init__(
        self, encoder: nn.Module, inputs: NDArray[Any], augmentation: Augmentation, rng: np.random.Generator
    ) -> None:
        self._encoder, self._inputs, self._augment, self._rng = encoder, inputs, augmentation, rng
        self.augmented = True

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return embeddings, index (...) of frame numbers to (..., width)."""
        frames, place = torch.unique(index, return_inverse=True)
        embedded: Tensor = self._encoder(self.inputs(frames))
        return embedded[place]

    def inputs(self, index: Tensor) -> Tensor:
        """Return what the encoder is fed for these frames, (b,): augmented unless switched off."""
        inputs = torch.tensor(self._inputs[index.numpy()])
        return self._augment(inputs, self._rng) if self.augmented and inputs.ndim > 2 else inputs
