"""What stands where, as far as it was seen: for every cell of the seen-map, how likely each label is there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robots.types import CameraIntrinsics, Float


class SemanticMap:
    """Averages, over the frames that show a cell, the largest probability of each label at any of its points.

    A label is of whatever stands on the line of sight, be it in the cell or before it: nothing here measures depth.

    Args:
        points_m: Points of all cells, cell after cell, (n, 3) [m].
        shape: Compartments and columns.
        camera: Intrinsics of the camera that looks.
        labels: Number of labels.
    """

    def __init__(self, points_m: Float, shape: tuple[int, int], camera: CameraIntrinsics, labels: int) -> None:
        self._points = points_m
        self._shape = shape
        self._camera = camera
        self._labels = labels
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        cells = self._shape[0] * self._shape[1]
        self._sum = np.zeros((cells, self._labels))
        self._frames = np.zeros(cells)

    def update(self, camera_to_world: Float, in_sight: NDArray[np.bool_], patches: NDArray[np.float32]) -> None:
        """Take in one frame.

        Args:
            camera_to_world: Where it was captured, (4, 4).
            in_sight: Which points it shows, (n,).
            patches: Probability of every label in every patch, (labels, rows, columns).
        """
        seen = np.flatnonzero(in_sight)
        if not len(seen):
            return
        per_cell = len(self._points) // len(self._frames)
        row, column = self._patch_of(self._points[seen], camera_to_world, patches.shape[1:])
        best = np.zeros_like(self._sum)
        np.maximum.at(best, seen // per_cell, patches[:, row, column].T)
        shown = np.unique(seen // per_cell)
        self._sum[shown] += best[shown]
        self._frames[shown] += 1.0

    def channels(self) -> NDArray[np.float32]:
        """Return the map, (labels, compartments, columns) in [0, 1]; zero where nothing was seen."""
        mean = self._sum / np.maximum(self._frames, 1.0)[:, None]
        return mean.T.reshape(self._labels, *self._shape).astype(np.float32)

    def _patch_of(
        self, points_m: Float, camera_to_world: Float, grid: tuple[int, ...]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column of the patch that shows each point."""
        x, y, z = ((points_m - camera_to_world[:3, 3]) @ camera_to_world[:3, :3]).T
        camera = self._camera
        # The actor's image is cut square out of the middle of a wider one.
        side = min(camera.width_px, camera.height_px)
        u = 0.5 + camera.focal_px * x / np.maximum(z, 1e-6) / side
        v = 0.5 + camera.focal_px * y / np.maximum(z, 1e-6) / side
        row = np.clip((v * grid[0]).astype(np.int64), 0, grid[0] - 1)
        return row, np.clip((u * grid[1]).astype(np.int64), 0, grid[1] - 1)
