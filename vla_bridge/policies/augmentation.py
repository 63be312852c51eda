"""Random changes of training images, one draw per image: a shift of a few pixels, brightness and contrast."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def random_shift(images: Tensor, largest_px: int) -> tuple[Tensor, Tensor]:
    """Shift each image by up to `largest_px` in both directions, edges repeated: DrQ (arXiv 2004.13649).

    Args:
        images: (b, 3, h, w).
        largest_px: Largest shift [px]; 0 changes nothing.

    Returns:
        The images, and how far the content of each moved to the right and down, (b, 2) [px].
    """
    count, _, height, width = images.shape
    if largest_px == 0:
        return images, images.new_zeros(count, 2)
    right, down = torch.randint(2 * largest_px + 1, (2, count), device=images.device)
    padded = functional.pad(images, (largest_px,) * 4, mode="replicate")
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: every shift of every image, nothing copied
    shifted = windows[torch.arange(count, device=images.device), :, down, right]
    return shifted, largest_px - torch.stack((right, down), dim=1).to(images.dtype)


def color_jitter(images: Tensor, brightness: float, contrast: float) -> Tensor:
    """Scale each image about black by up to `brightness`, then about its mean grey by up to `contrast`.

    Args:
        images: (b, 3, h, w) in [0, 1].
        brightness: Largest change, as a share.
        contrast: Largest change, as a share.
    """
    shares = 2.0 * torch.rand(2, images.shape[0], 1, 1, 1, device=images.device, dtype=images.dtype) - 1.0
    images = images * (1.0 + brightness * shares[0])
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (images - mean) * (1.0 + contrast * shares[1])).clamp(0.0, 1.0)
