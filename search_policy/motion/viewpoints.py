"""The candidate viewpoints: camera poses that together look into every compartment of a search region.

Compartments that open to the front get straight and oblique views, in a number that follows from their width; those
that open to the top are looked into from above. Every pose keeps the hand clear of the furniture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.errors import UsageError
from robots.region import Compartment, Opening, SearchRegion
from robots.types import Float, read_only
from search_policy.motion.geometry import look_at
from search_policy.motion.keepout import KeepOut


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How the candidate views are laid out over a region."""

    # Straight views of a compartment as wide as the region; narrower ones get fewer, at about the same spacing
    columns: int = 5
    # Distance of a straight view's camera from the open front [m]
    standoff_m: float = 0.27
    # Height of the camera above the middle of the shelf it looks into [m]
    rise_m: float = 0.06
    # Oblique views per compartment: half of them look to the left, half to the right
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
    # Distance of the camera from what it looks at from above [m]
    top_distance_m: float = 0.36
    # Downward slope of a view from above: steep enough to look over the drawer's front [rad]
    top_pitch_rad: float = 1.05
    # Distance that the camera keeps from the hinge of a door that opens beside it [m]
    hinge_margin_m: float = 0.14

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
        name: For logs: `shelf1.straight2`, `cabinet_left.left0`, `drawer.above0`.
        shelf: Index of the compartment it looks into, in the region's order.
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
    """Return the box that keeps camera and finger tips out of the furniture's body and of doors that open beside it."""
    top = region.top_z_m
    x_max = region.front_x_m - config.tip_lead_m - config.front_margin_m
    x_min = region.front_x_m - 1.6 * config.standoff_m
    side = 0.6 * config.standoff_m
    right, left = (-config.hinge_margin_m if _has_door(region, y) else side for y in (region.y_min_m, region.y_max_m))
    return CameraBox(
        (x_min, region.y_min_m - right, max(region.floor_z_m, config.floor_m)),
        (x_max, region.y_max_m + left, top + 0.10),
    )


def candidate_views(region: SearchRegion, config: ViewConfig) -> tuple[View, ...]:
    """Return all views, compartment by compartment: straight ones from right to left, then obliques.

    Args:
        region: Where to look.
        config: Layout.

    Returns:
        `columns + obliques` views for a compartment as wide as the region, at least `1 + obliques` for a narrower one.
    """
    box, keep_out = camera_box(region, config), KeepOut.of(region)
    views = []
    for index, compartment in enumerate(region.compartments):
        for name, aim, yaw in _aims(region, compartment, config):
            start = _start(compartment, aim, yaw, box, config)
            pose = cleared_pose(box.clip(start), aim, box, keep_out)
            views.append(View(f"{compartment.name}.{name}", index, aim, yaw, pose))
    return tuple(views)


def cleared_pose(position_m: Float, aim_m: Float, box: CameraBox, keep_out: KeepOut) -> Float:
    """Return the pose nearest to `position_m` that looks at `aim_m` with the hand clear of the furniture, (4, 4).

    Where none within reach is clear, the one with most air around the hand is returned.
    """
    pose = look_at(position_m, aim_m)
    if keep_out.clearance_m(pose) >= keep_out.config.margin_m:
        return pose
    poses = look_at(box.clip(position_m + _SHIFTS), aim_m)
    air = keep_out.clearance_m(poses)
    clear = np.flatnonzero(air >= keep_out.config.margin_m)
    return poses[clear[0]] if len(clear) else poses[int(np.argmax(air))]


def _shifts() -> Float:
    """Where to look for a clear pose, nearest first: further back, higher, and to the sides; (s, 3) [m]."""
    back, side, up = np.meshgrid(
        np.linspace(-0.16, 0.0, 9), np.linspace(-0.16, 0.16, 9), np.linspace(0.0, 0.2, 11), indexing="ij"
    )
    shifts = np.stack([back.ravel(), side.ravel(), up.ravel()], axis=1)
    return shifts[np.argsort(np.linalg.norm(shifts, axis=1), kind="stable")]


_SHIFTS = _shifts()


def _has_door(region: SearchRegion, side_y_m: float) -> bool:
    """Return whether a compartment at that side of the region has a door, which then opens into the space beside it."""
    return any(
        c.closure and c.opening is Opening.FRONT and side_y_m in (c.y_min_m, c.y_max_m) for c in region.compartments
    )


def _aims(region: SearchRegion, compartment: Compartment, config: ViewConfig) -> list[tuple[str, Float, float]]:
    """Return name, aim (3,) [m] and yaw [rad] of every view of a compartment."""
    straight = "above" if compartment.opening is Opening.TOP else "straight"
    aims = [
        (f"{straight}{index}", _aim(compartment, float(y)), 0.0)
        for index, y in enumerate(_straight_y(region, compartment, config))
    ]
    for index in range(config.obliques):
        yaw = config.oblique_yaw_rad * (1.0 if index % 2 == 0 else -1.0)
        name = f"{'left' if yaw > 0 else 'right'}{index // 2}"
        aims.append((name, _aim(compartment, _oblique_y(compartment, index, config.obliques)), yaw))
    return aims


def _straight_y(region: SearchRegion, compartment: Compartment, config: ViewConfig) -> Float:
    """Return where the straight views of a compartment aim, from right to left [m]."""
    width, whole = compartment.y_max_m - compartment.y_min_m, region.y_max_m - region.y_min_m
    margin = min(config.side_margin_m, 0.4 * width)
    room, most = width - 2.0 * margin, whole - 2.0 * min(config.side_margin_m, 0.4 * whole)
    count = min(1 + round((config.columns - 1) * room / most), config.columns)
    if count == 1 and config.columns > 1:
        return np.array([0.5 * (compartment.y_min_m + compartment.y_max_m)])
    return np.linspace(compartment.y_min_m + margin, compartment.y_max_m - margin, count)


def _aim(compartment: Compartment, y: float) -> Float:
    height = 0.25 if compartment.opening is Opening.TOP else 0.5
    depth = 0.5 if compartment.opening is Opening.TOP else 0.4
    return np.array(
        [
            compartment.front_x_m + depth * compartment.depth_m,
            y,
            compartment.floor_z_m + height * compartment.clearance_m,
        ]
    )


def _oblique_y(compartment: Compartment, index: int, count: int) -> float:
    """Place the pairs of obliques evenly: a single pair aims a quarter of the width to either side of the middle."""
    width = compartment.y_max_m - compartment.y_min_m
    pairs = max((count + 1) // 2, 1)
    center = compartment.y_min_m + width * (index // 2 + 0.5) / pairs
    return center + (0.2 if index % 2 == 0 else -0.2) * width / pairs


def _start(compartment: Compartment, aim: Float, yaw: float, box: CameraBox, config: ViewConfig) -> Float:
    """Return where the camera would stand if there were nothing to keep clear of, (3,) [m]."""
    if compartment.opening is Opening.TOP:
        level = config.top_distance_m * math.cos(config.top_pitch_rad)
        rise = config.top_distance_m * math.sin(config.top_pitch_rad)
        return aim + np.array([-level * math.cos(yaw), -level * math.sin(yaw), rise])
    reach = config.standoff_m + 0.05
    start = aim + np.array([-reach * math.cos(yaw), -reach * math.sin(yaw), config.rise_m])
    if yaw == 0.0:
        start[0] = box.high_m[0] + config.tip_lead_m + config.front_margin_m - config.standoff_m
    return start
