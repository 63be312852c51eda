"""Samples episodes: where the target and the clutter stand, and how everything looks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from robots.region import SearchRegion
from robots.sim.appearance import Appearance
from robots.sim.episode import EpisodeSpec, ObjectSpec, Variant
from robots.sim.layout_table import sample_lift
from robots.sim.objects import CLASSES, CLUTTER, ObjectClass
from robots.sim.randomization import Randomization, find_randomization
from robots.sim.randomize import appearance_rng, randomize
from robots.sim.rearrange import CORRIDOR_HALF_M
from robots.sim.scene import HOME_RAD, REGION
from robots.sim.tasks import TASKS, find_task, scene_of

ROOM = 1.12  # objects keep room to be drawn larger than they are
CLEAR_SHARE = 0.88  # share of layouts whose corridor is kept clear on purpose
DEEP_SHARE = 0.45  # share of targets that stand deep enough for something in front
RIVAL_SHARE = 0.3  # share of layouts that may hold the other task's target as clutter
COMPANION_SHARE = 0.6  # share of layouts in which the bowl stands next to the target

_TARGETS = {task.target for task in TASKS.values()}


@dataclass(slots=True)
class _Shelves:
    """What stands where so far: (shelf, depth behind the front [m], y [m], radius [m])."""

    region: SearchRegion
    taken: list[tuple[int, float, float, float]] = field(default_factory=list)

    def free(self, shelf: int, depth: float, y: float, radius: float) -> bool:
        """Whether a circle keeps its distance from everything on the shelf."""
        return all(other != shelf or math.hypot(depth - d, y - v) > radius + r + 0.008 for other, d, v, r in self.taken)

    def inside(self, depth: float, y: float, radius: float) -> bool:
        """Whether a circle lies wholly on a shelf."""
        region = self.region
        return (
            radius + 0.005 <= depth <= region.depth_m - radius - 0.005
            and region.y_min_m + radius + 0.01 <= y <= region.y_max_m - radius - 0.01
        )


def sample_episode(
    task: str, seed: int, *, absent: bool = False, randomization: Randomization | str = "train"
) -> EpisodeSpec:
    """Draw one episode.

    With `absent`, the same layout is drawn and the target taken out, so that present and absent episodes of one seed
    are pairs.

    Args:
        task: Registered task name.
        seed: Any non-negative integer.
        absent: Leave the target out.
        randomization: What varies besides the layout: ranges, a preset's name or a YAML file's path.

    Raises:
        UsageError: There is no such task or randomisation.
        SpecError: The randomisation's file holds something else.
    """
    chosen = find_task(task)
    if scene_of(task) == "koch":
        variant = Variant.ABSENT if absent else Variant.STANDARD
        return sample_lift(seed, variant, find_randomization(randomization))
    rng = np.random.default_rng([seed, sorted(TASKS).index(task)])
    objects = _sample_objects(rng, chosen.target)
    spec = EpisodeSpec(
        task=chosen,
        seed=seed,
        scene=scene_of(task),
        variant=Variant.ABSENT if absent else Variant.STANDARD,
        target_present=True,
        visible_fraction=0.0,
        objects=objects,
        parts=(),
        appearance=Appearance(),
        home_rad=HOME_RAD,
        region=REGION,
    )
    # Before the target is taken out: what its twin without it looks like must not depend on it.
    spec = randomize(spec, find_randomization(randomization), appearance_rng(task, seed))
    return replace(spec, target_present=False, objects=spec.objects[1:]) if absent else spec


def _sample_objects(rng: np.random.Generator, target: str) -> tuple[ObjectSpec, ...]:
    shelves = _Shelves(REGION)
    shelf = int(rng.integers(len(REGION.compartments)))
    deep = rng.random() < DEEP_SHARE
    depth = float(rng.uniform(0.118, 0.14) if deep else rng.uniform(0.06, 0.11))
    y = float(rng.uniform(-0.34, 0.34))
    clear = rng.random() < CLEAR_SHARE
    placed = [_place(rng, shelves, CLASSES[target], 0, shelf, depth, y)]
    if deep:
        placed += _sample_occluder(rng, shelves, shelf, y, clear=clear)
    if target == "pineapple" and rng.random() < COMPANION_SHARE:
        placed += _sample_companion(rng, shelves, shelf, depth, y)
    _add_clutter(rng, shelves, placed, target, (shelf, depth, y) if clear else None)
    return tuple(placed)


def _add_clutter(
    rng: np.random.Generator,
    shelves: _Shelves,
    placed: list[ObjectSpec],
    target: str,
    keep_clear: tuple[int, float, float] | None,
) -> None:
    """Fill the shelves, unevenly, up to 10 to 16 things besides the target. The other target may be among them."""
    density = rng.permutation([0.5, 0.32, 0.18])
    wanted = int(rng.integers(10, 17)) + 1
    pool = [(kind, index) for kind in CLUTTER for index in range(kind.copies) if kind.name != target]
    for choice in rng.permutation(len(pool)):
        kind, index = pool[int(choice)]
        rival = kind.name in _TARGETS and rng.random() < 1.0 - RIVAL_SHARE
        if rival or f"{kind.name}_{index}" in {item.name for item in placed}:
            continue
        if len(placed) == wanted:
            return
        spot = _find_spot(rng, shelves, kind, density, keep_clear)
        if spot is not None:
            placed.append(_place(rng, shelves, kind, index, *spot))


def _sample_occluder(
    rng: np.random.Generator, shelves: _Shelves, shelf: int, y: float, *, clear: bool
) -> list[ObjectSpec]:
    """Put something in front of the target: beside the corridor when it is to stay clear, else across it."""
    kind = CLASSES[("can", "mug", "vase", "ball", "plant")[int(rng.integers(5))]]
    reach = CORRIDOR_HALF_M + kind.radius_m * ROOM
    side = 1.0 if rng.random() < 0.5 else -1.0
    offset = side * float(rng.uniform(reach, reach + 0.015) if clear else rng.uniform(0.0, 0.5 * reach))
    depth, radius = kind.radius_m * ROOM + 0.008, kind.radius_m * ROOM
    if not (shelves.inside(depth, y + offset, radius) and shelves.free(shelf, depth, y + offset, radius)):
        return []
    return [_place(rng, shelves, kind, 0, shelf, depth, y + offset)]


def _sample_companion(
    rng: np.random.Generator, shelves: _Shelves, shelf: int, depth: float, y: float
) -> list[ObjectSpec]:
    kind = CLASSES["bowl"]
    radius = kind.radius_m * ROOM
    for _ in range(8):
        offset = float(rng.uniform(0.16, 0.24)) * (1.0 if rng.random() < 0.5 else -1.0)
        place = float(rng.uniform(radius + 0.01, REGION.depth_m - radius - 0.01))
        if shelves.inside(place, y + offset, radius) and shelves.free(shelf, place, y + offset, radius):
            return [_place(rng, shelves, kind, 0, shelf, place, y + offset)]
    return []


def _find_spot(
    rng: np.random.Generator,
    shelves: _Shelves,
    kind: ObjectClass,
    density: np.ndarray,
    keep_clear: tuple[int, float, float] | None,
) -> tuple[int, float, float] | None:
    radius = kind.radius_m * ROOM
    for _ in range(24):
        shelf = int(rng.choice(len(density), p=density))
        depth = float(rng.uniform(radius + 0.005, max(REGION.depth_m - radius - 0.005, radius + 0.006)))
        y = float(rng.uniform(REGION.y_min_m + radius + 0.01, REGION.y_max_m - radius - 0.01))
        if not shelves.free(shelf, depth, y, radius):
            continue
        if keep_clear is not None and _blocks(keep_clear, shelf, depth, y, radius):
            continue
        return shelf, depth, y
    return None


def _blocks(target: tuple[int, float, float], shelf: int, depth: float, y: float, radius: float) -> bool:
    """Whether an object reaches into the straight corridor from the front to 4 cm behind the target's centre."""
    in_depth = depth - radius < target[1] + 0.04
    return shelf == target[0] and in_depth and abs(y - target[2]) < CORRIDOR_HALF_M + radius


def _place(
    rng: np.random.Generator,
    shelves: _Shelves,
    kind: ObjectClass,
    index: int,
    shelf: int,
    depth: float,
    y: float,
) -> ObjectSpec:
    yaw = float(rng.normal(math.pi / 2, 0.15) if kind.name == "book" else rng.uniform(-math.pi, math.pi))
    shelves.taken.append((shelf, depth, y, kind.radius_m * ROOM))
    return ObjectSpec(
        kind=kind.name,
        name=f"{kind.name}_{index}",
        position_m=(REGION.front_x_m + depth, y, REGION.compartments[shelf].floor_z_m),
        yaw_rad=yaw,
        scale=1.0,
        tint_rgb=kind.tints[int(rng.integers(len(kind.tints)))],
    )
