"""The shapes of the things that look like another class, for the `distractor` variant.

A look-alike shares the outline of its model and lacks what tells the model apart: the pine cone has the pineapple's
pattern and no green crown, the goose has the duck's body without the yellow.
"""

from __future__ import annotations

import math

import mujoco

from robots.sim.shapes import part, tipped

_SPHERE, _CYLINDER = mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CYLINDER
_CAPSULE, _ELLIPSOID = mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_ELLIPSOID
_BARK = (0.30, 0.19, 0.11, 1.0)
_CACTUS = (0.26, 0.46, 0.26, 1.0)


def pinecone(body: mujoco.MjsBody, _: int) -> None:
    """Add the pineapple's body in the pine cone's brown, with a ring of dry scales where the crown would be."""
    part(body, _CYLINDER, (0, 0, 0.006), (0.020, 0.006), material="pineapple")
    part(body, _ELLIPSOID, (0, 0, 0.048), (0.034, 0.034, 0.046), material="pineapple")
    for scale in range(6):
        around = math.pi * scale / 3
        center = (0.012 * math.cos(around), 0.012 * math.sin(around), 0.094)
        part(body, _ELLIPSOID, center, (0.006, 0.006, 0.016), rgba=_BARK, quat=tipped(0.5, around), solid=False)


def goose(body: mujoco.MjsBody, _: int) -> None:
    """Add the duck's body with a longer neck and a dark bill."""
    bill, eye = (0.78, 0.36, 0.12, 1.0), (0.05, 0.05, 0.05, 1.0)
    part(body, _CYLINDER, (0, 0, 0.006), (0.022, 0.006))
    part(body, _ELLIPSOID, (0, 0, 0.032), (0.044, 0.033, 0.030))
    part(body, _ELLIPSOID, (-0.040, 0, 0.045), (0.018, 0.014, 0.010), quat=tipped(-0.6, 0.0), solid=False)
    part(body, _CAPSULE, (0.026, 0, 0.072), (0.012, 0.018))
    part(body, _SPHERE, (0.028, 0, 0.098), (0.019,))
    part(body, _ELLIPSOID, (0.051, 0, 0.094), (0.014, 0.010, 0.005), rgba=bill, solid=False)
    for side in (-1, 1):
        part(body, _SPHERE, (0.042, side * 0.010, 0.104), (0.0034,), rgba=eye, solid=False)
        part(body, _ELLIPSOID, (-0.006, side * 0.029, 0.036), (0.024, 0.006, 0.013), solid=False)


def jar(body: mujoco.MjsBody, _: int) -> None:
    """Add a preserving jar: as wide and as high as a can, with a narrower lid and no label."""
    part(body, _CYLINDER, (0, 0, 0.047), (0.0335, 0.047))
    part(body, _CYLINDER, (0, 0, 0.105), (0.029, 0.011), rgba=(0.62, 0.56, 0.40, 1.0))


def cup(body: mujoco.MjsBody, _: int) -> None:
    """Add a mug without its handle."""
    part(body, _CYLINDER, (0, 0, 0.050), (0.0325, 0.050))
    part(body, _CYLINDER, (0, 0, 0.1002), (0.0285, 0.0006), rgba=(0.12, 0.10, 0.09, 1.0), solid=False)


def cactus(body: mujoco.MjsBody, _: int) -> None:
    """Add the plant's pot with a cactus in it."""
    part(body, _CYLINDER, (0, 0, 0.030), (0.0335, 0.030))
    part(body, _CYLINDER, (0, 0, 0.0605), (0.0290, 0.0006), rgba=(0.46, 0.38, 0.26, 1.0), solid=False)
    part(body, _CAPSULE, (0, 0, 0.094), (0.017, 0.030), rgba=_CACTUS)
    for side, height in ((1.0, 0.092), (-1.0, 0.104)):
        part(body, _CAPSULE, (side * 0.024, 0, height), (0.008, 0.012), rgba=_CACTUS, solid=False)


def lemon(body: mujoco.MjsBody, _: int) -> None:
    """Add a lemon on its side: a ball of the wrong shape, and the right yellow for both targets."""
    part(body, _CYLINDER, (0, 0, 0.0015), (0.014, 0.0015))
    part(body, _ELLIPSOID, (0, 0, 0.028), (0.038, 0.028, 0.028))
    for side in (-1, 1):
        part(body, _SPHERE, (side * 0.037, 0, 0.028), (0.007,), solid=False)
