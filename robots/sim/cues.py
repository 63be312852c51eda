"""What about a layout hints at the target's place. It is drawn before the target: the posterior given it is exact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A place along a compartment.

    Attributes:
        compartment: Index in the region's order.
        y_m: Position across [m].
    """

    compartment: int
    y_m: float


@dataclass(frozen=True, slots=True)
class Cues:
    """The hints of one layout.

    Attributes:
        density: Share of the clutter that each compartment gets; sums to one.
        ajar: How far each compartment's door or drawer stands open among those of the scene, 0 to 1; 0 without one.
        companions: Where the target's companions stand.
        tall: Where tall clutter stands.
    """

    density: tuple[float, ...] = ()
    ajar: tuple[float, ...] = ()
    companions: tuple[Place, ...] = ()
    tall: tuple[Place, ...] = ()
