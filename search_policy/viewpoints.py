"""The candidate viewpoints: camera poses that together look at every part of a search region."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.errors import UsageError
from robots.region import SearchRegion
from robots.types import Float, read_only
from search_policy.geometry import look_at


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How the candidate views are laid out over a region."""

    # Straight views per shelf
    columns: int = 5
    # Distance of a straight view's camera from the open front [m]
    standoff_m: float = 0.27
    # Height of the camera above the middle of the shelf it looks into [m]
    rise_m: float = 0.06
    # Oblique views per shelf: half of them look to the left, half to the right
    obliques: int = 2
    # Turn of an oblique view from straight ahead [rad]
    oblique_yaw_rad: float = 0.5
    # Distance that the outermost straight views keep from the sides of the opening [m]
    side_margin_m: float = 0.10
    # How far the finger tips lie ahead of the camera; camera and tips stay out of the bookcase [m]
    tip_lead_m: float = 0.12
    # Clearance between finger tips and the open front [m]
    front_margin_m: float = 0.03
    # Lowest height of the camera [m]
    floor_m: float = 0.12

    def __post_init__(self) -> None:
        if self.columns < 1 or self.obliques < 0:
            raise UsageError("views: columns must be at least 1 and obliques at least 0.")
        if self.standoff_m <= self.tip_lead_m + self.front_margin_m:
            raise UsageError("views: standoff_m must be more than tip_lead_m + front_margin_m.")


@dataclass(frozen=True, slots=True)
class CameraBox:
    """Where the camera may be: an axis-aligned box in front of the region, world frame [m]."""

    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]

    def clip(self, position_m: Float) -> Float:
        """Return the nearest point inside, (3,) [m]."""
        return np.clip(position_m, self.low_m, self.high_m)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One candidate viewpoint.

    Attributes:
        name: For logs: `shelf1.straight2`, `shelf0.left0`.
        shelf: Index of the shelf it looks into, 0 is the lowest.
        aim_m: The point it looks at, (3,) [m].
        yaw_rad: Turn from straight ahead, positive to the left.
        camera_to_world: (4, 4).
    """

    name: str
    shelf: int
    aim_m: Float
    yaw_rad: float
    camera_to_world: Float

    def __post_init__(self) -> None:
        object.__setattr__(self, "aim_m", read_only(self.aim_m))
        object.__setattr__(self, "camera_to_world", read_only(self.camera_to_world))


def camera_box(region: SearchRegion, config: ViewConfig) -> CameraBox:
    """Return the box that keeps camera and finger tips out of the bookcase."""
    top = region.top_z_m
    x_max = region.front_x_m - config.tip_lead_m - config.front_margin_m
    x_min = region.front_x_m - 1.6 * config.standoff_m
    side = 0.6 * config.standoff_m
    return CameraBox(
        (x_min, region.y_min_m - side, max(region.floor_z_m, config.floor_m)),
        (x_max, region.y_max_m + side, top + 0.10),
    )


def candidate_views(region: SearchRegion, config: ViewConfig) -> tuple[View, ...]:
    """Return all views, shelf by shelf from the lowest: straight ones from right to left, then obliques.

    Args:
        region: Where to look.
        config: Layout.

    Returns:
        `len(shelves) * (columns + obliques)` views.
    """
    box = camera_box(region, config)
    margin = min(config.side_margin_m, 0.4 * (region.y_max_m - region.y_min_m))
    straight_y = np.linspace(region.y_min_m + margin, region.y_max_m - margin, config.columns)
    views = []
    for shelf, compartment in enumerate(region.compartments):
        height = compartment.floor_z_m + 0.5 * compartment.clearance_m
        for index, y in enumerate(straight_y):
            aim = _aim(region, float(y), height)
            views.append(_view(f"shelf{shelf}.straight{index}", shelf, aim, 0.0, box, config))
        for index in range(config.obliques):
            yaw = config.oblique_yaw_rad * (1.0 if index % 2 == 0 else -1.0)
            name = f"shelf{shelf}.{'left' if yaw > 0 else 'right'}{index // 2}"
            aim = _aim(region, _oblique_y(region, index, config.obliques), height)
            views.append(_view(name, shelf, aim, yaw, box, config))
    return tuple(views)


def _aim(region: SearchRegion, y: float, height: float) -> Float:
    return np.array([region.front_x_m + 0.4 * region.depth_m, y, height])


def _oblique_y(region: SearchRegion, index: int, count: int) -> float:
    """Place the pairs of obliques evenly: a single pair aims a quarter of the width to either side of the middle."""
    width = region.y_max_m - region.y_min_m
    pairs = max((count + 1) // 2, 1)
    center = region.y_min_m + width * (index // 2 + 0.5) / pairs
    return center + (0.2 if index % 2 == 0 else -0.2) * width / pairs


def _view(name: str, shelf: int, aim: Float, yaw: float, box: CameraBox, config: ViewConfig) -> View:
    reach = config.standoff_m + 0.05
    offset = np.array([-reach * math.cos(yaw), -reach * math.sin(yaw), config.rise_m])
    start = aim + offset
    if yaw == 0.0:
        start[0] = box.high_m[0] + config.tip_lead_m + config.front_margin_m - config.standoff_m
    position = box.clip(start)
    return View(name, shelf, aim, yaw, look_at(position, aim))
