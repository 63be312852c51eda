"""The movable parts of the furniture: doors on hinges, drawers on slides, and screens that an episode puts somewhere.

A door or drawer is a body named as its part, with a joint of the same name that is 0 when closed. Its bar handle is the
geoms `<part>_handle_*` and the site `<part>_handle` in the bar's middle: x along the bar, z out of the panel.
"""

from __future__ import annotations

import mujoco
import numpy as np

from robots.region import Compartment, SearchRegion
from robots.sim.arm import SCENE_BIT
from robots.sim.furniture import Furniture, Part, PartKind
from robots.sim.joinery import (
    COVER_M,
    DRAWER_SIDE_M,
    FACE_GAP_M,
    FACING,
    PANEL_M,
    Point,
    add_panel,
    front_span,
    upright,
)
from robots.sim.room import FLOOR_Z_M
from robots.types import Float

BAR_RADIUS_M = 0.007
BAR_HALF_M = 0.065
STAND_OFF_M = 0.050  # from the panel to the bar's axis: fingers and their pads fit behind it
EDGE_M = 0.035  # from a door's free edge to the bar
DRAWER_DEPTH_M = 0.26
WALL_M = 0.011  # a drawer's walls
LOW_WALL_M = 0.10  # their height; only the front is as high as the rim
BOTTOM_M = 0.014
SCREEN_X_M = 0.06  # in front of the face: past the drawers' and doors' handles it would stand in the arm's way
SCREEN_HALF_M = 0.080
SCREEN_TOP_M = 0.27  # above its compartment's floor
_METAL = (0.30, 0.31, 0.33, 1.0)
_LENGTHWISE = np.eye(3)


def add_parts(spec: mujoco.MjSpec, furniture: Furniture) -> None:
    """Add every door, drawer and screen of the furniture, closed."""
    build = {PartKind.DOOR: _add_door, PartKind.DRAWER: _add_drawer, PartKind.SCREEN: _add_screen}
    for part in furniture.parts:
        build[part.kind](spec, part, furniture.region)


def _add_door(spec: mujoco.MjSpec, part: Part, region: SearchRegion) -> None:
    """Hinge it at the outer corner of its outer face: it then clears the carcass at any angle."""
    place = region.find(part.compartment)
    right, left = front_span(place)
    towards = 1.0 if part.hinge_y_m < 0.5 * (right + left) else -1.0  # y direction from the hinge to the free edge
    low, high = place.floor_z_m - COVER_M, place.top_z_m + COVER_M
    width, half_z = left - right, 0.5 * (high - low)
    outer_x = place.front_x_m - FACE_GAP_M - PANEL_M
    body = spec.worldbody.add_body(name=part.name, pos=[outer_x, part.hinge_y_m, 0.5 * (low + high)])
    _add_joint(body, part, [0.0, 0.0, towards], mujoco.mjtJoint.mjJNT_HINGE, friction=0.25, damping=0.4)
    center = (PANEL_M / 2, towards * width / 2, 0.0)
    add_panel(body, f"{part.name}_panel", center, (width / 2, half_z, PANEL_M / 2), "door0", FACING)
    _add_handle(body, part.name, (0.0, towards * (width - EDGE_M), 0.0), (0.0, 0.0, 1.0))
    _spread_mass(body, 1.6)


def _add_drawer(spec: mujoco.MjSpec, part: Part, region: SearchRegion) -> None:
    """Add an open box: its origin is the front edge of the inside's floor, in the middle."""
    place = region.find(part.compartment)
    body = spec.worldbody.add_body(
        name=part.name, pos=[place.front_x_m + part.high, 0.5 * (place.y_min_m + place.y_max_m), place.floor_z_m]
    )
    _add_joint(body, part, [-1.0, 0.0, 0.0], mujoco.mjtJoint.mjJNT_SLIDE, friction=1.5, damping=15.0)
    _add_box(body, part.name, 0.5 * (place.y_max_m - place.y_min_m))
    _add_front(body, part.name, place)
    _spread_mass(body, 1.8)


def _add_box(body: mujoco.MjsBody, name: str, half_y: float) -> None:
    start, end = -FACE_GAP_M, DRAWER_DEPTH_M
    middle, half_x = 0.5 * (start + end), 0.5 * (end - start)
    bottom = (middle, 0.0, -BOTTOM_M / 2)
    add_panel(body, f"{name}_floor", bottom, (half_x, half_y, BOTTOM_M / 2), "inside0")
    rise = 0.5 * (LOW_WALL_M + BOTTOM_M)
    for side, sign in (("right", -1.0), ("left", 1.0)):
        center = (middle, sign * (half_y + WALL_M / 2), rise - BOTTOM_M)
        add_panel(body, f"{name}_{side}", center, (half_x, rise, WALL_M / 2), "inside0", upright(sign))
    back = (end + WALL_M / 2, 0.0, rise - BOTTOM_M)
    add_panel(body, f"{name}_back", back, (half_y + WALL_M, rise, WALL_M / 2), "inside0", FACING)


def _add_front(body: mujoco.MjsBody, name: str, place: Compartment) -> None:
    low, high = -BOTTOM_M - 0.012 - COVER_M, place.clearance_m
    half_y = 0.5 * (place.y_max_m - place.y_min_m) + DRAWER_SIDE_M + COVER_M
    face_x = -FACE_GAP_M - PANEL_M
    center = (face_x + PANEL_M / 2, 0.0, 0.5 * (low + high))
    add_panel(body, f"{name}_panel", center, (half_y, 0.5 * (high - low), PANEL_M / 2), "panel0", FACING)
    _add_handle(body, name, (face_x, 0.0, 0.5 * (low + high)), (0.0, 1.0, 0.0))


def _add_screen(spec: mujoco.MjSpec, part: Part, region: SearchRegion) -> None:
    """Add a board on a foot before its compartment; `arrange` moves it sideways."""
    place = region.find(part.compartment)
    middle = 0.5 * (place.y_min_m + place.y_max_m)
    body = spec.worldbody.add_body(name=part.name, pos=[place.front_x_m - SCREEN_X_M, middle, FLOOR_Z_M])
    half_z = 0.5 * (place.floor_z_m + SCREEN_TOP_M - FLOOR_Z_M)
    add_panel(body, f"{part.name}_panel", (0, 0, half_z), (SCREEN_HALF_M, half_z, 0.008), "screen", FACING)
    foot = (0.05, SCREEN_HALF_M, 0.008)
    add_panel(body, f"{part.name}_foot", (0.0, 0.0, 0.009), foot, "screen", _LENGTHWISE)


def _add_joint(
    body: mujoco.MjsBody, part: Part, axis: list[float], kind: mujoco.mjtJoint, *, friction: float, damping: float
) -> None:
    """Add a joint that stays where it is put, by dry friction, and that an arm moves easily."""
    body.add_joint(
        name=part.name,
        type=kind,
        axis=axis,
        limited=True,
        range=[part.low, part.high],
        damping=damping,
        frictionloss=friction,
        armature=0.02,
    )


def _add_handle(body: mujoco.MjsBody, name: str, at: Point, along: Point) -> None:
    """Add a bar on two posts.

    Args:
        body: The panel's.
        name: The part's.
        at: Point of the outer face, which looks to -x, before which the bar's middle lies [m].
        along: Unit direction of the bar.
    """
    start = np.array(at)
    direction, out = np.array(along), np.array([-1.0, 0.0, 0.0])
    middle = start + STAND_OFF_M * out
    _add_rod(body, f"{name}_handle_bar", middle - BAR_HALF_M * direction, middle + BAR_HALF_M * direction, BAR_RADIUS_M)
    for index, sign in enumerate((-1.0, 1.0)):
        foot = start + sign * BAR_HALF_M * direction
        _add_rod(body, f"{name}_handle_post{index}", foot, foot + STAND_OFF_M * out, 0.8 * BAR_RADIUS_M)
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.column_stack([direction, np.cross(out, direction), out]).ravel())
    body.add_site(name=f"{name}_handle", pos=middle, quat=quat, size=[0.004] * 3, rgba=[0, 0, 0, 0])


def _add_rod(body: mujoco.MjsBody, name: str, start: Float, end: Float, radius_m: float) -> None:
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[*start, *end],
        size=[radius_m, 0, 0],
        rgba=list(_METAL),
        contype=SCENE_BIT,
        conaffinity=0xF,
        friction=[1.0, 0.01, 0.0005],
        condim=4,
    )


def _spread_mass(body: mujoco.MjsBody, mass_kg: float) -> None:
    for geom in body.geoms:
        geom.mass = mass_kg / len(body.geoms)
