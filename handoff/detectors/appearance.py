"""Colour likelihood, candidate regions and their appearance features: pure functions on RGB images.

A candidate region is a connected set of pixels whose colour is more likely under the target than under the scene
(histogram back-projection, Swain and Ballard, IJCV 1991). Its appearance is described by where in its box which
colours lie, so that a crown above a body counts and the same colours side by side do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from robots.types import Float, Image

HUE_BINS, SATURATION_BINS, VALUE_BINS = 18, 8, 8
TABLE_SIZE = HUE_BINS * SATURATION_BINS * VALUE_BINS
ROWS, COLUMNS, CLASSES = 4, 3, 10
FEATURES = ROWS * COLUMNS * CLASSES + 7
MARGIN = 0.35  # the box grows by this share of its size on each side, so that parts of other colours are seen too


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One candidate region.

    Attributes:
        box_xyxy_px: Left, top, right, bottom [px]; right and bottom are exclusive.
        features: (FEATURES,) appearance, see `describe`.
    """

    box_xyxy_px: tuple[int, int, int, int]
    features: Float


def color_bins(image: Image) -> NDArray[np.intp]:
    """Return the flat index of every pixel's hue, saturation and value bin, (h, w) in [0, TABLE_SIZE)."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.intp)
    hue = hsv[..., 0] * HUE_BINS // 180
    saturation = hsv[..., 1] * SATURATION_BINS // 256
    value = hsv[..., 2] * VALUE_BINS // 256
    return (hue * SATURATION_BINS + saturation) * VALUE_BINS + value


def color_classes(image: Image) -> NDArray[np.uint8]:
    """Return a coarse colour name per pixel, (h, w): 0 to 7 hue octants of colourful pixels, 8 dark, 9 pale."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hue, saturation, value = cv2.split(hsv)
    classes = np.asarray(_HUE_TO_CLASS[hue], dtype=np.uint8)
    classes[saturation < 70] = 9
    classes[value < 50] = 8
    return classes


def propose(image: Image, log_ratio: Float, *, threshold_nats: float, min_area_px: int) -> list[Region]:
    """Return the candidate regions of an image, largest first, at most eight.

    Args:
        image: RGB, (h, w, 3).
        log_ratio: ln p(colour | target) / p(colour | scene) per colour bin, flat.
        threshold_nats: A pixel belongs to a region when its smoothed log ratio exceeds this.
        min_area_px: Smaller regions are dropped.
    """
    ratio = cv2.GaussianBlur(log_ratio[color_bins(image)].astype(np.float32), (3, 3), 0)
    mask = cv2.morphologyEx((ratio > threshold_nats).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    order = sorted(range(1, count), key=lambda index: -int(stats[index, cv2.CC_STAT_AREA]))[:8]
    classes = color_classes(image)
    regions = []
    for index in order:
        left, top, width, height, area = (int(number) for number in stats[index])
        if area < min_area_px:
            break
        box = (left, top, left + width, top + height)
        inside = labels[top : top + height, left : left + width] == index
        patch = ratio[top : top + height, left : left + width]
        regions.append(Region(box, describe(classes, box, area, float(patch[inside].mean()))))
    return regions


def describe(
    classes: NDArray[np.uint8], box_xyxy_px: tuple[int, int, int, int], area_px: int, mean_ratio_nats: float
) -> Float:
    """Return the appearance of a box: share of each colour class per cell of a grid over the grown box, and its shape.

    Args:
        classes: Colour class per pixel, (h, w), from `color_classes`.
        box_xyxy_px: The region's box.
        area_px: Number of the region's own pixels.
        mean_ratio_nats: Mean log ratio over them.

    Returns:
        (FEATURES,) float64: ROWS x COLUMNS x CLASSES shares, then five shape numbers and the clipped share of the
        image, all of order one.
    """
    height, width = classes.shape
    left, top, right, bottom = box_xyxy_px
    grow_x, grow_y = MARGIN * (right - left), MARGIN * (bottom - top)
    edges_x = np.linspace(left - grow_x, right + grow_x, COLUMNS + 1).round().astype(int)
    edges_y = np.linspace(top - grow_y, bottom + grow_y, ROWS + 1).round().astype(int)
    shares = np.zeros((ROWS, COLUMNS, CLASSES))
    for row in range(ROWS):
        for column in range(COLUMNS):
            shares[row, column] = _shares(classes, edges_y[row : row + 2], edges_x[column : column + 2])
    box_area = max((right - left) * (bottom - top), 1)
    touches = (left <= 0) + (top <= 0) + (right >= width) + (bottom >= height)
    shape = [
        mean_ratio_nats / 4.0,
        np.log(area_px / 100.0) / 3.0,
        np.log((bottom - top) / (right - left)),
        area_px / box_area,
        float(touches) / 2.0,
        box_area / (width * height),
        1.0,
    ]
    return np.concatenate([shares.ravel(), shape])


def _shares(classes: NDArray[np.uint8], rows: NDArray[np.int_], columns: NDArray[np.int_]) -> Float:
    """Return the share of each colour class in one cell, (CLASSES,); zeros where the cell lies outside the image."""
    cell = classes[
        max(rows[0], 0) : max(rows[1], rows[0] + 1, 0), max(columns[0], 0) : max(columns[1], columns[0] + 1, 0)
    ]
    if cell.size == 0:
        return np.zeros(CLASSES)
    return np.bincount(cell.ravel(), minlength=CLASSES) / cell.size


def _hue_table() -> NDArray[np.uint8]:
    """Map OpenCV hues 0..179 to eight classes with edges between the common colour names."""
    edges = np.array([8, 17, 24, 34, 75, 100, 135, 172])  # red, orange, amber, yellow, green, cyan, blue, violet
    return (np.searchsorted(edges, np.arange(256), side="right") % 8).astype(np.uint8)


_HUE_TO_CLASS = _hue_table()
