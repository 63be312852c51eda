"""Candidate grasps of an object that stands on a shelf: near-horizontal approaches, best first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from robots.sim.episode import ObjectSpec
from robots.sim.objects import CLASSES
from robots.types import Float

MAX_WIDTH_M = 0.078  # of the gripper's 85 mm, the rest is clearance
YAWS_RAD = np.radians(np.arange(-56, 57, 8))
# Downward pitch and the side of the hand that is up: 1 for the wrist camera's, -1 for the other one. The bracket lets
# the arm follow no other pairs into a shelf.
_TILTS = tuple((np.radians(pitch), side) for pitch, side in ((0, 1), (0, -1), (12, -1), (24, -1), (36, -1), (-10, 1)))
_STEEP = tuple((np.radians(pitch), side) for pitch, side in product((75, 60, 85, 48), (1, -1)))

# Where a class can be taken at scale 1, best first: centre in the object's frame, half lengths of its ellipse [m].
_POINTS = {
    "pineapple": (((0.0, 0.0, 0.046), 0.035, 0.035),),
    "duck": (((0.0, 0.0, 0.034), 0.044, 0.033), ((0.022, 0.0, 0.077), 0.023, 0.023)),
}


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
    """Yield grasps of an object at its present pose, the straightest approach first.

    Args:
        item: The object's class and scale.
        object_to_world: Its present pose, (4, 4); the origin is its base.
        from_above: Approach steeply, as into a drawer.
    """
    tilts = _STEEP if from_above else _TILTS
    heading = float(np.arctan2(object_to_world[1, 0], object_to_world[0, 0]))
    for offset, long_half, short_half in _points(item):
        point = object_to_world[:3, 3] + object_to_world[:3, :3] @ offset
        for yaw, pitch, side in _directions(point, tilts):
            if _width(yaw + np.pi / 2 - heading, long_half, short_half) > MAX_WIDTH_M:
                continue
            approach = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
            yield Grasp(_pose(point, approach, side), approach)


def _directions(point: Float, tilts: tuple[tuple[float, int], ...]) -> list[tuple[float, float, int]]:
    """Return yaw, downward pitch [rad] and upper side, the least turned from the arm's own direction first."""
    outward = float(np.arctan2(point[1], point[0]))
    every = [(float(yaw), float(pitch), side) for yaw, (pitch, side) in product(YAWS_RAD, tilts)]
    first = tilts[0][0]
    return sorted(every, key=lambda way: abs(way[0] - 0.5 * outward) + abs(way[1] - first))


def _points(item: ObjectSpec) -> list[tuple[Float, float, float]]:
    kind = CLASSES[item.kind]
    whole = (((0.0, 0.0, 0.45 * kind.height_m), kind.radius_m, kind.radius_m),)
    points = _POINTS.get(item.kind, whole)
    return [(item.scale * np.array(center), item.scale * long, item.scale * short) for center, long, short in points]


def _width(angle_rad: float, long_half: float, short_half: float) -> float:
    """Return the width of an ellipse along a direction at `angle_rad` from its long axis [m]."""
    return 2.0 * float(np.hypot(long_half * np.cos(angle_rad), short_half * np.sin(angle_rad)))


def _pose(point: Float, approach: Float, side: int) -> Float:
    up = side * (np.array([0.0, 0.0, 1.0]) - approach * approach[2])
    x = up / np.linalg.norm(up)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([x, np.cross(approach, x), approach])
    pose[:3, 3] = point
    return pose
