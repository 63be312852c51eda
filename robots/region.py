"""Where to search: the compartments of the furniture in front of the robot, measured once per installation.

World frame: the robot's base, x forward, y left, z up. Every compartment is a box whose open side is either its front
(a shelf, a cabinet) or its top (a drawer that is pulled out).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from robots.errors import UsageError
from robots.reading import read
from robots.types import Float


class Opening(StrEnum):
    """The side of a compartment that one looks and reaches through."""

    FRONT = "front"
    TOP = "top"


@dataclass(frozen=True, slots=True)
class Compartment:
    """One box-shaped hiding place.

    Attributes:
        name: Unique in its region: `shelf0`, `cabinet_left`, `drawer`.
        front_x_m: x of the side nearest to the robot [m].
        depth_m: Extent behind it [m].
        y_min_m: Right side [m].
        y_max_m: Left side [m].
        floor_z_m: Height of the surface that things stand on [m].
        clearance_m: Free height above that surface, to the ceiling or, for an open top, to the rim [m].
        opening: The open side.
        closure: Name of the door or drawer that may hide the inside; empty when nothing does. A drawer's measures are
            those of the drawer pulled out.
    """

    name: str
    front_x_m: float
    depth_m: float
    y_min_m: float
    y_max_m: float
    floor_z_m: float
    clearance_m: float
    opening: Opening = Opening.FRONT
    closure: str = ""

    def __post_init__(self) -> None:
        if self.y_min_m >= self.y_max_m:
            raise UsageError(f"{self.name}: y_min_m ({self.y_min_m}) must be below y_max_m ({self.y_max_m}).")
        if min(self.depth_m, self.clearance_m) <= 0.0:
            raise UsageError(f"{self.name}: depth_m and clearance_m must be positive.")

    @property
    def top_z_m(self) -> float:
        """Height of the ceiling or the rim [m]."""
        return self.floor_z_m + self.clearance_m

    def holds(self, point_m: Float, *, slack_m: float = 0.0) -> bool:
        """Return whether a point, (3,) [m], lies inside, grown by `slack_m` on every side."""
        x, y, z = (float(value) for value in point_m)
        return (
            self.front_x_m - slack_m <= x <= self.front_x_m + self.depth_m + slack_m
            and self.y_min_m - slack_m <= y <= self.y_max_m + slack_m
            and self.floor_z_m - slack_m <= z <= self.top_z_m + slack_m
        )


@dataclass(frozen=True, slots=True)
class SearchRegion:
    """Everything to be searched, lowest compartment first, from right to left at equal height."""

    compartments: tuple[Compartment, ...]

    def __post_init__(self) -> None:
        names = [compartment.name for compartment in self.compartments]
        if not names or len(set(names)) != len(names):
            raise UsageError("search region: needs at least one compartment, and every name once.")
        order = [(compartment.floor_z_m, compartment.y_min_m) for compartment in self.compartments]
        if order != sorted(order):
            raise UsageError("search region: list the compartments from the lowest up, and from right to left.")

    @classmethod
    def bookcase(
        cls,
        *,
        front_x_m: float,
        depth_m: float,
        y_min_m: float,
        y_max_m: float,
        shelf_z_m: tuple[float, ...],
        clearance_m: float,
    ) -> SearchRegion:
        """Return an open bookcase: one compartment `shelf0`, `shelf1`, ... per shelf surface, lowest first."""
        return cls(
            tuple(
                Compartment(f"shelf{index}", front_x_m, depth_m, y_min_m, y_max_m, height, clearance_m)
                for index, height in enumerate(shelf_z_m)
            )
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "region") -> SearchRegion:
        """Read `{"compartments": [...]}` as `to_dict` writes it.

        Raises:
            SpecError: A field is missing, unknown or out of range; the message names it.
        """
        return read(cls, values, where)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def find(self, name: str) -> Compartment:
        """Return the compartment of that name.

        Raises:
            UsageError: There is none.
        """
        for compartment in self.compartments:
            if compartment.name == name:
                return compartment
        raise UsageError.unknown("compartment", name, [compartment.name for compartment in self.compartments])

    def index_of(self, point_m: Float, *, slack_m: float = 0.02) -> int | None:
        """Return the index of the compartment that holds a point, (3,) [m], or None outside all of them."""
        return next((i for i, c in enumerate(self.compartments) if c.holds(point_m, slack_m=slack_m)), None)

    @property
    def front_x_m(self) -> float:
        """The plane of the furniture's face: the nearest front of the compartments that open to the front [m]."""
        faces = [c.front_x_m for c in self.compartments if c.opening is Opening.FRONT]
        return min(faces or [c.front_x_m for c in self.compartments])

    @property
    def depth_m(self) -> float:
        """Depth behind the face [m]."""
        return max(c.front_x_m + c.depth_m for c in self.compartments) - self.front_x_m

    @property
    def y_min_m(self) -> float:
        """Rightmost side [m]."""
        return min(c.y_min_m for c in self.compartments)

    @property
    def y_max_m(self) -> float:
        """Leftmost side [m]."""
        return max(c.y_max_m for c in self.compartments)

    @property
    def floor_z_m(self) -> float:
        """Lowest surface [m]."""
        return self.compartments[0].floor_z_m

    @property
    def top_z_m(self) -> float:
        """Highest ceiling [m]."""
        return max(c.top_z_m for c in self.compartments)
