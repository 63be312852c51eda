"""The table of the small arm: what it stands on, the room around it, and the camera that watches it."""

from __future__ import annotations

import mujoco

from robots.sim import room
from robots.sim.arm_model import SCENE_BIT
from robots.sim.furniture import Furniture

TOP_M = ((-0.14, 0.34), (-0.34, 0.34))  # extent of the table top along x and y; its height is 0
THICK_M = 0.024
LEG_HALF_M = 0.016
WALL_X_M = 0.75


def furnish(spec: mujoco.MjSpec, furniture: Furniture) -> None:
    """Add floor, wall, third-person camera and the table."""
    room.add_floor(spec)
    room.add_wall(spec, WALL_X_M)
    region = furniture.region
    room.add_camera(spec, (0.52, -0.42, 0.46), (0.5 * (region.front_x_m + region.depth_m), 0.0, 0.06))
    body = spec.worldbody.add_body(name="table")
    (left, right), (near, far) = TOP_M
    middle = (0.5 * (left + right), 0.5 * (near + far))
    half = (0.5 * (right - left), 0.5 * (far - near), THICK_M / 2)
    _add_board(body, "top", (*middle, -THICK_M / 2), half)
    tall = 0.5 * (-THICK_M - room.FLOOR_Z_M)
    for index, x in enumerate((left + LEG_HALF_M, right - LEG_HALF_M)):
        for side, y in enumerate((near + LEG_HALF_M, far - LEG_HALF_M)):
            _add_board(body, f"leg{index}{side}", (x, y, -THICK_M - tall), (LEG_HALF_M, LEG_HALF_M, tall))


def _add_board(body: mujoco.MjsBody, name: str, center: tuple[float, ...], half: tuple[float, ...]) -> None:
    body.add_geom(
        name=f"table_{name}",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=list(center),
        size=list(half),
        material="front0",
        contype=SCENE_BIT,
        conaffinity=0xF,
        friction=[0.8, 0.01, 0.0005],
    )
