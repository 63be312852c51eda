"""The graspable things: targets and clutter, built from primitives around their base point.

Only primitives are used, so that an object can be scaled in the compiled model (see `scene.py`) and stays cheap to
draw. A part either takes the object's tint or keeps its own colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from robots.sim.arm import ARM_BIT, BASE_BIT, LINK_BIT, SCENE_BIT

TINTED = (1.0, 1.0, 1.0, 1.0)  # drawn in the episode's tint

_BOX, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_SPHERE
_CYLINDER, _CAPSULE = mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_CAPSULE
_ELLIPSOID = mujoco.mjtGeom.mjGEOM_ELLIPSOID

GREENERY = (0.24, 0.50, 0.17, 1.0)


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One kind of object.

    Attributes:
        name: The class name, also what a detector is asked for.
        copies: How many of it the scene holds at most.
        radius_m: Horizontal extent at scale 1, for the layout: half the length of the longest side.
        height_m: Height at scale 1.
        mass_kg: Mass at scale 1.
        tints: RGB colours in [0, 1] that an episode may draw.
        build: Adds the geoms to a body whose origin is the object's base; the index makes copies differ.
    """

    name: str
    copies: int
    radius_m: float
    height_m: float
    mass_kg: float
    tints: tuple[tuple[float, float, float], ...]
    build: Callable[[mujoco.MjsBody, int], None]


def add_object(spec: mujoco.MjSpec, kind: ObjectClass, index: int, park_m: tuple[float, float, float]) -> str:
    """Add copy `index` of a class as a free body parked at `park_m`; returns its name, `class_index`."""
    name = f"{kind.name}_{index}"
    body = spec.worldbody.add_body(name=name, pos=list(park_m))
    body.add_freejoint(name=name)
    kind.build(body, index)
    solid = [geom for geom in body.geoms if geom.contype]
    for geom in solid:
        geom.mass = kind.mass_kg / len(solid)
    return name


def _part(
    body: mujoco.MjsBody,
    shape: mujoco.mjtGeom,
    center: tuple[float, float, float],
    size: tuple[float, ...],
    *,
    rgba: tuple[float, ...] = TINTED,
    material: str = "glaze",
    quat: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0),
    solid: bool = True,
) -> None:
    body.add_geom(
        type=shape,
        pos=list(center),
        size=[*size, 0.0, 0.0][:3],
        quat=list(quat),
        rgba=list(rgba),
        material=material,
        contype=SCENE_BIT if solid else 0,
        conaffinity=SCENE_BIT | ARM_BIT | BASE_BIT | LINK_BIT if solid else 0,
        mass=None if solid else 0.0,
        friction=[0.9, 0.01, 0.0005],
        condim=4,
        solref=[0.01, 1.0],
    )


def _lean(angle_rad: float, around_rad: float) -> tuple[float, float, float, float]:
    """Quaternion that tips +z by `angle_rad` towards the horizontal direction `around_rad`."""
    half = angle_rad / 2
    return math.cos(half), -math.sin(around_rad) * math.sin(half), math.cos(around_rad) * math.sin(half), 0.0


def _pineapple(body: mujoco.MjsBody, _: int) -> None:
    _part(body, _CYLINDER, (0, 0, 0.006), (0.020, 0.006), material="pineapple")
    _part(body, _ELLIPSOID, (0, 0, 0.046), (0.035, 0.035, 0.044), material="pineapple")
    _part(body, _CAPSULE, (0, 0, 0.098), (0.006, 0.014), rgba=GREENERY)
    for ring, (count, lean, height) in enumerate(((6, 0.85, 0.092), (5, 0.45, 0.102))):
        for leaf in range(count):
            around = 2 * math.pi * (leaf + 0.5 * ring) / count
            reach = 0.018 * math.sin(lean)
            center = (reach * math.cos(around), reach * math.sin(around), height + 0.012 * math.cos(lean))
            green = (0.20 + 0.06 * (leaf % 2), 0.44 + 0.08 * (leaf % 3), 0.14, 1.0)
            _part(body, _ELLIPSOID, center, (0.0055, 0.0055, 0.024), rgba=green, quat=_lean(lean, around), solid=False)


def _duck(body: mujoco.MjsBody, _: int) -> None:
    orange, black = (0.95, 0.45, 0.08, 1.0), (0.05, 0.05, 0.05, 1.0)
    _part(body, _CYLINDER, (0, 0, 0.006), (0.022, 0.006))
    _part(body, _ELLIPSOID, (0, 0, 0.032), (0.044, 0.033, 0.030))
    _part(body, _ELLIPSOID, (-0.040, 0, 0.045), (0.018, 0.014, 0.010), quat=_lean(-0.6, 0.0), solid=False)
    _part(body, _SPHERE, (0.022, 0, 0.075), (0.023,))
    _part(body, _ELLIPSOID, (0.048, 0, 0.071), (0.013, 0.012, 0.005), rgba=orange, solid=False)
    for side in (-1, 1):
        _part(body, _SPHERE, (0.039, side * 0.011, 0.083), (0.0036,), rgba=black, solid=False)
        _part(body, _ELLIPSOID, (-0.006, side * 0.029, 0.036), (0.024, 0.006, 0.013), solid=False)


def _book(body: mujoco.MjsBody, index: int) -> None:
    thick, deep, tall = ((0.014, 0.072, 0.105), (0.020, 0.065, 0.092), (0.011, 0.078, 0.115), (0.024, 0.07, 0.085))[
        index % 4
    ]
    _part(body, _BOX, (0, 0, tall), (thick, deep, tall), material="cover")
    pages = (0.93, 0.91, 0.84, 1.0)
    _part(body, _BOX, (0, -0.003, tall), (thick - 0.003, deep, tall - 0.003), rgba=pages, solid=False)
    _part(body, _BOX, (0, 0, 2 * tall + 0.0002), (thick - 0.003, deep - 0.002, 0.0006), rgba=pages, solid=False)


def _mug(body: mujoco.MjsBody, _: int) -> None:
    _part(body, _CYLINDER, (0, 0, 0.046), (0.038, 0.046))
    _part(body, _CYLINDER, (0, 0, 0.0922), (0.033, 0.0006), rgba=(0.12, 0.10, 0.09, 1.0), solid=False)
    for x, z, half, lean in (
        (0.050, 0.068, 0.014, math.pi / 2),
        (0.062, 0.046, 0.020, 0.0),
        (0.050, 0.024, 0.014, math.pi / 2),
    ):
        _part(body, _CAPSULE, (x, 0, z), (0.005, half), quat=_lean(lean, 0.0), solid=False)


def _bottle(body: mujoco.MjsBody, index: int) -> None:
    radius = (0.030, 0.034, 0.028)[index % 3]
    _part(body, _CYLINDER, (0, 0, 0.065), (radius, 0.065))
    _part(
        body,
        _CYLINDER,
        (0, 0, 0.065),
        (radius + 0.0006, 0.032),
        rgba=(0.99, 0.99, 0.99, 1.0),
        material=f"label{index % 3}",
        solid=False,
    )
    _part(body, _ELLIPSOID, (0, 0, 0.130), (radius, radius, 0.030), solid=False)
    _part(body, _CYLINDER, (0, 0, 0.175), (0.012, 0.025))
    _part(body, _CYLINDER, (0, 0, 0.204), (0.014, 0.009), rgba=(0.85, 0.85, 0.86, 1.0), solid=False)


def _can(body: mujoco.MjsBody, index: int) -> None:
    steel = (0.72, 0.73, 0.75, 1.0)
    _part(body, _CYLINDER, (0, 0, 0.056), (0.033, 0.052), material=f"label{index % 3}")
    _part(body, _CYLINDER, (0, 0, 0.003), (0.030, 0.003), rgba=steel)
    _part(body, _CYLINDER, (0, 0, 0.110), (0.031, 0.002), rgba=steel, solid=False)


def _ball(body: mujoco.MjsBody, _: int) -> None:
    _part(body, _CYLINDER, (0, 0, 0.0015), (0.014, 0.0015))
    _part(body, _SPHERE, (0, 0, 0.034), (0.034,))


def _bowl(body: mujoco.MjsBody, _: int) -> None:
    _part(body, _CYLINDER, (0, 0, 0.006), (0.040, 0.006))
    for wall in range(12):
        around = 2 * math.pi * wall / 12
        center = (0.058 * math.cos(around), 0.058 * math.sin(around), 0.030)
        turn = np.empty(4)
        mujoco.mju_mulQuat(
            turn, np.array([math.cos(around / 2), 0, 0, math.sin(around / 2)]), np.array(_lean(0.6, 0.0))
        )
        _part(body, _BOX, center, (0.003, 0.018, 0.028), quat=tuple(turn))


def _box(body: mujoco.MjsBody, index: int) -> None:
    half = ((0.045, 0.030, 0.060), (0.060, 0.040, 0.035), (0.035, 0.035, 0.080))[index % 3]
    _part(body, _BOX, (0, 0, half[2]), half, material=f"label{index % 3}")


def _vase(body: mujoco.MjsBody, _: int) -> None:
    _part(body, _CYLINDER, (0, 0, 0.006), (0.026, 0.006))
    _part(body, _ELLIPSOID, (0, 0, 0.058), (0.042, 0.042, 0.056))
    _part(body, _CYLINDER, (0, 0, 0.125), (0.018, 0.022))
    _part(body, _CYLINDER, (0, 0, 0.1473), (0.015, 0.0006), rgba=(0.08, 0.07, 0.06, 1.0), solid=False)


def _plant(body: mujoco.MjsBody, index: int) -> None:
    _part(body, _CYLINDER, (0, 0, 0.030), (0.036, 0.030))
    _part(body, _CYLINDER, (0, 0, 0.0605), (0.031, 0.0006), rgba=(0.20, 0.13, 0.08, 1.0), solid=False)
    for leaf in range(9):
        around, lean = 2.4 * leaf + index, 0.15 + 0.09 * leaf
        reach = 0.035 * math.sin(lean)
        green = (0.18 + 0.05 * (leaf % 2), 0.42 + 0.06 * (leaf % 3), 0.16, 1.0)
        center = (reach * math.cos(around), reach * math.sin(around), 0.062 + 0.036 * math.cos(lean))
        _part(body, _ELLIPSOID, center, (0.008, 0.008, 0.038), rgba=green, quat=_lean(lean, around), solid=False)


_WARM = ((0.93, 0.76, 0.16), (0.90, 0.52, 0.14))
_MIXED = ((0.75, 0.20, 0.18), (0.20, 0.38, 0.68), (0.90, 0.88, 0.84), (0.25, 0.55, 0.32), (0.30, 0.30, 0.34), *_WARM)

CLASSES: dict[str, ObjectClass] = {
    kind.name: kind
    for kind in (
        ObjectClass(
            "pineapple", 1, 0.036, 0.130, 0.12, ((1.0, 1.0, 1.0), (1.0, 0.93, 0.82), (0.95, 1.0, 0.85)), _pineapple
        ),
        ObjectClass("duck", 1, 0.050, 0.098, 0.08, ((0.98, 0.84, 0.14), (0.95, 0.78, 0.10)), _duck),
        ObjectClass("book", 4, 0.075, 0.21, 0.30, _MIXED, _book),
        ObjectClass("mug", 2, 0.050, 0.093, 0.20, _MIXED, _mug),
        ObjectClass(
            "bottle", 2, 0.034, 0.213, 0.25, ((0.22, 0.48, 0.28), (0.45, 0.26, 0.14), (0.70, 0.82, 0.85)), _bottle
        ),
        ObjectClass("can", 2, 0.034, 0.112, 0.20, _MIXED, _can),
        ObjectClass("ball", 2, 0.034, 0.068, 0.08, ((0.85, 0.25, 0.20), (0.80, 0.86, 0.25), *_WARM), _ball),
        ObjectClass("bowl", 1, 0.075, 0.055, 0.25, ((0.88, 0.88, 0.90), (0.36, 0.52, 0.66), (0.82, 0.55, 0.30)), _bowl),
        ObjectClass("box", 3, 0.072, 0.13, 0.20, _MIXED, _box),
        ObjectClass("vase", 2, 0.042, 0.148, 0.30, ((0.86, 0.84, 0.80), (0.30, 0.44, 0.58), (0.72, 0.42, 0.28)), _vase),
        ObjectClass(
            "plant", 2, 0.046, 0.140, 0.25, ((0.72, 0.42, 0.28), (0.88, 0.86, 0.82), (0.84, 0.66, 0.22)), _plant
        ),
    )
}


def class_of(name: str) -> ObjectClass:
    """Return the class of an object name such as `book_2`."""
    return CLASSES[name.rsplit("_", 1)[0]]
