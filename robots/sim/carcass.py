"""The fixed boards of the furniture: a bookcase, and a cabinet of bays. Boxes only; shadows are in the textures."""

from __future__ import annotations

import mujoco

from robots.region import Compartment, Opening, SearchRegion
from robots.sim import surfaces
from robots.sim.joinery import BOARD_M, COVER_M, FACING, FRONT_GAP_M, PANEL_M, Point, add_panel, front_span, upright
from robots.sim.room import FLOOR_Z_M
from robots.types import Float

BODY = "bookcase"
_BACK_M = 0.004  # half thickness


def add_bookcase(spec: mujoco.MjSpec, region: SearchRegion) -> None:
    """Add an open bookcase: boards over the whole width, two sides, a back panel and a plinth."""
    body = spec.worldbody.add_body(name=BODY)
    front, depth, middle_y = region.front_x_m, region.depth_m, 0.5 * (region.y_min_m + region.y_max_m)
    width, top = region.y_max_m - region.y_min_m, region.top_z_m
    center_x = front + depth / 2
    floors = [shelf.floor_z_m for shelf in region.compartments]
    # Texture columns run along a box's local x: depth for boards and sides, width for the back panel.
    for index, height in enumerate((*floors, top + BOARD_M)):
        _board(
            body,
            f"board{index}",
            (center_x, middle_y, height - BOARD_M / 2),
            (depth / 2, width / 2, BOARD_M / 2),
            "shelf",
        )
    tall = (top + BOARD_M - FLOOR_Z_M) / 2
    half = (depth / 2, tall, BOARD_M / 2)
    right, left = region.y_min_m - BOARD_M / 2, region.y_max_m + BOARD_M / 2
    _board(body, "right", (center_x, right, FLOOR_Z_M + tall), half, "side", upright(-1.0))
    _board(body, "left", (center_x, left, FLOOR_Z_M + tall), half, "side", upright(1.0))
    inner = (top - region.floor_z_m + BOARD_M) / 2
    back = (front + depth + _BACK_M, middle_y, top - inner)
    _board(body, "back", back, (width / 2, inner, _BACK_M), "back", FACING)
    _add_plinth(body, region)


def add_cabinet(spec: mujoco.MjSpec, region: SearchRegion) -> None:
    """Add a carcass of bays: a board piece under and over every compartment, uprights between the bays.

    A drawer's bay is closed above the drawer's front by a fixed panel.
    """
    low, top = region.floor_z_m - BOARD_M, region.top_z_m + BOARD_M
    fronts = [place for place in region.compartments if place.opening is Opening.FRONT]
    floors = sorted({place.floor_z_m for place in fronts})
    surfaces.add_bay_materials(spec, tuple((top - level + BOARD_M) / (top - low) for level in (*floors[:0:-1], top)))
    body = spec.worldbody.add_body(name=BODY)
    bays = sorted({(place.y_min_m, place.y_max_m) for place in fronts})
    for bay, (right, left) in enumerate(bays):
        _add_bay(body, bay, (right, left), (*floors, top), region)
    middles = [bays[0][0] - BOARD_M / 2, *(left + BOARD_M / 2 for _, left in bays)]
    tall, center_x = (top - low) / 2, region.front_x_m + region.depth_m / 2
    for index, y in enumerate(middles):
        half = (region.depth_m / 2, tall, BOARD_M / 2)
        _board(body, f"upright{index}", (center_x, y, low + tall), half, "bay_side", upright(1.0))
    legs = (low - FLOOR_Z_M) / 2
    for name, y in (("right_leg", middles[0]), ("left_leg", middles[-1])):
        half = (region.depth_m / 2, legs, BOARD_M / 2)
        _board(body, name, (center_x, y, FLOOR_Z_M + legs), half, "front", upright(1.0))
    _add_plinth(body, region)
    for place in region.compartments:
        if place.opening is Opening.TOP:
            _add_fascia(body, place, region, min(level for level in floors if level > place.floor_z_m) - BOARD_M)


def _board(
    body: mujoco.MjsBody, name: str, center: Point, half: Point, surface: str, turn: Float | None = None
) -> None:
    add_panel(body, f"{BODY}_{name}", center, half, f"{surface}0", turn)


def _add_plinth(body: mujoco.MjsBody, region: SearchRegion) -> None:
    half = (region.floor_z_m - BOARD_M - FLOOR_Z_M) / 2
    middle, width = 0.5 * (region.y_min_m + region.y_max_m), region.y_max_m - region.y_min_m
    center = (region.front_x_m + 0.02, middle, FLOOR_Z_M + half)
    _board(body, "plinth", center, (width / 2, half, 0.01), "front", FACING)


def _add_bay(
    body: mujoco.MjsBody, bay: int, sides: tuple[float, float], levels: tuple[float, ...], region: SearchRegion
) -> None:
    middle, half = 0.5 * (sides[0] + sides[1]), 0.5 * (sides[1] - sides[0])
    front, depth = region.front_x_m, region.depth_m
    for level, height in enumerate(levels):
        center = (front + depth / 2, middle, height - BOARD_M / 2)
        _board(body, f"bay{bay}_board{level}", center, (depth / 2, half, BOARD_M / 2), "bay_shelf")
    tall = (levels[-1] - levels[0] + BOARD_M) / 2
    center = (front + depth + _BACK_M, middle, levels[-1] - tall)
    _board(body, f"bay{bay}_back", center, (half, tall, _BACK_M), "bay_back", FACING)


def _add_fascia(body: mujoco.MjsBody, drawer: Compartment, region: SearchRegion, ceiling_z_m: float) -> None:
    """Close the gap between a drawer's front and the board above it."""
    right, left = front_span(drawer)
    low, high = drawer.top_z_m + FRONT_GAP_M, ceiling_z_m + COVER_M - FRONT_GAP_M
    center = (region.front_x_m - PANEL_M / 2, 0.5 * (right + left), 0.5 * (low + high))
    half = (0.5 * (left - right), 0.5 * (high - low), PANEL_M / 2)
    _board(body, "fascia", center, half, "front", FACING)
