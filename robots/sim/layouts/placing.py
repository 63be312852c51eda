"""Puts things into compartments: nothing touches, and the way to the target stays free where it is meant to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from robots.region import Compartment, Opening, SearchRegion
from robots.sim.episode import ObjectSpec
from robots.sim.objects import ObjectClass
from robots.sim.rearrange import CORRIDOR_BEHIND_M, CORRIDOR_HALF_M

ROOM = 1.12  # objects keep room to be drawn larger than they are
GAP_M = 0.008
WALL_M = 0.01
HEADROOM = 1.15  # taller copies and larger scales still fit below the ceiling
SHIFTS_M = tuple(side * 0.02 * step for step in range(13) for side in (1.0, -1.0))
TRIES = 24


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something stands: compartment index, depth behind its front [m], y [m]."""

    compartment: int
    depth_m: float
    y_m: float


@dataclass(slots=True)
class Furnishing:
    """What stands where so far.

    Attributes:
        region: The compartments.
        taken: Spots and radii [m].
        corridor: The target whose way out is kept free, or None.
        objects: The placed objects.
    """

    region: SearchRegion
    taken: list[tuple[Spot, float]] = field(default_factory=list)
    corridor: Spot | None = None
    objects: list[ObjectSpec] = field(default_factory=list)

    def put(
        self, rng: np.random.Generator, kind: ObjectClass, spot: Spot, tint: tuple[float, float, float] | None = None
    ) -> None:
        """Stand the next unused copy of a class on a spot."""
        index = sum(item.kind == kind.name for item in self.objects)
        yaw = float(rng.normal(math.pi / 2, 0.15) if kind.name == "book" else rng.uniform(-math.pi, math.pi))
        color = kind.tints[int(rng.integers(len(kind.tints)))]
        place = self.region.compartments[spot.compartment]
        position = (place.front_x_m + spot.depth_m, spot.y_m, place.floor_z_m)
        self.taken.append((spot, kind.radius_m * ROOM))
        self.objects.append(ObjectSpec(kind.name, f"{kind.name}_{index}", position, yaw, 1.0, tint or color))

    def available(self, kind: ObjectClass) -> bool:
        """Whether the scene has another copy of the class."""
        return sum(item.kind == kind.name for item in self.objects) < kind.copies

    def fits(self, kind: ObjectClass, spot: Spot) -> bool:
        """Whether a thing stands there inside its compartment, apart from everything, and out of the corridor."""
        radius, place = kind.radius_m * ROOM, self.region.compartments[spot.compartment]
        inside = (
            radius + 0.005 <= spot.depth_m <= place.depth_m - radius - 0.005
            and place.y_min_m + radius + WALL_M <= spot.y_m <= place.y_max_m - radius - WALL_M
            and kind.height_m * HEADROOM <= place.clearance_m
        )
        return inside and not self._blocks(spot, radius) and self._apart(spot, radius)

    def near(self, kind: ObjectClass, compartment: int, y_m: float, depths_m: tuple[float, ...]) -> Spot | None:
        """Return the nearest spot to a wanted place that fits, or None."""
        wanted = (Spot(compartment, depth, y_m + shift) for shift in SHIFTS_M for depth in depths_m)
        return next((spot for spot in wanted if self.fits(kind, spot)), None)

    def anywhere(
        self, rng: np.random.Generator, kind: ObjectClass, density: tuple[float, ...], *, tries: int = TRIES
    ) -> Spot | None:
        """Draw a spot for clutter, its compartment by density; None when none was found."""
        for _ in range(tries):
            index = int(rng.choice(len(density), p=density))
            place, radius = self.region.compartments[index], kind.radius_m * ROOM
            depth = float(rng.uniform(0.0, max(place.depth_m - 2 * radius - 0.01, 1e-3))) + radius + 0.005
            y = float(rng.uniform(place.y_min_m, place.y_max_m))
            if self.fits(kind, spot := Spot(index, depth, y)):
                return spot
        return None

    def _apart(self, spot: Spot, radius: float) -> bool:
        return all(
            other.compartment != spot.compartment
            or math.hypot(spot.depth_m - other.depth_m, spot.y_m - other.y_m) > radius + taken + GAP_M
            for other, taken in self.taken
        )

    def _blocks(self, spot: Spot, radius: float) -> bool:
        """Whether a thing reaches into the straight corridor from the front to behind the target's centre."""
        target = self.corridor
        if target is None or target.compartment != spot.compartment:
            return False
        if self.region.compartments[spot.compartment].opening is Opening.TOP:
            return math.hypot(spot.depth_m - target.depth_m, spot.y_m - target.y_m) < CORRIDOR_HALF_M + radius
        in_depth = spot.depth_m - radius < target.depth_m + CORRIDOR_BEHIND_M
        return in_depth and abs(spot.y_m - target.y_m) < CORRIDOR_HALF_M + radius


def front_depths(kind: ObjectClass, place: Compartment) -> tuple[float, ...]:
    """Return depths at which a tall thing stands, nearest to the front first [m]."""
    return tuple(_steps(kind.radius_m * ROOM + 0.008, place.depth_m, 0.03))


def _steps(low: float, high: float, step: float) -> Iterator[float]:
    value = low
    while value < high:
        yield value
        value += step
