"""The shapes of the graspable things: primitives around the base point, so that they scale and stay cheap to draw.

Every function adds the geoms of one thing to a body whose origin is its base; the index makes copies differ. A part
either takes the object's tint or keeps its own colour. What is not solid is for show: it has neither mass nor contact.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from robots.sim.arm import ARM_BIT, BASE_BIT, LINK_BIT, SCENE_BIT

TINTED = (1.0, 1.0, 1.0, 1.0)  # drawn in the episode's tint

_BOX, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_SPHERE
_CYLINDER, _CAPSULE = mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_CAPSULE
_ELLIPSOID = mujoco.mjtGeom.mjGEOM_ELLIPSOID

GREENERY = (0.24, 0.50, 0.17, 1.0)
_SOIL = (0.20, 0.13, 0.08, 1.0)
CUBE_M = 0.025


def part(
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
    """Add one primitive.

    Args:
        body: The thing's.
        shape: Kind of the primitive.
        center: Above the base point [m].
        size: Half lengths or radii, as MuJoCo takes them [m].
        rgba: Colour; `TINTED` for the object's own.
        material: Name of the material.
        quat: Rotation.
        solid: Whether it has mass and contact.
    """
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


def tipped(angle_rad: float, around_rad: float) -> tuple[float, float, float, float]:
    """Return the quaternion that tips +z by `angle_rad` towards the horizontal direction `around_rad`."""
    half = angle_rad / 2
    return math.cos(half), -math.sin(around_rad) * math.sin(half), math.cos(around_rad) * math.sin(half), 0.0


def pineapple(body: mujoco.MjsBody, _: int) -> None:
    """Add a pineapple: a patterned body under a crown of green leaves."""
    part(body, _CYLINDER, (0, 0, 0.006), (0.020, 0.006), material="pineapple")
    part(body, _ELLIPSOID, (0, 0, 0.046), (0.035, 0.035, 0.044), material="pineapple")
    part(body, _CAPSULE, (0, 0, 0.098), (0.006, 0.014), rgba=GREENERY)
    for ring, (count, lean, height) in enumerate(((6, 0.85, 0.092), (5, 0.45, 0.102))):
        for leaf in range(count):
            around = 2 * math.pi * (leaf + 0.5 * ring) / count
            reach = 0.018 * math.sin(lean)
            center = (reach * math.cos(around), reach * math.sin(around), height + 0.012 * math.cos(lean))
            green = (0.20 + 0.06 * (leaf % 2), 0.44 + 0.08 * (leaf % 3), 0.14, 1.0)
            part(body, _ELLIPSOID, center, (0.0055, 0.0055, 0.024), rgba=green, quat=tipped(lean, around), solid=False)


def duck(body: mujoco.MjsBody, _: int) -> None:
    """Add a rubber duck that looks along x."""
    orange, black = (0.95, 0.45, 0.08, 1.0), (0.05, 0.05, 0.05, 1.0)
    part(body, _CYLINDER, (0, 0, 0.006), (0.022, 0.006))
    part(body, _ELLIPSOID, (0, 0, 0.032), (0.044, 0.033, 0.030))
    part(body, _ELLIPSOID, (-0.040, 0, 0.045), (0.018, 0.014, 0.010), quat=tipped(-0.6, 0.0), solid=False)
    part(body, _SPHERE, (0.022, 0, 0.075), (0.023,))
    part(body, _ELLIPSOID, (0.048, 0, 0.071), (0.013, 0.012, 0.005), rgba=orange, solid=False)
    for side in (-1, 1):
        part(body, _SPHERE, (0.039, side * 0.011, 0.083), (0.0036,), rgba=black, solid=False)
        part(body, _ELLIPSOID, (-0.006, side * 0.029, 0.036), (0.024, 0.006, 0.013), solid=False)


def book(body: mujoco.MjsBody, index: int) -> None:
    """Add a book that stands upright, its thin side along x."""
    thick, deep, tall = ((0.014, 0.072, 0.105), (0.020, 0.065, 0.092), (0.011, 0.078, 0.115), (0.024, 0.07, 0.085))[
        index % 4
    ]
    part(body, _BOX, (0, 0, tall), (thick, deep, tall), material="cover")
    pages = (0.93, 0.91, 0.84, 1.0)
    part(body, _BOX, (0, -0.003, tall), (thick - 0.003, deep, tall - 0.003), rgba=pages, solid=False)
    part(body, _BOX, (0, 0, 2 * tall + 0.0002), (thick - 0.003, deep - 0.002, 0.0006), rgba=pages, solid=False)


def mug(body: mujoco.MjsBody, _: int) -> None:
    """Add a mug with its handle along x."""
    part(body, _CYLINDER, (0, 0, 0.046), (0.0335, 0.046))
    part(body, _CYLINDER, (0, 0, 0.0922), (0.0295, 0.0006), rgba=(0.12, 0.10, 0.09, 1.0), solid=False)
    for x, z, half, lean in (
        (0.046, 0.068, 0.014, math.pi / 2),
        (0.058, 0.046, 0.020, 0.0),
        (0.046, 0.024, 0.014, math.pi / 2),
    ):
        part(body, _CAPSULE, (x, 0, z), (0.005, half), quat=tipped(lean, 0.0), solid=False)


def bottle(body: mujoco.MjsBody, index: int) -> None:
    """Add a bottle with a label."""
    radius = (0.030, 0.0335, 0.028)[index % 3]
    part(body, _CYLINDER, (0, 0, 0.065), (radius, 0.065))
    part(
        body,
        _CYLINDER,
        (0, 0, 0.065),
        (radius + 0.0006, 0.032),
        rgba=(0.99, 0.99, 0.99, 1.0),
        material=f"label{index % 3}",
        solid=False,
    )
    part(body, _ELLIPSOID, (0, 0, 0.130), (radius, radius, 0.030), solid=False)
    part(body, _CYLINDER, (0, 0, 0.175), (0.012, 0.025))
    part(body, _CYLINDER, (0, 0, 0.204), (0.014, 0.009), rgba=(0.85, 0.85, 0.86, 1.0), solid=False)


def can(body: mujoco.MjsBody, index: int) -> None:
    """Add a can with a label."""
    steel = (0.72, 0.73, 0.75, 1.0)
    part(body, _CYLINDER, (0, 0, 0.056), (0.033, 0.052), material=f"label{index % 3}")
    part(body, _CYLINDER, (0, 0, 0.003), (0.030, 0.003), rgba=steel)
    part(body, _CYLINDER, (0, 0, 0.110), (0.031, 0.002), rgba=steel, solid=False)


def ball(body: mujoco.MjsBody, _: int) -> None:
    """Add a ball with a flat spot to rest on."""
    part(body, _CYLINDER, (0, 0, 0.0015), (0.014, 0.0015))
    part(body, _SPHERE, (0, 0, 0.0335), (0.0335,))


def bowl(body: mujoco.MjsBody, _: int) -> None:
    """Add an open bowl; its rim is wider than a gripper."""
    part(body, _CYLINDER, (0, 0, 0.006), (0.040, 0.006))
    for wall in range(12):
        around = 2 * math.pi * wall / 12
        center = (0.058 * math.cos(around), 0.058 * math.sin(around), 0.030)
        turn = np.empty(4)
        mujoco.mju_mulQuat(
            turn, np.array([math.cos(around / 2), 0, 0, math.sin(around / 2)]), np.array(tipped(0.6, 0.0))
        )
        part(body, _BOX, center, (0.003, 0.018, 0.028), quat=tuple(turn))


def box(body: mujoco.MjsBody, index: int) -> None:
    """Add a printed box of one of three formats."""
    half = ((0.045, 0.030, 0.060), (0.060, 0.0335, 0.035), (0.0335, 0.0335, 0.071))[index % 3]
    part(body, _BOX, (0, 0, half[2]), half, material=f"label{index % 3}")


def vase(body: mujoco.MjsBody, _: int) -> None:
    """Add a vase with a narrow neck."""
    part(body, _CYLINDER, (0, 0, 0.006), (0.026, 0.006))
    part(body, _ELLIPSOID, (0, 0, 0.058), (0.042, 0.042, 0.056))
    part(body, _CYLINDER, (0, 0, 0.125), (0.018, 0.022))
    part(body, _CYLINDER, (0, 0, 0.1473), (0.015, 0.0006), rgba=(0.08, 0.07, 0.06, 1.0), solid=False)


def plant(body: mujoco.MjsBody, index: int) -> None:
    """Add a potted plant."""
    part(body, _CYLINDER, (0, 0, 0.030), (0.0335, 0.030))
    part(body, _CYLINDER, (0, 0, 0.0605), (0.0290, 0.0006), rgba=_SOIL, solid=False)
    for leaf in range(9):
        around, lean = 2.4 * leaf + index, 0.15 + 0.09 * leaf
        reach = 0.035 * math.sin(lean)
        green = (0.18 + 0.05 * (leaf % 2), 0.42 + 0.06 * (leaf % 3), 0.16, 1.0)
        center = (reach * math.cos(around), reach * math.sin(around), 0.062 + 0.036 * math.cos(lean))
        part(body, _ELLIPSOID, center, (0.008, 0.008, 0.038), rgba=green, quat=tipped(lean, around), solid=False)


def cube(body: mujoco.MjsBody, _: int) -> None:
    """Add a cube."""
    part(body, _BOX, (0, 0, CUBE_M / 2), (CUBE_M / 2, CUBE_M / 2, CUBE_M / 2))


def brick(body: mujoco.MjsBody, _: int) -> None:
    """Add a flat brick."""
    part(body, _BOX, (0, 0, 0.009), (0.020, 0.010, 0.009))


def peg(body: mujoco.MjsBody, _: int) -> None:
    """Add a short upright cylinder."""
    part(body, _CYLINDER, (0, 0, 0.015), (0.011, 0.015))
