"""Lines of sight into compartments: what a look enters, where it ends, and what a pulled-out drawer hides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robots.region import Compartment, Opening, SearchRegion
from robots.types import Float

_SLACK_M = 0.05  # a bearing that misses a compartment by less still means that compartment
_DRAWER_WALL_M = 0.018


class Openings:
    """Tests lines of sight from one camera position to many points, each inside a compartment.

    Args:
        region: The compartments.
        owner: Index of the compartment of each point, (n,).
        points_m: The points, (n, 3) [m].
    """

    def __init__(self, region: SearchRegion, owner: NDArray[np.int64], points_m: Float) -> None:
        def per_point(values: list[float]) -> Float:
            return np.array(values)[owner]

        parts = region.compartments
        self._points = points_m
        self._top = per_point([float(c.opening is Opening.TOP) for c in parts]) > 0.0
        self._front, self._back = per_point([c.front_x_m for c in parts]), per_point([_back(c) for c in parts])
        self._right, self._left = per_point([c.y_min_m for c in parts]), per_point([c.y_max_m for c in parts])
        self._floor, self._ceiling = per_point([c.floor_z_m for c in parts]), per_point([c.top_z_m for c in parts])
        self._drawers = [(i, *_walls(c)) for i, c in enumerate(parts) if c.opening is Opening.TOP]
        self._owner = owner

    def entered(self, center_m: Float) -> tuple[NDArray[np.bool_], Float]:
        """Return which lines enter through their own compartment's opening, and how far sideways each one runs.

        Args:
            center_m: The camera, (3,) [m].

        Returns:
            `(entered (n,), slope (n,))`; the slope is leftward travel per travel into the opening.
        """
        ray = self._points - center_m
        ahead = np.maximum(ray[:, 0], 1e-6)
        entry = np.maximum(self._front - center_m[0], 0.0) / ahead
        entry_z = center_m[2] + entry * ray[:, 2]
        entry_y = center_m[1] + entry * ray[:, 1]
        through = (entry_z > self._floor) & (entry_z < self._ceiling) & (ray[:, 0] > 0.0)
        through &= (entry_y > self._right) & (entry_y < self._left)
        slope = ray[:, 1] / ahead
        if self._drawers:
            through = np.where(self._top, self._from_above(center_m, ray), through)
            through &= ~self._hidden_by_drawers(center_m, ray)
            slope = np.where(self._top, ray[:, 1] / np.maximum(-ray[:, 2], 1e-6), slope)
        return through, slope

    def _from_above(self, center_m: Float, ray: Float) -> NDArray[np.bool_]:
        down = np.maximum(-ray[:, 2], 1e-6)
        entry = np.maximum(center_m[2] - self._ceiling, 0.0) / down
        x, y = center_m[0] + entry * ray[:, 0], center_m[1] + entry * ray[:, 1]
        inside = (x > self._front) & (x < self._back) & (y > self._right) & (y < self._left)
        return inside & (ray[:, 2] < 0.0) & (center_m[2] > self._ceiling)

    def _hidden_by_drawers(self, center_m: Float, ray: Float) -> NDArray[np.bool_]:
        """Return which lines to points of other compartments cross a pulled-out drawer (slab test)."""
        hidden = np.zeros(len(ray), dtype=bool)
        safe = np.where(np.abs(ray) < 1e-9, 1e-9, ray)
        for index, low, high in self._drawers:
            first, second = (low - center_m) / safe, (high - center_m) / safe
            near, far = np.minimum(first, second).max(axis=1), np.maximum(first, second).min(axis=1)
            hidden |= (near < far) & (far > 0.0) & (near < 1.0) & (self._owner != index)
        return hidden


def place_of(region: SearchRegion, origin_m: Float, ray: Float, *, depth: float = 0.4) -> Float | None:
    """Return where a bearing ends, if what it shows stands inside a compartment, (3,) [m], or None.

    Through a front it is a point at `depth` of the way in; from above it is one a little above the floor.

    Args:
        region: The compartments.
        origin_m: The camera, (3,) [m].
        ray: Direction, (3,).
        depth: Share of the depth at which things are assumed to stand.
    """
    for compartment in region.compartments:
        if compartment.opening is Opening.TOP and ray[2] < -1e-6:
            height = compartment.floor_z_m + 0.3 * compartment.clearance_m
            point: Float = origin_m + ray * (height - origin_m[2]) / ray[2]
            if compartment_of(region, point) is not None and compartment.holds(point, slack_m=0.03):
                return point
    if ray[0] <= 1e-6:
        return None
    fronts = [c for c in region.compartments if c.opening is Opening.FRONT]
    for compartment in reversed(fronts):
        middle = compartment.front_x_m + depth * compartment.depth_m
        point = origin_m + ray * (middle - origin_m[0]) / ray[0]
        if _near(compartment, point):
            return point
    return None


def compartment_of(region: SearchRegion, point_m: Float) -> int | None:
    """Return the index of the compartment that a point belongs to; a little above or below it still counts."""
    for index in reversed(range(len(region.compartments))):
        if _near(region.compartments[index], point_m):
            return index
    return None


def _near(compartment: Compartment, point_m: Float) -> bool:
    x, y, z = (float(value) for value in point_m)
    if not (compartment.y_min_m <= y < compartment.y_max_m):
        return False
    if not (compartment.floor_z_m <= z + _SLACK_M and z < compartment.top_z_m + _SLACK_M):
        return False
    behind = compartment.opening is Opening.FRONT or x < _back(compartment) + _SLACK_M
    return behind and x > compartment.front_x_m - _SLACK_M


def _back(compartment: Compartment) -> float:
    return compartment.front_x_m + compartment.depth_m


def _walls(drawer: Compartment) -> tuple[Float, Float]:
    wall = _DRAWER_WALL_M
    low = np.array([drawer.front_x_m - wall, drawer.y_min_m - wall, drawer.floor_z_m - wall])
    return low, np.array([_back(drawer) + wall, drawer.y_max_m + wall, drawer.top_z_m])
