"""Which detection in this frame is the candidate of the last one?

Where a box will appear is predicted from the camera's own motion: its bearing, at an assumed range, is carried into the
new view. With a camera on the wrist the scene stands still and the image moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robots.errors import UsageError
from robots.types import CameraIntrinsics, Detection, Float

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class TrackingConfig:
    """How boxes are associated from frame to frame.

    Attributes:
        range_m: Assumed distance of candidates from the camera [m].
        min_iou: Least overlap (intersection over union) of a detection with the predicted box.
        max_distance: Without that overlap, largest distance of the centres, in box diagonals.
        max_tracks: Candidates followed at once.
        forget_s: A candidate without a detection for this long is dropped [s].
    """

    range_m: float = 0.5
    min_iou: float = 0.2
    max_distance: float = 1.0
    max_tracks: int = 4
    forget_s: float = 1.0

    def __post_init__(self) -> None:
        if min(self.range_m, self.max_distance, self.forget_s) <= 0.0 or self.max_tracks < 1:
            raise UsageError("trigger.tracking: range_m, max_distance, forget_s and max_tracks must be positive.")


def predict_box(box: Box, camera: CameraIntrinsics, before: Float, after: Float, range_m: float) -> Box | None:
    """Return where a box of the earlier view appears in the later one, or None if it is out of view.

    Args:
        box: Left, top, right, bottom [px].
        camera: Intrinsics at the image's size.
        before: `camera_to_world` of the earlier view, (4, 4).
        after: `camera_to_world` of the later view, (4, 4).
        range_m: Assumed distance along the optical axis of the earlier view [m].
    """
    center = np.array([camera.width_px / 2.0, camera.height_px / 2.0])
    middle = np.array([(box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0])
    point = np.append((middle - center) / camera.focal_px * range_m, [range_m, 1.0])
    moved = np.linalg.inv(after) @ (before @ point)
    if moved[2] <= 0.0:
        return None
    u, v = moved[:2] / moved[2] * camera.focal_px + center
    if not (0.0 <= u < camera.width_px and 0.0 <= v < camera.height_px):
        return None
    scale = range_m / float(moved[2])
    half_w, half_h = 0.5 * scale * (box[2] - box[0]), 0.5 * scale * (box[3] - box[1])
    return float(u) - half_w, float(v) - half_h, float(u) + half_w, float(v) + half_h


def intersection_over_union(first: Box, second: Box) -> float:
    """Return the overlap of two boxes in [0, 1]; 0 for empty boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    shared = width * height
    return shared / (_area(first) + _area(second) - shared)


def associate(predicted: Box, detections: Sequence[Detection], config: TrackingConfig) -> int | None:
    """Return the index of the detection that continues `predicted`, or None.

    The largest overlap wins; without enough of it, the nearest centre within `max_distance` box diagonals.
    """
    if not detections:
        return None
    overlaps = [intersection_over_union(predicted, detection.box_xyxy_px) for detection in detections]
    best = int(np.argmax(overlaps))
    if overlaps[best] >= config.min_iou:
        return best
    distances = [_center_distance(predicted, detection.box_xyxy_px) for detection in detections]
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= config.max_distance * _diagonal(predicted) else None


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _diagonal(box: Box) -> float:
    return math.hypot(box[2] - box[0], box[3] - box[1])


def _center_distance(first: Box, second: Box) -> float:
    return 0.5 * math.hypot(first[0] + first[2] - second[0] - second[2], first[1] + first[3] - second[1] - second[3])
