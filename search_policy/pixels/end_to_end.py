"""Train the encoder by the actor's loss: images are augmented and embedded whenever a batch consumes them.

Every frame is stored once, as uint8; a decision's next frame is found by index, as for stored embeddings. The actor's
loss reaches the encoder through the embeddings of the current frames; critics see embeddings without gradient.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search_policy.learning.aawr import DecisionBatch
from search_policy.learning.batches import DecisionSource
from search_policy.learning.config import TrainConfig
from search_policy.learning.replay import Frames, Transitions
from search_policy.pixels.augmentation import Augmentation
from search_policy.pixels.encoders import require_images
from search_policy.pixels.feature_cache import encoder_inputs
from search_policy.pixels.terms import Copies


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

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Return embeddings, index (...) of frame numbers to (..., width)."""
        frames, place = torch.unique(index, return_inverse=True)
        embedded: Tensor = self._encoder(self.inputs(frames))
        return embedded[place]

    def inputs(self, index: Tensor) -> Tensor:
        """Return what the encoder is fed for these frames, (b,): augmented unless switched off."""
        inputs = torch.from_numpy(self._inputs[index.numpy()])
        return self._augment(inputs, self._rng) if self.augmented and inputs.ndim > 2 else inputs


class EndToEndSource(DecisionSource):
    """Hands out batches whose images are embedded on consumption, with the copies that DrAC and CURL need.

    With DrAC the actor's loss sees the images as they are and the augmented copies enter through the regularisation
    alone (arXiv 2006.12862, section 3.2); otherwise current and next frames are augmented, each by a draw of its own.

    Args:
        frames: Decision frames, each image once.
        decisions: Their learnable decisions.
        encoder: Trained by the actor's loss.
        config: The run: what the critic sees, what is remembered, how images are augmented.
        rng: Draws the augmentations.
    """

    def __init__(
        self,
        frames: Frames,
        decisions: Transitions,
        encoder: nn.Module,
        config: TrainConfig,
        rng: np.random.Generator,
    ) -> None:
        self._pixels = config.pixels
        inputs = encoder_inputs(encoder, frames.image, Path(config.pixels.features))
        require_images(encoder, config.pixels)
        self._live = LiveEmbeddings(encoder, inputs, Augmentation(config.pixels), rng)
        super().__init__(frames, decisions, self._live, config.groups, config.memory.frames)

    def batch(self, rows: NDArray[np.int64]) -> DecisionBatch:
        """Return these decisions, (b,) row numbers."""
        pixels, live = self._pixels, self._live
        live.augmented = pixels.drac == 0.0
        batch = super().batch(rows)
        live.augmented = True
        index = self._index[torch.tensor(rows)]
        state = self._state(index) if pixels.drac > 0.0 else None
        keys = live.inputs(index) if pixels.curl > 0.0 else None
        return batch if state is None and keys is None else replace(batch, copies=Copies(state, keys))
