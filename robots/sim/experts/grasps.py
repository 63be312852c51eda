"""Candidate grasps of an object that stands on a shelf or in a drawer, best first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from robots.sim.episode import ObjectSpec
from robots.sim.objects import Grip, find_class
from robots.types import Float

MAX_WIDTH_M = 0.078  # of the gripper's 85 mm, the rest is clearance
MAX_YAW_RAD = float(np.radians(56))
YAWS_RAD = np.radians(np.arange(-56, 57, 8))
_EDGED = frozenset({"book", "box"})  # rectangles seen from above; every other class is an ellipse
# Downward pitch and the side of the hand that is up: 1 for the wrist camera's, -1 for the other one. The bracket lets
# the arm follow no other pairs into a shelf.
_TILTS = tuple((np.radians(pitch), side) for pitch, side in ((0, 1), (0, -1), (12, -1), (24, -1), (36, -1), (-10, 1)))
_STEEP = tuple((np.radians(pitch), side) for pitch, side in product((75, 60, 85, 48), (1, -1)))
# What else to try when nothing is free at a grip itself: back along the approach, and up [m].
_SHIFTS_M = ((0.0, 0.0), (0.012, 0.0), (0.0, 0.018), (0.012, 0.018))


@dataclass(frozen=True, slots=True, eq=False)
class Grasp:
    """One way to take the object.

    Attributes:
        pose: Gripper pose at the grasp, (4, 4); z is the approach direction, the fingers close along y.
        approach: Unit approach direction in the world frame, (3,).
    """

    pose: Float
    approach: Float


def candidate_grasps(item: ObjectSpec, object_to_world: Float, *, from_above: bool = False) -> Iterator[Grasp]:
    """Yield grasps of an object at its present pose: every grip with its straightest approach first, then shifted ones.

    Args:
        item: The object's class and scale. A class that cannot be held has no grasps.
        object_to_world: Its present pose, (4, 4); the origin is its base.
        from_above: Approach steeply, as into a drawer.
    """
    tilts = _STEEP if from_above else _TILTS
    heading = float(np.arctan2(object_to_world[1, 0], object_to_world[0, 0]))
    for (back, up), grip in product(_SHIFTS_M, _nearest_first(item, object_to_world)):
        point = _point(item, object_to_world, grip)
        for yaw, pitch, side in _directions(point, heading, tilts):
            if item.scale * width(item.kind, grip, yaw + np.pi / 2 - heading) > MAX_WIDTH_M:
                continue
            approach = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
            yield Grasp(_pose(point + np.array([0.0, 0.0, up]) - back * approach, approach, side), approach)


def width(kind: str, grip: Grip, angle_rad: float) -> float:
    """Return how far the fingers must open to close along a direction [m], at scale 1.

    Args:
        kind: Class name: books and boxes have edges, everything else is an ellipse.
        grip: Where it is held.
        angle_rad: The direction, from the object's x axis.
    """
    along = grip.half_x_m * abs(np.cos(angle_rad)), grip.half_y_m * abs(np.sin(angle_rad))
    return 2.0 * float(sum(along) if kind in _EDGED else np.hypot(*along))


def _point(item: ObjectSpec, object_to_world: Float, grip: Grip) -> Float:
    return object_to_world[:3, 3] + object_to_world[:3, :3] @ (item.scale * np.array(grip.center_m))


def _nearest_first(item: ObjectSpec, object_to_world: Float) -> list[Grip]:
    """Return the grips in the class's order; of equally wide ones that nearer to the arm first, as with a book."""
    grips = find_class(item.kind).grips
    if item.kind not in _EDGED:
        return list(grips)
    return sorted(grips, key=lambda grip: float(_point(item, object_to_world, grip)[0]))


def _directions(point: Float, heading: float, tilts: tuple[tuple[float, int], ...]) -> list[tuple[float, float, int]]:
    """Return yaw, downward pitch [rad] and upper side, the least turned from the arm's own direction first."""
    outward = float(np.arctan2(point[1], point[0]))
    every = [(yaw, float(pitch), side) for yaw, (pitch, side) in product(_yaws(heading), tilts)]
    first = tilts[0][0]
    return sorted(every, key=lambda way: abs(way[0] - 0.5 * outward) + abs(way[1] - first))


def _yaws(heading: float) -> list[float]:
    """Return a grid of approach yaws [rad], and those that run exactly along a side of the object."""
    sides = [(heading + turn + np.pi) % (2 * np.pi) - np.pi for turn in np.arange(4) * np.pi / 2]
    return [*map(float, YAWS_RAD), *(float(side) for side in sides if abs(side) <= MAX_YAW_RAD)]


def _pose(point: Float, approach: Float, side: int) -> Float:
    up = side * (np.array([0.0, 0.0, 1.0]) - approach * approach[2])
    x = up / np.linalg.norm(up)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([x, np.cross(approach, x), approach])
    pose[:3, 3] = point
    return pose
