"""The furniture of each scene, as data: compartments to search, and doors and drawers that hide some of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from robots.errors import UsageError
from robots.region import Compartment, Opening, SearchRegion

FRONT_X_M = 0.66
DEPTH_M = 0.28
SHELF_Z_M = (0.05, 0.33, 0.61)
CLEARANCE_M = 0.26
DRAWER_TRAVEL_M = 0.20
DRAWER_RIM_M = 0.145  # its front; the other walls are lower
HINGE_OUT_M = 0.008  # a door covers the carcass this far beyond its compartment
DOOR_TRAVEL_RAD = 2.6


class PartKind(StrEnum):
    """How a movable part of the furniture moves; `PartState.value` is an angle for doors, a length for the others."""

    DOOR = "door"  # turns about a vertical hinge; 0 is closed [rad]
    DRAWER = "drawer"  # slides towards the robot; 0 is closed [m]
    SCREEN = "screen"  # stands before a compartment where the episode puts it; its centre's y [m]


@dataclass(frozen=True, slots=True)
class Part:
    """A door, drawer or screen.

    Attributes:
        name: Name of its body and, for doors and drawers, of its joint.
        kind: How it moves.
        compartment: What it hides.
        low: Smallest `PartState.value`; doors and drawers are closed there.
        high: Largest `PartState.value`; doors and drawers are wide open there.
        hinge_y_m: Where a door's hinge is [m].
    """

    name: str
    kind: PartKind
    compartment: str
    low: float
    high: float
    hinge_y_m: float = 0.0

    def is_open(self, value: float) -> bool:
        """Whether a door or drawer at `value` lets one look and reach inside: from half of its travel on."""
        return value >= 0.5 * (self.low + self.high)


@dataclass(frozen=True, slots=True)
class Furniture:
    """One scene's furniture.

    Attributes:
        name: Scene name.
        region: What there is to search.
        parts: Doors, drawers and screens.
        arm: Name of the arm that stands before it, see `robots.sim.arms`.
    """

    name: str
    region: SearchRegion
    parts: tuple[Part, ...] = ()
    arm: str = "panda"

    def part(self, name: str) -> Part:
        """Return the part of that name.

        Raises:
            UsageError: There is none.
        """
        for part in self.parts:
            if part.name == name:
                return part
        raise UsageError.unknown("part", name, [part.name for part in self.parts], where=f"scene {self.name}")


def _shelf(name: str, level: int, y_min_m: float, y_max_m: float, closure: str = "") -> Compartment:
    return Compartment(name, FRONT_X_M, DEPTH_M, y_min_m, y_max_m, SHELF_Z_M[level], CLEARANCE_M, closure=closure)


_RIGHT, _CENTER, _LEFT = (-0.42, -0.15), (-0.13, 0.13), (0.15, 0.42)

BOOKCASE = Furniture(
    "bookcase",
    SearchRegion.bookcase(
        front_x_m=FRONT_X_M,
        depth_m=DEPTH_M,
        y_min_m=-0.42,
        y_max_m=0.42,
        shelf_z_m=SHELF_Z_M,
        clearance_m=CLEARANCE_M,
    ),
)

# Three bays. The doors are hinged on the outer sides, so that they open away from the arm and cover no neighbour.
_CABINET_REGION = SearchRegion(
    (
        _shelf("shelf0_center", 0, *_CENTER),
        _shelf("shelf0_left", 0, *_LEFT),
        Compartment(
            "drawer",
            FRONT_X_M - DRAWER_TRAVEL_M,
            DRAWER_TRAVEL_M - 0.01,
            _RIGHT[0] + 0.015,
            _RIGHT[1] - 0.015,
            0.07,
            DRAWER_RIM_M,
            Opening.TOP,
            closure="drawer",
        ),
        _shelf("cabinet_right", 1, *_RIGHT, closure="door_right"),
        _shelf("shelf1_center", 1, *_CENTER),
        _shelf("cabinet_left", 1, *_LEFT, closure="door_left"),
        _shelf("shelf2_right", 2, *_RIGHT),
        _shelf("shelf2_center", 2, *_CENTER),
        _shelf("shelf2_left", 2, *_LEFT),
    )
)
_CABINET_PARTS = (
    Part("door_left", PartKind.DOOR, "cabinet_left", 0.0, DOOR_TRAVEL_RAD, hinge_y_m=_LEFT[1] + HINGE_OUT_M),
    Part("door_right", PartKind.DOOR, "cabinet_right", 0.0, DOOR_TRAVEL_RAD, hinge_y_m=_RIGHT[0] - HINGE_OUT_M),
    Part("drawer", PartKind.DRAWER, "drawer", 0.0, DRAWER_TRAVEL_M),
)

CABINET = Furniture("cabinet", _CABINET_REGION, _CABINET_PARTS)

# The screen hides most of the bottom shelf's opening: one must look past it from the side that it leaves free.
COMPLEX = Furniture(
    "complex", _CABINET_REGION, (*_CABINET_PARTS, Part("screen", PartKind.SCREEN, "shelf0_center", -0.05, 0.05))
)

# What the small arm reaches around itself on its table: both sides and the front, the arm's own place left out.
KOCH = Furniture(
    "koch",
    SearchRegion(
        (
            Compartment("table_right", -0.08, 0.27, -0.20, -0.06, 0.0, 0.10, Opening.TOP),
            Compartment("table_front", 0.08, 0.11, -0.06, 0.06, 0.0, 0.10, Opening.TOP),
            Compartment("table_left", -0.08, 0.27, 0.06, 0.20, 0.0, 0.10, Opening.TOP),
        )
    ),
    arm="koch",
)

FURNITURE: dict[str, Furniture] = {scene.name: scene for scene in (BOOKCASE, CABINET, COMPLEX, KOCH)}


def find_furniture(name: str) -> Furniture:
    """Return the furniture of a scene.

    Raises:
        UsageError: There is no such scene.
    """
    if name not in FURNITURE:
        raise UsageError.unknown("scene", name, FURNITURE)
    return FURNITURE[name]
