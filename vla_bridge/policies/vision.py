"""Seeing what an instruction names: convolutions with coordinates, conditioned by FiLM, read out as keypoints.

b batch, l tokens, c channels, h w rows and columns of a feature map. Image places are (x, y) in [-1, 1], right and
down, (0, 0) the centre.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 8


class Keypoints(NamedTuple):
    """Where each channel of a feature map looks.

    Attributes:
        place: Expected (x, y) under a softmax over the map, (b, c, 2).
        strength: Logarithm of the mean of exp(map), a soft maximum, (b, c).
        logits: The map itself, (b, c, h, w).
    """

    place: Tensor
    strength: Tensor
    logits: Tensor


class InstructionEncoder(nn.Module):
    """Instruction to one vector: neighbouring tokens together (`rubber duck`), then mean and maximum over all."""

    def __init__(self, token_width: int, width: int) -> None:
        super().__init__()
        self.level = nn.LayerNorm(token_width)  # Gemma embeds words a fifth as large as FiLM needs to learn from
        self.pairs = nn.Conv1d(token_width, width, 3, padding=1)
        self.out = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return (b, width) from embedded tokens (b, l, token_width) and their mask (b, l), false at padding."""
        keep = mask[:, None].to(tokens.dtype)
        features = functional.relu(self.pairs(self.level(tokens).transpose(1, 2) * keep)) * keep
        mean = features.sum(dim=2) / keep.sum(dim=2).clamp(min=1.0)
        return functional.relu(self.out(torch.cat((mean, features.amax(dim=2)), dim=1)))


class FilmBlock(nn.Module):
    """A residual of convolution, normalisation, and a scale and shift from the instruction: FiLM (arXiv 1709.07871).

    The scale and shift start at the identity, so that an untrained instruction does not disturb the image.
    """

    def __init__(self, width: int, instruction_width: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(width, width, 3, padding=1)
        self.normalize = nn.GroupNorm(GROUPS, width)
        self.film = nn.Linear(instruction_width, 2 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, features: Tensor, instruction: Tensor) -> Tensor:
        """Return (b, width, h, w) from (b, width, h, w) and (b, instruction_width)."""
        scale, shift = self.film(instruction)[:, :, None, None].chunk(2, dim=1)
        normal = self.normalize(self.convolve(features))
        return features + functional.relu(torch.addcmul(shift, normal, 1.0 + scale), inplace=True)


class Eye(nn.Module):
    """One camera's convolutions: image and its coordinates (CoordConv, arXiv 1807.03247) to FiLM-conditioned maps.

    The first two convolutions shrink the image by 4 or, for a coarse eye, by 8. What a thing is shows in all of it,
    where it is in its details: two blocks work at half that resolution, and the last one on both.
    """

    def __init__(self, width: int, instruction_width: int, *, coarse: bool) -> None:
        super().__init__()
        first = nn.Conv2d(5, width // 2, 5, stride=4 if coarse else 2, padding=2)
        second = nn.Conv2d(width // 2, width, 3, stride=2, padding=1)
        self.shrink = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
        self.whole = nn.ModuleList(FilmBlock(width, instruction_width) for _ in range(2))
        self.detail = FilmBlock(width, instruction_width)
        self.look = nn.Conv2d(width, width, 1)

    def forward(self, image: Tensor, instruction: Tensor) -> tuple[Tensor, Keypoints]:
        """Return the features (b, width, h, w) and the keypoints of images (b, 3, h, w) in [0, 1]."""
        fine = self.shrink(torch.cat((2.0 * image - 1.0, coordinates(image)), dim=1))
        features = functional.avg_pool2d(fine, 2, ceil_mode=True)
        for block in self.whole:
            features = block(features, instruction)
        features = self.detail(fine + functional.interpolate(features, size=fine.shape[-2:]), instruction)
        return features, keypoints(self.look(features))


def coordinates(image: Tensor) -> Tensor:
    """Return the place of every pixel's centre, x then y, as two more channels (b, 2, h, w)."""
    height, width = image.shape[-2:]
    grid = _grid(height, width, image.device, image.dtype)
    return grid.expand(image.shape[0], 2, height, width)


def keypoints(logits: Tensor) -> Keypoints:
    """Read a map (b, c, h, w) out as places: the spatial softmax of Levine et al. (arXiv 1504.00702), sec. 4.2."""
    height, width = logits.shape[-2:]
    flat = logits.flatten(2)
    grid = _grid(height, width, logits.device, logits.dtype)
    place = functional.softmax(flat, dim=2) @ grid.flatten(1).T
    return Keypoints(place, flat.logsumexp(dim=2) - math.log(height * width), logits)


def target_loss(found: Keypoints, target: Tensor) -> Tensor:
    """Return how far the first keypoint is from the named object, (b,).

    Cross-entropy of its softmax with the object's place, spread over the nearest four cells so that its mean is exact,
    plus that of its strength with whether the object is visible. It teaches; no policy reads the target to act.

    Args:
        found: Keypoints of the camera that the target speaks of.
        target: x, y and 1.0 where the object is visible, else 0.0, (b, 3).
    """
    logits, visible = found.logits[:, 0], target[:, 2]
    height, width = logits.shape[-2:]
    near_x, near_y = _nearness(target[:, 0], width, logits), _nearness(target[:, 1], height, logits)
    wanted = near_y[:, :, None] * near_x[:, None, :]
    place = -(wanted * functional.log_softmax(logits.flatten(1), dim=1).view_as(wanted)).sum(dim=(1, 2))
    seen = functional.binary_cross_entropy_with_logits(found.strength[:, 0], visible, reduction="none")
    return visible * place + seen


@functools.lru_cache(maxsize=32)
def _grid(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the places of the cells' centres, x then y, (2, h, w); made once, and fit for training wherever it was."""
    with torch.inference_mode(mode=False):
        x, y = (_centers(size, device, dtype) for size in (width, height))
        return torch.stack((x.expand(height, width), y[:, None].expand(height, width)))


def _centers(size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the places of `size` equal cells' centres in [-1, 1]."""
    return (2.0 * torch.arange(size, device=device, dtype=dtype) + 1.0) / size - 1.0


def _nearness(place: Tensor, size: int, like: Tensor) -> Tensor:
    """Return the weights (b, size) with which cells interpolate a place linearly; beyond the edge, the edge's cell."""
    half = 1.0 / size
    place = place.clamp(half - 1.0, 1.0 - half)
    return (1.0 - (place[:, None] - _centers(size, like.device, like.dtype)).abs() * (0.5 * size)).clamp(min=0.0)
