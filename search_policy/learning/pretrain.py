"""Pretrain the image encoder on labels that the simulation gives for free: is the target in view, and where is it?

The labels are privileged; they are training targets only. The encoder itself sees images, its head also proprioception.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from search_policy.learning.layers import dense
from search_policy.learning.networks import ActorSpec
from search_policy.learning.replay import Frames
from search_policy.pixels.augmentation import Augmentation
from search_policy.pixels.config import PixelConfig
from search_policy.pixels.contrast import Contrast
from search_policy.pixels.encoders import require_images
from search_policy.pixels.feature_cache import encoder_inputs
from search_policy.pixels.losses import bernoulli_divergence, categorical_divergence

LEARNING_RATE = 1e-3


class Auxiliary(nn.Module):
    """Predicts the target's visibility and its place on the map from an embedding and proprioception.

    Attributes:
        embedding: Length of the embedding.
        contrast: The contrastive loss beside the labels, if any; its weights are saved with the head's.
    """

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        self.embedding = spec.network.embedding
        _, shelves, columns = spec.sizes.seen_map
        self.layers = dense(spec.network.embedding + spec.sizes.proprioception, 128, 1 + shelves * columns)
        self.contrast: Contrast | None = None

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

    def of(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Return visible, cell and present of these frames, (b,) each."""
        return self.visible[rows], self.cell[rows], self.present[rows]


def cell_of(position: NDArray[np.float32], grid: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the flat cell index of positions relative to the region, (n, 3) in [-1, 1] to (n,)."""
    shelves, columns = grid
    column = np.clip((position[:, 1] + 1.0) / 2.0 * columns, 0, columns - 1).astype(np.int64)
    shelf = np.clip((position[:, 2] + 1.0) / 2.0 * shelves, 0, shelves - 1).astype(np.int64)
    return shelf * columns + column


def label_loss(
    predicted: tuple[Tensor, Tensor], labels: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Return the summed cross-entropies and the metrics; the place counts only where there is a target.

    Args:
        predicted: Visibility logit (b,) and cells' logits (b, cells).
        labels: Visible, cell and present, (b,) each.
    """
    (seen, place), (visible, cell, present) = predicted, labels
    seen_loss = functional.binary_cross_entropy_with_logits(seen, visible)
    place_loss = (functional.cross_entropy(place, cell, reduction="none") * present).mean()
    accuracy = ((seen > 0.0) == (visible > 0.5)).float().mean()
    metrics = {"visible_loss": seen_loss.item(), "place_loss": place_loss.item(), "visible_accuracy": accuracy.item()}
    return seen_loss + place_loss, metrics


def prediction_divergence(predicted: tuple[Tensor, Tensor], augmented: tuple[Tensor, Tensor]) -> Tensor:
    """Return DrAC's term for the free labels: KL between predictions on an image and on its augmented copy.

    Args:
        predicted: Visibility logit (b,) and cells' logits (b, cells) on the images as they are.
        augmented: The same on augmented copies.
    """
    places = [torch.log_softmax(place, dim=1) for _, place in (predicted, augmented)]
    return bernoulli_divergence(predicted[0], augmented[0]) + categorical_divergence(*places)


@dataclass(frozen=True, slots=True, eq=False)
class PretrainingBatch:
    """b frames to learn from.

    Attributes:
        inputs: Images uint8 (b, 84, 84, 3), or a frozen backbone's features (b, f).
        proprioception: (b, p).
        labels: Visible, cell and present, (b,) each.
    """

    inputs: Tensor
    proprioception: Tensor
    labels: tuple[Tensor, Tensor, Tensor]


class Pretraining:
    """Trains an encoder with its auxiliary head.

    Args:
        encoder: Trained in place.
        auxiliary: Its head, trained in place; given the contrastive loss that the configuration asks for.
        pixels: Augmentation and the weights of DrAC and CURL.

    Raises:
        UsageError: DrAC or CURL is asked of a frozen backbone, whose images are not augmented.
    """

    def __init__(self, encoder: nn.Module, auxiliary: Auxiliary, pixels: PixelConfig) -> None:
        require_images(encoder, pixels)
        self.encoder, self.pixels, self._augment = encoder, pixels, Augmentation(pixels)
        self.auxiliary = auxiliary
        if pixels.curl > 0.0:
            auxiliary.contrast = Contrast(encoder, auxiliary.embedding, pixels.curl_momentum)
        trained = [p for m in (encoder, self.auxiliary) for p in m.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, LEARNING_RATE)

    def update(self, batch: PretrainingBatch, rng: np.random.Generator) -> dict[str, float]:
        """Take one gradient step on encoder and head and return the metrics."""
        loss, metrics = self.loss(batch, rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if self.auxiliary.contrast is not None:
            self.auxiliary.contrast.follow(self.encoder)
        return metrics

    def loss(self, batch: PretrainingBatch, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum of the labels' loss, DrAC's and CURL's, and the metrics.

        With DrAC the labels' loss sees the images as they are (arXiv 2006.12862, section 3.2), otherwise augmented.
        """
        pixels, contrast = self.pixels, self.auxiliary.contrast
        copy = self._augmented(batch.inputs, rng)
        embedding = self.encoder(copy)
        on_copy = self.auxiliary(embedding, batch.proprioception)
        plain = self.auxiliary(self.encoder(batch.inputs), batch.proprioception) if pixels.drac > 0.0 else on_copy
        loss, metrics = label_loss(plain, batch.labels)
        if pixels.drac > 0.0:
            drac = prediction_divergence(plain, on_copy)
            loss, metrics = loss + pixels.drac * drac, metrics | {"drac_loss": drac.item()}
        if contrast is not None:
            curl = contrast.loss(embedding, self._augmented(batch.inputs, rng))
            loss, metrics = loss + pixels.curl * curl, metrics | {"curl_loss": curl.item()}
        return loss, metrics

    def _augmented(self, inputs: Tensor, rng: np.random.Generator) -> Tensor:
        return inputs if inputs.ndim == 2 else self._augment(inputs, rng)


class LabelledFrames:
    """Hands out batches of frames with their free labels; images stay uint8 until they are consumed.

    Args:
        frames: Decision frames.
        encoder: Decides what the inputs are.
        features: Folder of the feature cache of frozen backbones.
    """

    def __init__(self, frames: Frames, encoder: nn.Module, features: Path) -> None:
        self.inputs = encoder_inputs(encoder, frames.image, features)
        self._proprioception, self._labels = frames.proprioception, Labels(frames)

    def draw(self, rng: np.random.Generator, size: int) -> PretrainingBatch:
        """Return `size` frames drawn with replacement."""
        rows = rng.integers(len(self.inputs), size=size)
        inputs, proprioception = torch.tensor(self.inputs[rows]), torch.tensor(self._proprioception[rows])
        return PretrainingBatch(inputs, proprioception, self._labels.of(rows))
