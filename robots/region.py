"""Where to search: a shelved region in front of the robot, measured once per installation."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError


@dataclass(frozen=True, slots=True)
class SearchRegion:
    """An open bookcase that faces the robot, in the world frame (robot base, x forward, y left, z up).

    Attributes:
        front_x_m: Distance of the open front plane from the base [m].
        depth_m: Depth of the shelves behind the front plane [m].
        y_min_m: Right edge of the opening [m].
        y_max_m: Left edge of the opening [m].
        shelf_z_m: Height of each shelf's upper surface, lowest first [m].
        clearance_m: Free height above each shelf surface [m].
    """

    front_x_m: float
    depth_m: float
    y_min_m: float
    y_max_m: float
    shelf_z_m: tuple[float, ...]
    clearance_m: float

    def __post_init__(self) -> None:
        if self.y_min_m >= self.y_max_m:
            raise UsageError(f"search region: y_min_m ({self.y_min_m}) must be below y_max_m ({self.y_max_m}).")
        if min(self.depth_m, self.clearance_m) <= 0.0:
            raise UsageError("search region: depth_m and clearance_m must be positive.")
        if not self.shelf_z_m or list(self.shelf_z_m) != sorted(self.shelf_z_m):
            raise UsageError("search region: shelf_z_m must name at least one shelf, lowest first.")
