"""What has been looked at: a coarse map over the compartments' cells, updated from camera poses and detections."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.region import SearchRegion
from robots.types import CameraIntrinsics, DetectionFrame, Float
from search_policy.memory.cells import DEPTHS, HEIGHTS, cell_points, static_features
from search_policy.memory.evidence import Evidence, EvidenceConfig
from search_policy.memory.sightline import Openings, compartment_of, place_of
from search_policy.motion.geometry import ray_of
from search_policy.motion.viewpoints import View

CHANNELS = ("seen", "seen_leftwards", "seen_rightwards", "quality", "score", "age")
VIEW_FEATURES = ("gain", "side_gain", "visible", "score", "age", "travel", "visits", "shelf", "across", "yaw")

_REJECTED = 0.3  # what remains of a place's weight after it was confirmed to be something else, or its grasp failed


@dataclass(frozen=True, slots=True)
class SeenMapConfig:
    """Resolution of the map and what counts as seen."""

    # Cells across each compartment
    columns: int = 12
    # Fraction of the image that counts, from its centre outwards
    field: float = 0.92
    # Farthest distance at which something is seen well enough to count [m]
    range_m: float = 0.75
    # Turn from straight ahead beyond which a look counts as one from the side
    side_tangent: float = 0.25
    # Control steps after which a look is as good as forgotten, in the `age` channel
    forget_steps: float = 150.0
    # What a look says about where the target is not
    evidence: EvidenceConfig = dataclasses.field(default_factory=EvidenceConfig)


class SeenMap:
    """Points inside every cell, and for each of them whether and how well it has been seen.

    A point counts as seen when it lies in the camera's image, in range, and the line of sight enters through the
    opening of its own compartment, which is not shut; what clutter hides is unknown to the map, so looks from both
    sides are kept apart.

    Args:
        region: Where to look.
        camera: Intrinsics of the camera that looks.
        views: Candidate views, for their features.
        config: Resolution.

    Attributes:
        region: Where to look.
        views: Candidate views.
        evidence: The looks so far.
        camera: Intrinsics of the camera that looks.
        shape: Compartments and columns.
        points_m: What is looked at, cell after cell, (n, 3) [m].
        in_sight: Which points the newest frame shows, (n,).
        camera_to_world: Where the camera was last, (4, 4).
    """

    def __init__(
        self, region: SearchRegion, camera: CameraIntrinsics, views: Sequence[View], config: SeenMapConfig
    ) -> None:
        self.region = self._region = region
        self.views = tuple(views)
        self.camera_to_world: Float = views[0].camera_to_world
        self.camera = camera
        self._config = config
        self.shape = (len(region.compartments), config.columns)
        self.points_m = cell_points(region, config.columns)  # (n, 3), cell after cell
        per_cell = len(DEPTHS) * len(HEIGHTS)
        self._owner = np.repeat(np.arange(self.shape[0]), config.columns * per_cell)
        self._openings = Openings(region, self._owner, self.points_m)
        near, deep = config.evidence.visible_front, config.evidence.visible_back
        depth = np.tile(np.repeat(DEPTHS, len(HEIGHTS)), len(self.points_m) // per_cell)
        visible = np.where(depth > 0.5, deep, near)
        self.evidence = Evidence(visible, config.side_tangent, config.evidence)
        self._static = static_features(region, views)
        self._positions = np.stack([view.camera_to_world[:3, 3] for view in views])
        sights = [self._sight(view.camera_to_world) for view in views]
        self._view_sees = np.stack([seen for seen, _, _ in sights]).astype(np.float64)  # (v, n)
        self._view_quality = np.stack([quality for _, quality, _ in sights])
        self._view_slope = np.stack([slope for _, _, slope in sights])
        self._view_side = np.stack([np.sign(view.yaw_rad) for view in views])
        self.reset()

    def reset(self, closed: Collection[str] = ()) -> None:
        """Forget everything.

        Args:
            closed: Names of the closures that are known to be shut; see `close`.
        """
        count = len(self.points_m)
        self._seen = np.zeros((3, count))  # at all, by a look to the left, by a look to the right
        self._quality = np.zeros(count)
        self._last = np.full(count, -np.inf)
        self._score = np.zeros(self.shape)
        self._belief = np.ones(self.shape)
        self._step = 0
        self.in_sight: NDArray[np.bool_] = np.zeros(count, dtype=bool)
        self.evidence.reset()
        self.close(closed)

    def close(self, closed: Collection[str]) -> None:
        """Take in which doors and drawers are shut: what is behind them is not seen until they are open.

        Args:
            closed: Names of closures, see `Compartment.closure`; all others count as open.

        Raises:
            UsageError: No compartment has such a closure.
        """
        known = [c.closure for c in self._region.compartments if c.closure]
        for name in sorted(closed):
            if name not in known:
                raise UsageError.unknown("closure", name, known)
        shut = [bool(c.closure) and c.closure in closed for c in self._region.compartments]
        self._open = ~np.array(shut)[self._owner]
        self._view_seen = self._view_sees * self._open
        self._view_weight = np.maximum(self._view_seen.sum(axis=1), 1.0)

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
        self.camera_to_world = camera_to_world
        seen, quality, sideways = self._sight(camera_to_world)
        seen &= self._open
        self.in_sight = seen
        self._seen[0][seen] = 1.0
        self._seen[1][seen & (sideways > self._config.side_tangent)] = 1.0
        self._seen[2][seen & (sideways < -self._config.side_tangent)] = 1.0
        self._last[seen] = self._step
        self.evidence.add(seen, quality, sideways)
        np.maximum(self._quality, np.where(seen, quality, 0.0), out=self._quality)
        if frame is not None and frame_pose is not None:
            self._add_scores(frame, frame_pose)

    def channels(self) -> NDArray[np.float32]:
        """Return the map, (channels, compartments, columns) in [0, 1]; the order is `CHANNELS`."""
        cells = (*self.shape, -1)
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
        total = len(self.points_m)
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
        cell = self.cell_of(point_m)
        if cell is None:
            return False
        per_cell = len(self.points_m) // self._score.size
        start = (cell[0] * self.shape[1] + cell[1]) * per_cell
        return bool(self._view_seen[view, start : start + per_cell].mean() >= 0.5)

    def place_of(self, uv_px: tuple[float, float], frame: DetectionFrame, frame_pose: Float) -> Float | None:
        """Return where the thing at a pixel of a frame stands, (3,) [m], or None outside the compartments."""
        ray = ray_of(uv_px, frame_pose, self._camera_of(frame))
        return place_of(self._region, frame_pose[:3, 3], ray)

    def reject(self, place_m: Float) -> None:
        """Lower the weight of a place that was looked at closely and was something else, or whose grasp failed.

        The weight never reaches zero: the judgement may have been wrong.

        Args:
            place_m: The place, (3,) [m]; ignored outside the compartments.
        """
        cell = self.cell_of(place_m)
        if cell is not None:
            self._belief[cell] *= _REJECTED
            self._score[cell] *= _REJECTED

    def point_weights(self, prior: Float | None = None) -> Float:
        """Return how likely the target is at every point before any look; rejections are taken in, (n,), sum 1.

        What is shut has no weight, as long as anything is open.

        Args:
            prior: Weight of every cell, (compartments, any number of columns), not negative; None is uniform.

        Raises:
            UsageError: The prior's shape does not fit, or it holds negative values.
        """
        cells = self._belief * self._prior_of(prior)
        points = np.repeat(cells.ravel(), len(self.points_m) // cells.size)
        open_points = points * self._open
        weights = open_points if open_points.sum() > 0.0 else points
        return weights / weights.sum()

    def look_worth(self) -> tuple[Float, NDArray[np.int64]]:
        """Return the chance that a look from each view finds a target at each point, and the side, (v, n) each."""
        worth = self.evidence.worth(self._view_quality) * self._view_seen
        return worth, self.evidence.side_of(self._view_slope)

    def _prior_of(self, prior: Float | None) -> Float:
        """Return the prior at the map's own number of columns, (compartments, columns)."""
        if prior is None:
            return np.ones(self.shape)
        given = np.asarray(prior, dtype=np.float64)
        if given.ndim != 2 or given.shape[0] != self.shape[0] or given.shape[1] < 1 or not (given >= 0.0).all():
            raise UsageError(f"search prior: needs weights of shape ({self.shape[0]}, columns), none negative.")
        if given.sum() <= 0.0:
            return np.ones(self.shape)
        own, other = self.shape[1], given.shape[1]
        # Both resolutions divide a compartment evenly: share out each given column over the finest common grid.
        fine = np.repeat(given / own, own, axis=1)
        return fine.reshape(self.shape[0], own, other).sum(axis=2)

    def _age(self) -> Float:
        return 1.0 - np.exp((self._last - self._step) / self._config.forget_steps)

    def _sight(self, camera_to_world: Float) -> tuple[NDArray[np.bool_], Float, Float]:
        """Return per point whether it is seen, how well, and the sideways slope of the look, (n,) each."""
        center = camera_to_world[:3, 3]
        ray = self.points_m - center
        x, y, z = (ray @ camera_to_world[:3, :3]).T
        half_w = 0.5 * self.camera.width_px / self.camera.focal_px * self._config.field
        half_h = 0.5 * self.camera.height_px / self.camera.focal_px * self._config.field
        depth = np.maximum(z, 1e-6)
        seen = (np.abs(x) < half_w * depth) & (np.abs(y) < half_h * depth)
        seen &= (z > 0.05) & (z < self._config.range_m)
        entered, slope = self._openings.entered(center)
        return seen & entered, np.minimum(0.4 / depth, 1.0), slope

    def _add_scores(self, frame: DetectionFrame, frame_pose: Float) -> None:
        for detection in frame.detections:
            place = self.place_of(detection.center_px, frame, frame_pose)
            cell = None if place is None else self.cell_of(place)
            if cell is not None:
                self._score[cell] = max(self._score[cell], detection.score * self._belief[cell])

    def _camera_of(self, frame: DetectionFrame) -> CameraIntrinsics:
        scale = frame.height_px / self.camera.height_px
        return CameraIntrinsics(frame.width_px, frame.height_px, self.camera.focal_px * scale)

    def cell_of(self, point_m: Float) -> tuple[int, int] | None:
        """Return (compartment, column) of a point, or None outside; a little above or below still counts."""
        index = compartment_of(self._region, point_m)
        if index is None:
            return None
        own = self._region.compartments[index]
        across = (point_m[1] - own.y_min_m) / (own.y_max_m - own.y_min_m)
        return index, min(int(across * self._config.columns), self._config.columns - 1)
