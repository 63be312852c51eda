"""How much of the target can be seen at best: rays from a grid of camera places to points on the target.

Objects count as the upright cylinders of `outlines`, boards, doors, drawers and screens as the planes they are. It is
an estimate, made in a few milliseconds without a renderer; `docs/tasks.md` compares it with rendered images.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from robots.region import Compartment, Opening
from robots.sim.cabinetry import SCREEN_HALF_M, SCREEN_TOP_M, SCREEN_X_M
from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.furniture import Part, PartKind, find_furniture
from robots.sim.layouts.outlines import Pillar, half_width_m, outline
from robots.sim.objects import find_class
from robots.types import Float

NEAR_M = 0.20  # least distance of a camera from the front plane
FAR_M = 0.38
BESIDE_M = 0.30  # how far beside the target a camera may be
TOP_M = (0.26, 0.38)  # heights of cameras above the rim of what opens to the top
ACROSS, ALONG = 6, 9  # points on the target
CAMERA_Z_M = (0.12, 0.95)
PARALLEL_M = 1e-9


def visible_fraction(spec: EpisodeSpec, *, opened: bool = False) -> float:
    """Return the target's visible share from the best camera place, 0 when it is absent or shut away.

    Args:
        spec: The episode.
        opened: Suppose that doors and drawers have been opened.
    """
    objects = [_pulled_out(spec, item) for item in spec.objects]
    target = next((item for item in objects if item.kind == spec.task.target), None)
    if target is None:
        return 0.0
    place = _compartment_of(spec, target)
    if place is None or (not opened and _shut(spec, place)):
        return 0.0
    cameras = _cameras(place, target)
    points, weights = _points(cameras, target)
    seen = _enters(cameras, points, place)
    for item in objects:
        level = abs(item.position_m[2] - target.position_m[2]) < 0.02
        if item is not target and level and _between(cameras, points, item):
            for pillar in outline(item.kind):
                seen &= ~_hits_pillar(cameras, points, item, pillar)
    seen &= ~_hits_panels(spec, cameras, points, opened=opened)
    return float((seen @ weights).max())


def _compartment_of(spec: EpisodeSpec, target: ObjectSpec) -> Compartment | None:
    _, y, z = target.position_m
    for place in spec.region.compartments:
        if abs(z - place.floor_z_m) < 0.02 and place.y_min_m <= y <= place.y_max_m:
            return place
    return None


def _pulled_out(spec: EpisodeSpec, item: ObjectSpec) -> ObjectSpec:
    """Return a thing where it stands once its drawer is pulled out wholly, as compartments are measured."""
    place = _compartment_of(spec, item)
    if place is None or place.opening is not Opening.TOP or not place.closure:
        return item
    part = find_furniture(spec.scene).part(place.closure)
    value = next(state.value for state in spec.parts if state.name == part.name)
    x, y, z = item.position_m
    return replace(item, position_m=(x - (part.high - value), y, z))


def _shut(spec: EpisodeSpec, place: Compartment) -> bool:
    """Return whether a door or drawer hides the compartment: it must be at least half open to look in."""
    if not place.closure:
        return False
    part = find_furniture(spec.scene).part(place.closure)
    value = next(state.value for state in spec.parts if state.name == part.name)
    return not part.is_open(value)


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


def _points(cameras: Float, target: ObjectSpec) -> tuple[Float, Float]:
    """Return points on the target's outline as each camera sees it, (c, p, 3) [m], and their shares of it, (p,)."""
    base, levels = np.array(target.position_m), (np.arange(ALONG) + 0.5) / ALONG * find_class(target.kind).height_m
    widths = target.scale * np.array([half_width_m(target.kind, float(level)) for level in levels])
    bearing = np.arctan2(cameras[:, 1] - base[1], cameras[:, 0] - base[0])
    side = np.stack([-np.sin(bearing), np.cos(bearing)], axis=1)  # (c, 2)
    offsets = ((np.arange(ACROSS) + 0.5) / ACROSS * 2.0 - 1.0)[:, None] * widths  # (across, along)
    points = np.empty((len(cameras), ACROSS, ALONG, 3))
    points[..., :2] = base[:2] + side[:, None, None, :] * offsets[None, :, :, None]
    points[..., 2] = base[2] + target.scale * levels
    weights = np.tile(widths / (ACROSS * widths.sum()), ACROSS)
    return points.reshape(len(cameras), -1, 3), weights


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


def _between(cameras: Float, points: Float, item: ObjectSpec) -> bool:
    """Return whether an object reaches into the rectangle around all lines of sight, seen from above."""
    ends = np.concatenate([cameras[:, :2], points[..., :2].reshape(-1, 2)])
    reach, place = find_class(item.kind).radius_m * item.scale, np.array(item.position_m[:2])
    return bool((place > ends.min(axis=0) - reach).all() and (place < ends.max(axis=0) + reach).all())


def _hits_pillar(cameras: Float, points: Float, item: ObjectSpec, pillar: Pillar) -> np.ndarray:
    """Return which lines of sight pass through a part of an object, (c, p)."""
    cos, sin = item.scale * math.cos(item.yaw_rad), item.scale * math.sin(item.yaw_rad)
    axis = np.array([cos * pillar.x_m - sin * pillar.y_m, sin * pillar.x_m + cos * pillar.y_m])
    start = cameras[:, None, :2] - np.array(item.position_m[:2]) - axis
    ray = points[..., :2] - cameras[:, None, :2]
    a = (ray**2).sum(axis=-1)
    b = (start * ray).sum(axis=-1)
    inside = b**2 - a * ((start**2).sum(axis=-1) - (item.scale * pillar.radius_m) ** 2)
    root = np.sqrt(np.maximum(inside, 0.0))
    enter, leave = np.clip((-b - root) / a, 0.0, 1.0), np.clip((-b + root) / a, 0.0, 1.0)
    rise = points[..., 2] - cameras[:, None, 2]
    low, high = (item.position_m[2] + item.scale * z for z in (pillar.low_m, pillar.high_m))
    first, last = cameras[:, None, 2] + enter * rise, cameras[:, None, 2] + leave * rise
    return (inside > 0.0) & (leave > enter) & (np.minimum(first, last) < high) & (np.maximum(first, last) > low)


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
