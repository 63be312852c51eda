"""Stands something before the named object, to one side, so that it hides it from some views and leaves a way to it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.objects import CLASSES, CLUTTER, ObjectClass, find_class

WIDEST_M = 0.044  # radius of what may stand there
GAP_M = (0.006, 0.030)  # air between the two
ASIDE_RAD = (math.radians(30.0), math.radians(72.0))  # of the way from the named object straight to the front
AIR_M = 0.006  # to everything else
TRIES = 80


def with_occluder(spec: EpisodeSpec, rng: np.random.Generator) -> tuple[EpisodeSpec, ObjectSpec] | None:
    """Return the layout with one more object, and that object; None where there is no room.

    Args:
        spec: A layout with its target.
        rng: Draws it.
    """
    target = next((item for item in spec.objects if item.name == spec.target_name), None)
    kinds = _available(spec)
    if target is None or not kinds:
        return None
    for _ in range(TRIES):
        item = _drawn(target, kinds, rng)
        if _fits(spec, item):
            return replace(spec, objects=(*spec.objects, item)), item
    return None


def _available(spec: EpisodeSpec) -> list[tuple[ObjectClass, int]]:
    """Return the narrow classes of which the scene has another copy, and that copy's number."""
    used = {item.name for item in spec.objects}
    free = []
    for kind in CLUTTER:
        numbers = [index for index in range(kind.copies) if f"{kind.name}_{index}" not in used]
        if kind.name != spec.task.target and kind.radius_m <= WIDEST_M and numbers:
            free.append((CLASSES[kind.name], numbers[0]))
    return free


def _drawn(target: ObjectSpec, kinds: list[tuple[ObjectClass, int]], rng: np.random.Generator) -> ObjectSpec:
    kind, number = kinds[int(rng.integers(len(kinds)))]
    side = 1.0 if rng.random() < 0.5 else -1.0
    around = side * float(rng.uniform(*ASIDE_RAD))
    apart = _radius(target) + kind.radius_m + float(rng.uniform(*GAP_M))
    x, y, z = target.position_m
    place = (x - apart * math.cos(around), y + apart * math.sin(around), z)
    tint = kind.tints[int(rng.integers(len(kind.tints)))]
    return ObjectSpec(kind.name, f"{kind.name}_{number}", place, float(rng.uniform(-math.pi, math.pi)), 1.0, tint)


def _fits(spec: EpisodeSpec, item: ObjectSpec) -> bool:
    """Whether it stands on the shelf, touches nothing, and does not reach the board above."""
    index = spec.region.index_of(np.array(item.position_m) + np.array([0.0, 0.0, 0.01]))
    if index is None:
        return False
    place, radius = spec.region.compartments[index], _radius(item)
    x, y, _ = item.position_m
    inside = (
        place.front_x_m + radius <= x
        and place.y_min_m + radius <= y <= place.y_max_m - radius
        and find_class(item.kind).height_m * item.scale < place.clearance_m
    )
    return inside and all(_apart(item, other) for other in spec.objects)


def _apart(item: ObjectSpec, other: ObjectSpec) -> bool:
    dx, dy, dz = (a - b for a, b in zip(item.position_m, other.position_m, strict=True))
    return abs(dz) > 0.05 or math.hypot(dx, dy) >= _radius(item) + _radius(other) + AIR_M - 1e-9


def _radius(item: ObjectSpec) -> float:
    return item.scale * find_class(item.kind).radius_m
