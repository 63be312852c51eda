"""Draws what hints at the target's place, before the target: doors and drawers, densities, companions, tall clutter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from robots.region import Opening, SearchRegion
from robots.sim.cues import Cues, Place
from robots.sim.episode import PartState
from robots.sim.furniture import Furniture, Part, PartKind
from robots.sim.objects import ObjectClass
from robots.sim.tasks import Setting

COMPANION_SHARE = 0.8  # share of layouts in which a companion stands somewhere
TALL_COUNT = (2, 5)  # tall things: at least, below
THINNING = 0.64  # each compartment gets this share of the clutter of the next fuller one
DRAWER_DENSITY = 0.35


def draw_parts(rng: np.random.Generator, furniture: Furniture, setting: Setting) -> tuple[PartState, ...]:
    """Draw where every door, drawer and screen of the furniture stands."""

    def state(part: Part) -> PartState:
        if part.kind is PartKind.SCREEN:
            return PartState(part.name, part.low if rng.random() < 0.5 else part.high)
        low, high = setting.openings[part.kind]
        shut = rng.random() < setting.shut_share
        opening = float(rng.uniform(low, high))
        return PartState(part.name, 0.0 if shut else opening)

    return tuple(state(part) for part in furniture.parts)


def draw_cues(
    rng: np.random.Generator, furniture: Furniture, setting: Setting, parts: tuple[PartState, ...], target: ObjectClass
) -> Cues:
    """Draw the hints of one layout; nothing about the target's place is used.

    Args:
        rng: Draws everything.
        furniture: The scene.
        setting: The task's setting.
        parts: Where doors and drawers stand.
        target: What will be looked for.
    """
    region = furniture.region
    weights = rng.permutation(THINNING ** np.arange(len(region.compartments)))
    weights *= [DRAWER_DENSITY if c.opening is Opening.TOP else 1.0 for c in region.compartments]
    density = weights / weights.sum()
    there = bool(target.companions) and rng.random() < COMPANION_SHARE
    return Cues(
        density=tuple(float(share) for share in density),
        ajar=tuple(_ajar(furniture, setting, parts, c.closure) for c in region.compartments),
        companions=tuple(_some_places(rng, region, 1 if there else 0, None)),
        tall=tuple(_some_places(rng, region, int(rng.integers(*TALL_COUNT)), density)),
    )


def _ajar(furniture: Furniture, setting: Setting, parts: tuple[PartState, ...], closure: str) -> float:
    """Return how far a closure stands open within its setting's range, 0 to 1."""
    value = next((state.value for state in parts if state.name == closure), None)
    if value is None:
        return 0.0
    low, high = setting.openings[furniture.part(closure).kind]
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _some_places(
    rng: np.random.Generator, region: SearchRegion, count: int, density: np.ndarray | None
) -> Iterator[Place]:
    """Draw places that open to the front, evenly over the widths or by density."""
    shelves = [i for i, c in enumerate(region.compartments) if c.opening is Opening.FRONT]
    widths = np.array([region.compartments[i].y_max_m - region.compartments[i].y_min_m for i in shelves])
    weights = widths if density is None else density[shelves]
    for _ in range(count):
        index = shelves[int(rng.choice(len(shelves), p=weights / weights.sum()))]
        place = region.compartments[index]
        yield Place(index, float(rng.uniform(place.y_min_m + 0.06, place.y_max_m - 0.06)))
