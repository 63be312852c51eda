"""What boards, doors and drawers are made with: measures, and boxes with a texture that lies the right way round."""

from __future__ import annotations

import mujoco
import numpy as np

from robots.region import Compartment, Opening
from robots.sim.arm import SCENE_BIT
from robots.sim.furniture import HINGE_OUT_M
from robots.types import Float

BOARD_M = 0.02
PANEL_M = 0.018  # thickness of doors and drawer fronts
FACE_GAP_M = 0.002  # air between a closed panel and the carcass
COVER_M = HINGE_OUT_M  # how far a panel reaches over the boards around its opening
FRONT_GAP_M = 0.003  # air between a panel and the next one above it
DRAWER_SIDE_M = 0.015  # from a drawer's inside to the side of its bay: wall and air
# Local x and y of a box lie along the texture's columns and rows. `FACING` shows the image to the robot, upright.
FACING = np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]], dtype=float)

Point = tuple[float, float, float]


def front_span(place: Compartment) -> tuple[float, float]:
    """Return the right and left edge of the panel that closes a compartment [m]."""
    beside = COVER_M + (DRAWER_SIDE_M if place.opening is Opening.TOP else 0.0)
    return place.y_min_m - beside, place.y_max_m + beside


def upright(sign: float) -> Float:
    """Return the rotation of a board that stands along the depth; its textured face is its local z or -z."""
    turn = np.empty(9)
    quat = np.empty(4)
    mujoco.mju_axisAngle2Quat(quat, np.array([1.0, 0.0, 0.0]), sign * np.pi / 2)
    mujoco.mju_quat2Mat(turn, quat)
    return turn.reshape(3, 3)


def add_panel(
    body: mujoco.MjsBody, name: str, center: Point, half: Point, material: str, turn: Float | None = None
) -> mujoco.MjsGeom:
    """Add a solid box with a texture.

    Args:
        body: Where.
        name: Name of the geom.
        center: In the body's frame [m].
        half: Half lengths in the box's own frame [m].
        material: Material, the wooden ones without their variant.
        turn: Rotation of the box in the body's frame, (3, 3).
    """
    quat = np.array([1.0, 0.0, 0.0, 0.0])
    if turn is not None:
        mujoco.mju_mat2Quat(quat, turn.ravel())
    return body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=list(center),
        size=list(half),
        quat=quat,
        material=material,
        contype=SCENE_BIT,
        conaffinity=0xF,
        friction=[0.8, 0.01, 0.0005],
    )
