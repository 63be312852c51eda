"""Changes a sampled layout's objects: their sizes, places and number, without ever letting two of them touch.

Objects are circles on their compartment's floor. Every change is shortened until it fits, in the worst case to nothing,
and none may enter the corridor in front of the target that the layout left free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from robots.region import Compartment, Opening, SearchRegion
from robots.sim.episode import EpisodeSpec, ObjectSpec, Variant
from robots.sim.objects import ObjectClass, classes_of, find_class
from robots.sim.tasks import TASKS

GAP_M = 0.004  # air between two objects after a change; the layout leaves at least as much
WALL_GAP_M = 0.003
CORRIDOR_HALF_M = 0.072  # the open gripper's half width and a finger's breadth of air
CORRIDOR_BEHIND_M = 0.04  # the corridor ends this far behind the target's centre
TALLEST = 1.1  # the tallest copy of a class over the class's height
TRIES = 24

Stream = Callable[[str], np.random.Generator]  # the generator of one object, by name


def rescaled(spec: EpisodeSpec, low: float, high: float, stream: Stream) -> EpisodeSpec:
    """Return the episode with every object's scale drawn from [low, high], as far as there is room for it."""
    objects = list(spec.objects)
    for index, item in enumerate(objects):
        wanted = float(stream(item.name).uniform(low, high))
        objects[index] = next(
            grown
            for share in (1.0, 0.75, 0.5, 0.25, 0.0)
            if (grown := replace(item, scale=item.scale + share * (wanted - item.scale))).scale <= item.scale
            or _fits(spec, grown, objects)
        )
    return replace(spec, objects=tuple(objects))


def moved(
    spec: EpisodeSpec, shift_m: tuple[float, float], turn_rad: tuple[float, float], stream: Stream
) -> EpisodeSpec:
    """Return the episode with every object shifted and turned, as far as there is room for it."""
    objects = list(spec.objects)
    for index, item in enumerate(objects):
        rng = stream(item.name)
        distance, around = float(rng.uniform(*shift_m)), float(rng.uniform(-math.pi, math.pi))
        turned = replace(item, yaw_rad=item.yaw_rad + float(rng.uniform(*turn_rad)))
        steps = (share * distance for share in (1.0, 0.5, 0.25))
        places = (_shifted(turned, step * math.cos(around), step * math.sin(around)) for step in steps)
        objects[index] = next((place for place in places if _fits(spec, place, objects)), turned)
    return replace(spec, objects=tuple(objects))


def recounted(spec: EpisodeSpec, count: int, stream: Stream) -> EpisodeSpec:
    """Return the episode with `count` objects besides the target, as far as objects and room allow.

    The target's compartment keeps its objects, so that what hides the target goes on hiding it; look-alikes stay, too.
    """
    wanted = count + int(spec.target_present)
    target = _target_of(spec)
    home = None if target is None else _compartment_of(spec.region, target)
    kept = find_class(spec.task.target).lookalikes if spec.variant is Variant.DISTRACTOR else ()
    fixed = {
        item.name
        for item in spec.objects
        if item is target or item.kind in kept or _compartment_of(spec.region, item) is home
    }
    spare = sorted((item.name for item in spec.objects if item.name not in fixed), key=lambda n: stream(n).random())
    gone = set(spare[: max(len(spec.objects) - wanted, 0)])
    spec = replace(spec, objects=tuple(item for item in spec.objects if item.name not in gone))
    return _filled(spec, wanted, home, stream) if len(spec.objects) < wanted else spec


def _filled(spec: EpisodeSpec, wanted: int, home: Compartment | None, stream: Stream) -> EpisodeSpec:
    """Add objects of the scene that the layout did not use, where other objects already stand."""
    used = [_compartment_of(spec.region, item) for item in spec.objects]
    shelves = [
        place
        for place in spec.region.compartments
        if place is not home and place in used and place.opening is Opening.FRONT and not place.closure
    ]
    targets = {spec.task.target, *(task.target for task in TASKS.values())}
    unused = [
        (kind, f"{kind.name}_{index}")
        for kind in classes_of(spec.scene).values()
        if kind.clutter and kind.name not in targets
        for index in range(kind.copies)
        if f"{kind.name}_{index}" not in {item.name for item in spec.objects}
    ]
    for kind, name in sorted(unused, key=lambda pair: stream(pair[1]).random()):
        added = _added(spec, kind, name, shelves, stream(name)) if len(spec.objects) < wanted and shelves else None
        if added is not None:
            spec = replace(spec, objects=(*spec.objects, added))
    return spec


def _added(
    spec: EpisodeSpec, kind: ObjectClass, name: str, shelves: Sequence[Compartment], rng: np.random.Generator
) -> ObjectSpec | None:
    yaw = rng.normal(math.pi / 2, 0.15) if kind.name == "book" else rng.uniform(-math.pi, math.pi)
    tint = kind.tints[int(rng.integers(len(kind.tints)))]
    for _ in range(TRIES):
        shelf = shelves[int(rng.integers(len(shelves)))]
        x = float(rng.uniform(shelf.front_x_m, shelf.front_x_m + shelf.depth_m))
        y = float(rng.uniform(shelf.y_min_m, shelf.y_max_m))
        item = ObjectSpec(kind.name, name, (x, y, shelf.floor_z_m), float(yaw), 1.0, tint)
        if _fits(spec, item, spec.objects):
            return item
    return None


def _fits(spec: EpisodeSpec, item: ObjectSpec, objects: Sequence[ObjectSpec]) -> bool:
    """Whether an object stands inside its compartment, apart from the others, and out of a corridor left free."""
    shelf = _compartment_of(spec.region, item)
    if shelf is None:
        return False
    (x, y, z), radius = item.position_m, radius_of(item)
    inside = (
        radius + WALL_GAP_M <= x - shelf.front_x_m <= shelf.depth_m - radius - WALL_GAP_M
        and shelf.y_min_m + radius + WALL_GAP_M <= y <= shelf.y_max_m - radius - WALL_GAP_M
        and find_class(item.kind).height_m * TALLEST * item.scale <= shelf.clearance_m
    )
    apart = all(
        other.name == item.name
        or abs(other.position_m[2] - z) > 1e-6
        or math.dist((x, y), other.position_m[:2]) >= radius + radius_of(other) + GAP_M
        for other in objects
    )
    return inside and apart and _leaves_corridor(spec, item, objects)


def _leaves_corridor(spec: EpisodeSpec, item: ObjectSpec, objects: Sequence[ObjectSpec]) -> bool:
    """Whether every object that stood beside the target's corridor in the layout still does."""
    target = next((other for other in objects if other.kind == spec.task.target), None)
    if target is None:
        return True
    before = {other.name: other for other in spec.objects}
    changed = objects if item.name == target.name else [item]
    target = item if item.name == target.name else target
    start = before.get(target.name, target)
    return not any(
        _blocks(target, other) and not _blocks(start, before.get(other.name, other))
        for other in changed
        if other.name != target.name
    )


def _blocks(target: ObjectSpec, item: ObjectSpec) -> bool:
    radius = radius_of(item)
    return (
        abs(item.position_m[2] - target.position_m[2]) < 1e-6
        and item.position_m[0] - radius < target.position_m[0] + CORRIDOR_BEHIND_M
        and abs(item.position_m[1] - target.position_m[1]) < CORRIDOR_HALF_M + radius
    )


def radius_of(item: ObjectSpec) -> float:
    """Return the radius of the circle that an object takes up [m]."""
    return find_class(item.kind).radius_m * item.scale


def _shifted(item: ObjectSpec, x_m: float, y_m: float) -> ObjectSpec:
    x, y, z = item.position_m
    return replace(item, position_m=(x + x_m, y + y_m, z))


def _target_of(spec: EpisodeSpec) -> ObjectSpec | None:
    return next((item for item in spec.objects if item.kind == spec.task.target), None)


def _compartment_of(region: SearchRegion, item: ObjectSpec) -> Compartment | None:
    x, y, z = item.position_m
    for place in region.compartments:
        if (
            abs(place.floor_z_m - z) < 1e-6
            and place.y_min_m <= y <= place.y_max_m
            and place.front_x_m <= x <= place.front_x_m + place.depth_m
        ):
            return place
    return None
