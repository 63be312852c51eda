"""The one way an image changes its size: recording and deployment call it, so a policy sees what it was trained on."""

from __future__ import annotations

import numpy as np

from robots.errors import SpecError
from robots.types import Image


def resized(image: Image, height_px: int, width_px: int) -> Image:
    """Return `image` at another size, averaged over the pixels' areas where it shrinks; itself when nothing changes.

    Args:
        image: uint8 (h, w, 3), RGB.
        height_px: Wanted height.
        width_px: Wanted width.

    Returns:
        uint8 (height_px, width_px, 3).

    Raises:
        SpecError: It is no RGB image, the size is not positive, or its aspect ratio is another one than the image's.
    """
    import cv2

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise SpecError(f"An image must be uint8 (h, w, 3), not {image.dtype} {image.shape}.")
    height, width = image.shape[:2]
    if (height, width) == (height_px, width_px):
        return image
    if not same_aspect((height, width), (height_px, width_px)):
        raise SpecError(f"An image of {height} x {width} cannot become {height_px} x {width_px} without distortion.")
    shrinks = height_px * width_px < height * width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width_px, height_px), interpolation=method), dtype=np.uint8)


def same_aspect(given: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Return whether two sizes have the same aspect ratio up to rounding to whole pixels; each (height, width) [px]."""
    (height, width), (height_px, width_px) = given, wanted
    if min(height, width, height_px, width_px) < 1:
        return False
    off = abs(height * width_px - width * height_px)  # zero for the same ratio
    return 2 * off <= max(height, width)  # one side is half a pixel off at most
