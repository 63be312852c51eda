"""Random changes of images that leave the right choice unchanged: pure, seeded, one draw per image.

Every function takes a batch (b, h, w, 3) of uint8 or of floats in [0, 255], plus numbers that were drawn elsewhere,
and returns a batch of the same shape and dtype. `Augmentation` draws the numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from search_policy.pixels.config import PixelConfig

WHITE, GREY = 255.0, 127.0
# Luma weights of ITU-R BT.601, and the RGB to YIQ matrix, whose I-Q plane is turned by a hue shift.
LUMA = (0.299, 0.587, 0.114)
RGB_TO_YIQ = torch.tensor([[*LUMA], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
BLUR_RADIUS_SIGMAS = 3.0


def random_shift(image: Tensor, offsets: NDArray[np.int64], largest_px: int = 4) -> Tensor:
    """Shift each image, edges repeated: DrQ (arXiv 2004.13649).

    Args:
        image: (b, h, w, 3).
        offsets: First row and column of what is kept of the padded image, in [0, 2 largest_px], (b, 2) [px];
            `largest_px` keeps the image in place.
        largest_px: Width of the padding.
    """
    shifted = torch.empty_like(image)
    for source, target, (down, right) in zip(
        image.numpy(), shifted.numpy(), (offsets - largest_px).tolist(), strict=True
    ):
        _shift(source, target, down, right)
    return shifted


def _shift(source: NDArray[Any], target: NDArray[Any], down: int, right: int) -> None:
    """Write an image into another, moved up and left, edges repeated; copies of rows cost a tenth of a gather."""
    height, width = source.shape[:2]
    down, right = _within(down, height), _within(right, width)
    (top, bottom), (left, end) = _kept(down, height), _kept(right, width)
    target[top:bottom, left:end] = source[top + down : bottom + down, left + right : end + right]
    target[top:bottom, :left] = target[top:bottom, left : left + 1]
    target[top:bottom, end:] = target[top:bottom, end - 1 : end]
    target[:top], target[bottom:] = target[top], target[bottom - 1]


def _within(move: int, size: int) -> int:
    """Return a move of at most `size - 1`: beyond, only the edge is left anyway."""
    return max(1 - size, min(move, size - 1))


def _kept(move: int, size: int) -> tuple[int, int]:
    """Return the first and the last but one place, of `size`, that an image moved back by `move` covers."""
    return max(0, -move), min(size, size - move)


def color_jitter(image: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Scale brightness, contrast about the image's mean grey and saturation about each pixel's grey; turn the hue.

    Each is an affine map of a pixel's colour, so the four are one matrix and one offset per image; colours are clipped
    to the range once, at the end. The hue turns in the I-Q plane of YIQ, which keeps the luma.

    Args:
        image: (b, h, w, 3).
        brightness: Factors, (b,); 1 changes nothing.
        contrast: Factors, (b,); 1 changes nothing.
        saturation: Factors, (b,); 0 is grey, 1 changes nothing.
        hue: Share of the colour circle, (b,); 0 changes nothing.
    """
    luma = torch.tensor(LUMA)
    mean = image.float().mean(dim=(1, 2)) @ luma * brightness
    keep = saturation[:, None, None]
    matrix = _hue_matrix(hue) @ (keep * torch.eye(3) + (1.0 - keep) * luma.expand(3, 3))
    matrix = matrix * (brightness * contrast)[:, None, None]
    # The grey offset of the contrast passes saturation and hue unchanged: both keep greys.
    offset = ((1.0 - contrast) * mean)[:, None, None].expand(-1, 1, 3)
    flat = image.float().flatten(1, 2)
    return _like(image, torch.baddbmm(offset, flat, matrix.transpose(1, 2)).view(image.shape))


def gaussian_noise(image: Tensor, std: Tensor, generator: torch.Generator) -> Tensor:
    """Add independent Gaussian noise to every value.

    Args:
        image: (b, h, w, 3).
        std: As a share of the full range, (b,).
        generator: Draws the noise.
    """
    noise = torch.randn(image.shape, generator=generator)
    return _like(image, torch.addcmul(image.float(), noise, (WHITE * std)[:, None, None, None]))


def cutout(image: Tensor, corner: NDArray[np.float64], size: NDArray[np.float64]) -> Tensor:
    """Grey out one rectangle per image: cutout (arXiv 1708.04552).

    Args:
        image: (b, h, w, 3).
        corner: Top and left, as shares of what the rectangle leaves free, (b, 2) in [0, 1].
        size: Height and width as shares of the image's, (b, 2) in [0, 1].
    """
    sides = np.array(image.shape[1:3])
    extent = np.round(size * sides).astype(np.int64)
    start = np.round(corner * (sides - extent)).astype(np.int64)
    out = image.clone()
    for plane, (top, left), (height, width) in zip(out, start.tolist(), extent.tolist(), strict=True):
        plane[top : top + height, left : left + width] = GREY
    return out


def gaussian_blur(image: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur each image by its own Gaussian, rows then columns, edges repeated.

    Args:
        image: (b, h, w, 3).
        sigma_px: Standard deviations, (b,) [px]; 0 changes nothing.
    """
    radius = max(1, math.ceil(BLUR_RADIUS_SIGMAS * float(sigma_px.max())))
    taps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma_px[:, None].clamp(min=1e-6)).square())
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)
    planes = image.float().permute(0, 3, 1, 2).flatten(0, 1)[None]
    padded = functional.pad(planes, (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel[:, None, :, None], groups=len(kernel))
    blurred = functional.conv2d(rows, kernel[:, None, None, :], groups=len(kernel))[0]
    return _like(image, blurred.unflatten(0, (len(image), 3)).permute(0, 2, 3, 1))


class Augmentation:
    """Shift, colour jitter, blur, noise and cutout, in this order, as the configuration says.

    Args:
        config: Probabilities and strengths.
    """

    def __init__(self, config: PixelConfig) -> None:
        self.config = config

    @property
    def changes(self) -> bool:
        """Whether any image can come out changed."""
        config = self.config
        return config.shift_px > 0 or max(config.jitter, config.noise, config.cutout, config.blur) > 0.0

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return changed copies, same shape and dtype; nothing is drawn for what is switched off.

        Args:
            image: (b, h, w, 3), uint8 or float in [0, 255].
            rng: Draws everything.
        """
        config = self.config
        if config.shift_px:
            offsets = rng.integers(2 * config.shift_px + 1, size=(len(image), 2))
            image = random_shift(image, offsets, config.shift_px)
        for share, change in (
            (config.jitter, self._jitter),
            (config.blur, self._blur),
            (config.noise, self._noise),
            (config.cutout, self._cutout),
        ):
            if share > 0.0:
                rows = torch.tensor(np.flatnonzero(rng.random(len(image)) < share))
                image = image.index_copy(0, rows, change(image[rows], rng)) if len(rows) else image
        return image

    def _jitter(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        config, b = self.config, len(image)
        brightness, contrast, saturation = (
            _uniform(rng, 1.0 - s, 1.0 + s, b) for s in (config.brightness, config.contrast, config.saturation)
        )
        return color_jitter(image, brightness, contrast, saturation, _uniform(rng, -config.hue, config.hue, b))

    def _blur(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        return gaussian_blur(image, _uniform(rng, 0.0, self.config.blur_sigma_px, len(image)))

    def _noise(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        std = _uniform(rng, 0.0, self.config.noise_std, len(image))
        return gaussian_noise(image, std, torch.Generator().manual_seed(int(rng.integers(2**62))))

    def _cutout(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        corner, size = rng.random((len(image), 2)), rng.uniform(0.0, self.config.cutout_size, (len(image), 2))
        return cutout(image, corner, size)


def _hue_matrix(turn: Tensor) -> Tensor:
    """Return RGB to RGB matrices that turn the hue by a share of the circle, (b, 3, 3)."""
    angle = 2.0 * math.pi * turn
    rotation = torch.zeros(len(turn), 3, 3)
    rotation[:, 0, 0] = 1.0
    rotation[:, 1, 1] = rotation[:, 2, 2] = torch.cos(angle)
    rotation[:, 2, 1] = torch.sin(angle)
    rotation[:, 1, 2] = -torch.sin(angle)
    return torch.linalg.inv(RGB_TO_YIQ) @ rotation @ RGB_TO_YIQ


def _uniform(rng: np.random.Generator, low: float, high: float, count: int) -> Tensor:
    return torch.tensor(rng.uniform(low, high, count), dtype=torch.float32)


def _like(image: Tensor, changed: Tensor) -> Tensor:
    """Return changed values clipped to the range, in the original's dtype."""
    clipped = changed.clamp_(0.0, WHITE)
    return clipped.round_().to(torch.uint8) if image.dtype == torch.uint8 else clipped.to(image.dtype)
