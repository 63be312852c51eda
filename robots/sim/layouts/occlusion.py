"""How much of the target can be seen at best: rays from a grid of camera places to points on the target.

Objects count as upright cylinders, boards, doors, drawers and screens as the planes they are. It is an estimate, made
in a few milliseconds without a renderer; `docs/layouts.md` compares it with rendered images.
"""

from __future__ import annotations

import math

import numpy as np

from robots.region import Compartment, Opening
from robots.sim.cabinetry import SCREEN_HALF_M, SCREEN_TOP_M, SCREEN_X_M
from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.furniture import Part, PartKind, find_furniture
from robots.sim.objects import find_class
from robots.types import Float

NEAR_M = 0.20  # least distance of a camera from the front plane
FAR_M = 0.38
BESIDE_M = 0.30  # how far beside the target a camera may be
TOP_M = (0.26, 0.38)  # heights of cameras above the rim of what opens to the top
ACROSS, ALONG = 5, 6  # points on the target
CAMERA_Z_M = (0.12, 0.95)
PARALLEL_M = 1e-9


def visible_fraction(spec: EpisodeSpec, *, opened: bool = False) -> float:
    """Return the target's visible share from the best camera place, 0 when it is absent or shut away.

    Args:
        spec: The episode.
        opened: Suppose that doors and drawers have been opened.
    """
    target = next((item for item in spec.objects if item.kind == spec.task.target), None)
    if target is None:
        return 0.0
    place = _compartment_of(spec, target)
    if place is None or (not opened and _shut(spec, place)):
        return 0.0
    cameras = _cameras(place, target)
    points = _points(cameras, target)
    seen = _enters(cameras, points, place)
    for item in spec.objects:
        if item is not target and abs(item.position_m[2] - target.position_m[2]) < 0.02:
            seen &= ~_hits_cylinder(cameras, points, item)
    seen &= ~_hits_panels(spec, cameras, points, opened=opened)
    return float(seen.mean(axis=1).max())


def _compartment_of(spec: EpisodeSpec, target: ObjectSpec) -> Compartment | None:
    _, y, z = target.position_m
    for place in spec.region.compartments:
        if abs(z - place.floor_z_m) < 0.02 and place.y_min_m <= y <= place.y_max_m:
            return place
    return None


def _shut(spec: EpisodeSpec, place: Compartment) -> bool:
    """Return whether a door or drawer hides the compartment: it must be at least half open to look in."""
    if not place.closure:
        return False
    part = find_furniture(spec.scene).part(place.closure)
    value = next(state.value for state in spec.parts if state.name == part.name)
    return value < part.low + 0.5 * (part.high - part.low)


def _cameras(place: Compartment, target: ObjectSpec) -> Float:
    """Return camera places from which the hand stays out of the furniture, (c, 3) [m]."""
    x, y, _ = target.position_m
    across = y + np.linspace(-BESIDE_M, BESIDE_M, 7)
    if place.opening is Opening.TOP:
        heights = [place.top_z_m + h for h in TOP_M]
        depths = [x - 0.16, x - 0.10, x - 0.04]
    else:
        middle = place.floor_z_m + 0.5 * place.clearance_m
        heights = [float(np.clip(middle + h, *CAMERA_Z_M)) for h in (-0.06, 0.0, 0.06, 0.12)]
        depths = [place.front_x_m - FAR_M, place.front_x_m - NEAR_M]
    grid = np.meshgrid(depths, across, heights, indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1)


def _points(cameras: Float, target: ObjectSpec) -> Float:
    """Return points on the target's outline as each camera sees it, (c, p, 3) [m]."""
    kind = find_class(target.kind)
    radius, height = 0.85 * kind.radius_m * target.scale, kind.height_m * target.scale
    base = np.array(target.position_m)
    bearing = np.arctan2(cameras[:, 1] - base[1], cameras[:, 0] - base[0])
    side = np.stack([-np.sin(bearing), np.cos(bearing)], axis=1)  # (c, 2)
    offsets = radius * np.linspace(-0.85, 0.85, ACROSS)
    heights = base[2] + height * np.linspace(0.08, 0.92, ALONG)
    flat = base[:2] + side[:, None, :] * offsets[None, :, None]  # (c, across, 2)
    points = np.empty((len(cameras), ACROSS, ALONG, 3))
    points[..., :2] = flat[:, :, None, :]
    points[..., 2] = heights
    return points.reshape(len(cameras), -1, 3)


def _enters(cameras: Float, points: Float, place: Compartment) -> np.ndarray:
    """Return which lines of sight pass through the compartment's open side, (c, p)."""
    ray = points - cameras[:, None, :]
    if place.opening is Opening.TOP:
        share = (place.top_z_m - cameras[:, None, 2]) / ray[..., 2]
        crossing = cameras[:, None, :] + share[..., None] * ray
        inside_x = (crossing[..., 0] > place.front_x_m) & (crossing[..., 0] < place.front_x_m + place.depth_m)
        return inside_x & (crossing[..., 1] > place.y_min_m) & (crossing[..., 1] < place.y_max_m)
    share = (place.front_x_m - cameras[:, None, 0]) / ray[..., 0]
    crossing = cameras[:, None, :] + share[..., None] * ray
    inside_y = (crossing[..., 1] > place.y_min_m) & (crossing[..., 1] < place.y_max_m)
    return inside_y & (crossing[..., 2] > place.floor_z_m) & (crossing[..., 2] < place.top_z_m)


def _hits_cylinder(cameras: Float, points: Float, item: ObjectSpec) -> np.ndarray:
    """Return which lines of sight pass through an object, (c, p)."""
    kind = find_class(item.kind)
    radius, height = 0.9 * kind.radius_m * item.scale, kind.height_m * item.scale
    start = cameras[:, None, :2] - np.array(item.position_m[:2])
    ray = points[..., :2] - cameras[:, None, :2]
    a = (ray**2).sum(axis=-1)
    b = (start * ray).sum(axis=-1)
    inside = b**2 - a * ((start**2).sum(axis=-1) - radius**2)
    root = np.sqrt(np.maximum(inside, 0.0))
    enter, leave = np.clip((-b - root) / a, 0.0, 1.0), np.clip((-b + root) / a, 0.0, 1.0)
    rise = points[..., 2] - cameras[:, None, 2]
    lowest = cameras[:, None, 2] + np.minimum(enter * rise, leave * rise)
    return (inside > 0.0) & (leave > enter) & (lowest < item.position_m[2] + height)


def _hits_panels(spec: EpisodeSpec, cameras: Float, points: Float, *, opened: bool) -> np.ndarray:
    """Return which lines of sight end on a screen or on the leaf of an open door, (c, p)."""
    hit = np.zeros(points.shape[:2], dtype=bool)
    for state, part in zip(spec.parts, find_furniture(spec.scene).parts, strict=True):
        if part.kind is PartKind.DRAWER or (opened and part.kind is PartKind.DOOR):
            continue
        place = spec.region.find(part.compartment)
        first, last, top = _panel(part, state.value, place)
        hit |= _hits_panel(cameras, points, first, last, (place.floor_z_m - 0.02, top))
    return hit


def _panel(part: Part, value: float, place: Compartment) -> tuple[Float, Float, float]:
    """Return the two lower corners (2,) [m] and the top [m] of an upright panel, seen from above."""
    if part.kind is PartKind.SCREEN:
        x = place.front_x_m - SCREEN_X_M
        corners = np.array([x, value - SCREEN_HALF_M]), np.array([x, value + SCREEN_HALF_M])
        return *corners, place.floor_z_m + SCREEN_TOP_M
    width = place.y_max_m - place.y_min_m + 0.016
    towards = 1.0 if part.hinge_y_m < 0.5 * (place.y_min_m + place.y_max_m) else -1.0
    hinge = np.array([place.front_x_m - 0.02, part.hinge_y_m])
    edge = hinge + width * np.array([-math.sin(value), towards * math.cos(value)])
    return hinge, edge, place.top_z_m + 0.02


def _hits_panel(cameras: Float, points: Float, first: Float, last: Float, span_z: tuple[float, float]) -> np.ndarray:
    along = last - first
    normal = np.array([-along[1], along[0]])
    ray = points - cameras[:, None, :]
    slope = ray[..., :2] @ normal
    share = ((first - cameras[:, :2]) @ normal)[:, None] / np.where(np.abs(slope) < PARALLEL_M, np.inf, slope)
    crossing = cameras[:, None, :] + share[..., None] * ray
    position = ((crossing[..., :2] - first) @ along) / (along @ along)
    level = (crossing[..., 2] > span_z[0]) & (crossing[..., 2] < span_z[1])
    return (share > 0.0) & (share < 1.0) & (position > 0.0) & (position < 1.0) & level
