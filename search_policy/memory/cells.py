"""The cells of the seen-map: the points inside each of them, and what never changes about the views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robots.region import SearchRegion
from robots.types import Float
from search_policy.motion.viewpoints import View

DEPTHS = (0.3, 0.75)  # shares of a compartment's depth at which points lie
HEIGHTS = (0.2, 0.55)  # and of its height


def cell_points(region: SearchRegion, columns: int) -> Float:
    """Return the points of every cell, cell after cell, (n, 3) [m]."""
    points = [
        (
            c.front_x_m + depth * c.depth_m,
            c.y_min_m + (column + 0.5) * (c.y_max_m - c.y_min_m) / columns,
            c.floor_z_m + h * c.clearance_m,
        )
        for c in region.compartments
        for column in range(columns)
        for depth in DEPTHS
        for h in HEIGHTS
    ]
    return np.array(points)


def static_features(region: SearchRegion, views: Sequence[View]) -> Float:
    """Return shelf in [-1, 1], place across in [-1, 1] and yaw [rad] of every view, (3, v)."""
    top = max(len(region.compartments) - 1, 1)
    middle, half = 0.5 * (region.y_min_m + region.y_max_m), 0.5 * (region.y_max_m - region.y_min_m)
    rows = [(2.0 * view.shelf / top - 1.0, (view.aim_m[1] - middle) / half, view.yaw_rad) for view in views]
    return np.array(rows).T
