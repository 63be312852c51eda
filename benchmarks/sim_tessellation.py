"""Finely tessellated, closed meshes of MuJoCo's primitives."""

from __future__ import annotations

import math
from collections.abc import Callable

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.types import Float

PLANE_HALF_M = 5.0  # where an endless plane ends
PLATE_HALF_M = 0.0005  # a plane becomes a thin plate

Faces = NDArray[np.int32]
Mesh = tuple[Float, Faces]
_Geom = mujoco.mjtGeom


def tessellate(kind: int, size: Float, faces: float) -> Mesh:
    """Return a closed mesh of a primitive around its own origin: vertices (v, 3) [m] and triangles (f, 3).

    Args:
        kind: `mujoco.mjtGeom` of a plane (which becomes a plate), box, sphere, ellipsoid, capsule or cylinder.
        size: The geom's size (3,) [m].
        faces: About how many triangles.
    """
    if kind == _Geom.mjGEOM_PLANE:
        width, length = (min(half, PLANE_HALF_M) or PLANE_HALF_M for half in size[:2])
        size = np.array([width, length, PLATE_HALF_M])
    flat = kind in (_Geom.mjGEOM_PLANE, _Geom.mjGEOM_BOX)
    return _box(size, faces) if flat else _revolved(_PROFILES[kind], size, faces)


def _box(half: Float, faces: float) -> Mesh:
    """Six square grids; neighbours do not share vertices, so that edges stay sharp."""
    cells = max(1, round(math.sqrt(faces / 12)))
    grid, triangles = np.linspace(-1.0, 1.0, cells + 1), _grid_faces(cells, cells + 1)
    across, along = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    sides = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            points = np.empty((across.size, 3))
            points[:, axis] = sign
            points[:, (axis + 1) % 3], points[:, (axis + 2) % 3] = (across, along) if sign > 0 else (along, across)
            sides.append(points * half)
    offsets = np.arange(6, dtype=np.int32) * across.size
    return np.concatenate(sides), np.concatenate([triangles + offset for offset in offsets])


def _revolved(profile: Callable[[Float, NDArray[np.float64]], Float], size: Float, faces: float) -> Mesh:
    """Rings around z from the lowest to the highest point, twice as many vertices around as there are rings."""
    rings = max(3, round(math.sqrt(faces / 4)))
    around = 2 * rings
    curve = profile(size, np.linspace(0.0, 1.0, rings + 2))
    turn = 2 * math.pi * np.arange(around) / around
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    radii, heights = curve[1:-1, :2], curve[1:-1, 2]
    body = np.dstack([radii[:, None, :] * circle, np.repeat(heights[:, None], around, axis=1)]).reshape(-1, 3)
    vertices = np.vstack([body, [0.0, 0.0, curve[0, 2]], [0.0, 0.0, curve[-1, 2]]])
    here = np.arange(around, dtype=np.int32)
    after, top, low, high = np.roll(here, -1), (rings - 1) * around, len(body), len(body) + 1
    fans = [
        np.column_stack([np.full(around, low), after, here]),
        np.column_stack([np.full(around, high), top + here, top + after]),
    ]
    return vertices, np.vstack([_ring_faces(rings, around), *fans]).astype(np.int32)


def _grid_faces(rows: int, width: int) -> Faces:
    """Triangles of a grid of vertices in rows of `width`, counter-clockwise seen from rows x columns."""
    corner = (np.arange(rows)[:, None] * width + np.arange(width - 1)).ravel()
    return _quads(corner, corner + width, corner + width + 1, corner + 1)


def _ring_faces(rings: int, around: int) -> Faces:
    corner = np.arange((rings - 1) * around)
    beside = corner - corner % around + (corner + 1) % around
    return _quads(corner, beside, beside + around, corner + around)


def _quads(a: NDArray[np.intp], b: NDArray[np.intp], c: NDArray[np.intp], d: NDArray[np.intp]) -> Faces:
    return np.vstack([np.column_stack([a, b, c]), np.column_stack([a, c, d])]).astype(np.int32)


def _ellipsoid(size: Float, share: NDArray[np.float64]) -> Float:
    """Radius along x, along y, and height at each share of the way from pole to pole: (p, 3) [m]."""
    angle = math.pi * share
    return np.column_stack([size[0] * np.sin(angle), size[1] * np.sin(angle), -size[2] * np.cos(angle)])


def _capsule(size: Float, share: NDArray[np.float64]) -> Float:
    curve = _ellipsoid(np.repeat(size[0], 3), share)
    curve[:, 2] += np.where(share < 0.5, -size[1], size[1])
    return curve


def _cylinder(size: Float, share: NDArray[np.float64]) -> Float:
    """A quarter of the way on each cap, half of it on the side."""
    radius = size[0] * np.clip(4.0 * np.minimum(share, 1.0 - share), 0.0, 1.0)
    return np.column_stack([radius, radius, size[1] * np.clip(4.0 * share - 2.0, -1.0, 1.0)])


_PROFILES: dict[int, Callable[[Float, NDArray[np.float64]], Float]] = {
    int(_Geom.mjGEOM_SPHERE): lambda size, share: _ellipsoid(np.repeat(size[0], 3), share),
    int(_Geom.mjGEOM_ELLIPSOID): _ellipsoid,
    int(_Geom.mjGEOM_CAPSULE): _capsule,
    int(_Geom.mjGEOM_CYLINDER): _cylinder,
}
