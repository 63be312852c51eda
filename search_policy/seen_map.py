"""What has been looked at: a coarse map over the region's cells, updated from camera poses and detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.region import SearchRegion
from robots.types import CameraIntrinsics, DetectionFrame, Float
from search_policy.geometry import ray_of
from search_policy.viewpoints import View

CHANNELS = ("seen", "seen_leftwards", "seen_rightwards", "quality", "score", "age")
VIEW_FEATURES = ("gain", "side_gain", "visible", "score", "age", "travel", "visits", "shelf", "across", "yaw")

_DEPTHS = (0.3, 0.75)
_HEIGHTS = (0.2, 0.55)


@dataclass(frozen=True, slots=True)
class SeenMapConfig:
    """Resolution of the map and what counts as seen."""

    # Cells across each shelf
    columns: int = 12
    # Fraction of the image that counts, from its centre outwards
    field: float = 0.92
    # Farthest distance at which something is seen well enough to count [m]
    range_m: float = 0.75
    # Turn from straight ahead beyond which a look counts as one from the side
    side_tangent: float = 0.25
    # Control steps after which a look is as good as forgotten, in the `age` channel
    forget_steps: float = 150.0


class SeenMap:
    """Points inside every cell, and for each of them whether and how well it has been seen.

    A point counts as seen when it lies in the camera's image, in range, and the line of sight enters through the
    opening of its own shelf; what clutter hides is unknown to the map, so looks from both sides are kept apart.

    Args:
        region: The bookcase.
        camera: Intrinsics of the camera that looks.
        views: Candidate views, for their features.
        config: Resolution.
    """

    def __init__(
        self, region: SearchRegion, camera: CameraIntrinsics, views: Sequence[View], config: SeenMapConfig
    ) -> None:
        self._region = region
        self._camera = camera
        self._config = config
        self._shape = (len(region.compartments), config.columns)
        self._points = _cell_points(region, config.columns)  # (n, 3), cell after cell
        per_cell = len(_DEPTHS) * len(_HEIGHTS)
        shelf = np.repeat(np.arange(self._shape[0]), config.columns * per_cell)
        self._floor = np.array([c.floor_z_m for c in region.compartments])[shelf]
        self._ceiling = np.array([c.top_z_m for c in region.compartments])[shelf]
        self._static = _static_features(region, views)
        self._positions = np.stack([view.camera_to_world[:3, 3] for view in views])
        sights = [self._sight(view.camera_to_world) for view in views]
        self._view_seen = np.stack([seen for seen, _, _ in sights]).astype(np.float64)  # (v, n)
        self._view_side = np.stack([np.sign(view.yaw_rad) for view in views])
        self._view_weight = np.maximum(self._view_seen.sum(axis=1), 1.0)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        count = len(self._points)
        self._seen = np.zeros((3, count))  # at all, by a look to the left, by a look to the right
        self._quality = np.zeros(count)
        self._last = np.full(count, -np.inf)
        self._score = np.zeros(self._shape)
        self._step = 0

    @property
    def coverage(self) -> float:
        """Fraction of the region seen so far."""
        return float(self._seen[0].mean())

    def update(
        self, camera_to_world: Float, frame: DetectionFrame | None = None, frame_pose: Float | None = None
    ) -> None:
        """Take in one control step.

        Args:
            camera_to_world: Where the camera is, (4, 4).
            frame: The newest detections, or None.
            frame_pose: Where the camera was when `frame` was captured, (4, 4).
        """
        self._step += 1
        seen, quality, sideways = self._sight(camera_to_world)
        self._seen[0][seen] = 1.0
        self._seen[1][seen & (sideways > self._config.side_tangent)] = 1.0
        self._seen[2][seen & (sideways < -self._config.side_tangent)] = 1.0
        self._last[seen] = self._step
        np.maximum(self._quality, np.where(seen, quality, 0.0), out=self._quality)
        if frame is not None and frame_pose is not None:
            self._add_scores(frame, frame_pose)

    def channels(self) -> NDArray[np.float32]:
        """Return the map, (channels, shelves, columns) in [0, 1]; the order is `CHANNELS`."""
        cells = (*self._shape, -1)
        seen = self._seen.reshape(3, *cells).mean(axis=-1)
        quality = self._quality.reshape(cells).mean(axis=-1)
        age = self._age().reshape(cells).mean(axis=-1)
        return np.stack([*seen, quality, self._score, age]).astype(np.float32)

    def view_features(self, position_m: Float, visits: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what is known about each candidate view, (v, len(VIEW_FEATURES)).

        Args:
            position_m: The camera's position, (3,) [m].
            visits: Completed visits of each view, (v,).
        """
        total = len(self._points)
        gain = self._view_seen @ (1.0 - self._seen[0]) / total
        leftwards = self._view_seen @ (1.0 - self._seen[1])
        rightwards = self._view_seen @ (1.0 - self._seen[2])
        side_gain = np.where(self._view_side > 0, leftwards, rightwards) * (self._view_side != 0) / total
        score = (self._view_seen * np.repeat(self._score.ravel(), total // self._score.size)).max(axis=1)
        age = self._view_seen @ self._age() / self._view_weight
        travel = np.linalg.norm(self._positions - position_m, axis=1)
        known = np.stack([gain * 5.0, side_gain * 5.0, self._view_weight / total, score, age, travel, visits / 2.0])
        return np.concatenate([known, self._static]).T.astype(np.float32)

    def contains(self, view: int, point_m: Float) -> bool:
        """Return whether the candidate view's sight covers the cell that holds `point_m`."""
        cell = self._cell_of(point_m)
        if cell is None:
            return False
        per_cell = len(self._points) // self._score.size
        start = (cell[0] * self._shape[1] + cell[1]) * per_cell
        return bool(self._view_seen[view, start : start + per_cell].mean() >= 0.5)

    def _age(self) -> Float:
        return 1.0 - np.exp((self._last - self._step) / self._config.forget_steps)

    def _sight(self, camera_to_world: Float) -> tuple[NDArray[np.bool_], Float, Float]:
        """Return per point whether it is seen, how well, and the sideways slope of the look, (n,) each."""
        center = camera_to_world[:3, 3]
        ray = self._points - center
        x, y, z = (ray @ camera_to_world[:3, :3]).T
        half_w = 0.5 * self._camera.width_px / self._camera.focal_px * self._config.field
        half_h = 0.5 * self._camera.height_px / self._camera.focal_px * self._config.field
        depth = np.maximum(z, 1e-6)
        seen = (np.abs(x) < half_w * depth) & (np.abs(y) < half_h * depth)
        seen &= (z > 0.05) & (z < self._config.range_m)
        ahead = np.maximum(ray[:, 0], 1e-6)
        entry = max(self._region.front_x_m - center[0], 0.0) / ahead
        entry_z = center[2] + entry * ray[:, 2]
        entry_y = center[1] + entry * ray[:, 1]
        seen &= (entry_z > self._floor) & (entry_z < self._ceiling) & (ray[:, 0] > 0.0)
        seen &= (entry_y > self._region.y_min_m) & (entry_y < self._region.y_max_m)
        return seen, np.minimum(0.4 / depth, 1.0), ray[:, 1] / ahead

    def _add_scores(self, frame: DetectionFrame, frame_pose: Float) -> None:
        for detection in frame.detections:
            ray = ray_of(detection.center_px, frame_pose, self._camera_of(frame))
            if ray[0] <= 1e-6:
                continue
            middle_x = self._region.front_x_m + 0.4 * self._region.depth_m
            point = frame_pose[:3, 3] + ray * (middle_x - frame_pose[0, 3]) / ray[0]
            cell = self._cell_of(point)
            if cell is not None:
                self._score[cell] = max(self._score[cell], detection.score)

    def _camera_of(self, frame: DetectionFrame) -> CameraIntrinsics:
        scale = frame.height_px / self._camera.height_px
        return CameraIntrinsics(frame.width_px, frame.height_px, self._camera.focal_px * scale)

    def _cell_of(self, point_m: Float) -> tuple[int, int] | None:
        """Return (shelf, column) of a point, or None outside; a little above or below a shelf still counts."""
        region = self._region
        across = (point_m[1] - region.y_min_m) / (region.y_max_m - region.y_min_m)
        shelves = region.compartments
        shelf = int(np.searchsorted([c.floor_z_m for c in shelves], point_m[2] + 0.05)) - 1
        inside = 0.0 <= across < 1.0 and shelf >= 0 and point_m[2] < shelves[shelf].top_z_m + 0.05
        return (shelf, int(across * self._config.columns)) if inside else None


def _cell_points(region: SearchRegion, columns: int) -> Float:
    width = (region.y_max_m - region.y_min_m) / columns
    points = [
        (
            region.front_x_m + depth * region.depth_m,
            region.y_min_m + (column + 0.5) * width,
            c.floor_z_m + h * c.clearance_m,
        )
        for c in region.compartments
        for column in range(columns)
        for depth in _DEPTHS
        for h in _HEIGHTS
    ]
    return np.array(points)


def _static_features(region: SearchRegion, views: Sequence[View]) -> Float:
    """Return shelf in [-1, 1], place across in [-1, 1] and yaw [rad] of every view, (3, v)."""
    top = max(len(region.compartments) - 1, 1)
    middle, half = 0.5 * (region.y_min_m + region.y_max_m), 0.5 * (region.y_max_m - region.y_min_m)
    rows = [(2.0 * view.shelf / top - 1.0, (view.aim_m[1] - middle) / half, view.yaw_rad) for view in views]
    return np.array(rows).T
