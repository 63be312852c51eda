"""Samples what lies on the small arm's table: the cube to lift, out of view at home, and toys around it."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from robots.errors import SpecError
from robots.sim.appearance import Appearance
from robots.sim.cues import Cues
from robots.sim.episode import EpisodeSpec, ObjectSpec, Variant
from robots.sim.furniture import find_furniture
from robots.sim.kinematics import ArmKinematics
from robots.sim.koch import HOME_RAD, KOCH, WRIST_FOVY_DEG
from robots.sim.objects import CUBE_M, RED, TABLE_CLASSES, ObjectClass
from robots.sim.randomization import Randomization
from robots.sim.randomize import appearance_rng, randomize
from robots.sim.tasks import find_task
from robots.types import Float

TASK = "koch_lift"
TARGET_RING_M = (0.100, 0.165)  # distances from the arm's axis at which the jaws can come from above
TOY_RING_M = (0.090, 0.185)
BEARING_RAD = math.radians(112.0)  # to either side; the arm turns 120 degrees
JAW_GAP_M = 0.030  # air around the cube for the jaws
TOY_GAP_M = 0.008
TOYS = (4, 8)  # at least, below
WIDEST_ASPECT = 4 / 3  # width over height of the widest wrist image that the cube is surely out of
VIEW_MARGIN_RAD = math.radians(3.0)  # a misplaced camera's share
VIEW_MARGIN_M = 0.012
TRIES = 200


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place on the table taken by a circle."""

    x_m: float
    y_m: float
    radius_m: float

    def clear_of(self, others: list[_Spot], gap_m: float) -> bool:
        return all(math.hypot(self.x_m - o.x_m, self.y_m - o.y_m) > self.radius_m + o.radius_m + gap_m for o in others)


def sample_lift(seed: int, variant: Variant, randomization: Randomization) -> EpisodeSpec:
    """Draw one episode of `koch_lift`; see `robots.sim.layout.sample_episode`.

    Args:
        seed: Any non-negative integer.
        variant: With `ABSENT`, the standard layout without its cube.
        randomization: What varies besides the layout; it never brings the cube into view.
    """
    objects = sample_table(np.random.default_rng([seed, zlib.crc32(TASK.encode())]), variant)
    spec = EpisodeSpec(
        task=find_task(TASK),
        scene="koch",
        variant=variant,
        seed=seed,
        target_present=True,
        visible_fraction=0.0,
        objects=objects,
        parts=(),
        cues=Cues(),
        appearance=Appearance(),
        home_rad=HOME_RAD,
        region=find_furniture("koch").region,
    )
    spec = _hidden(randomize(spec, randomization, appearance_rng(TASK, seed)), objects[0])
    return replace(spec, target_present=False, objects=spec.objects[1:]) if variant is Variant.ABSENT else spec


def sample_table(rng: np.random.Generator, variant: Variant) -> tuple[ObjectSpec, ...]:
    """Draw the objects of one layout; the cube comes first, also in the layout of an absent target.

    Args:
        rng: Draws everything; two variants of one seed share the cube's pose and colour.
        variant: `DISTRACTOR` adds a red brick, a red peg and an orange cube.
    """
    cube = TABLE_CLASSES["cube"]
    spot = _cube_spot(rng, cube.radius_m)
    placed = [_item(rng, cube, 0, spot, RED[int(rng.integers(len(RED)))])]
    spots = [spot]
    wanted = [(kind, index) for kind in TABLE_CLASSES.values() if kind is not cube for index in range(kind.copies)]
    toys = [wanted[int(choice)] for choice in rng.permutation(len(wanted))[: int(rng.integers(*TOYS))]]
    lures: dict[str, tuple[float, float, float]] = {}
    if variant is Variant.DISTRACTOR:
        lures = {"brick_0": RED[0], "peg_0": RED[0], "block_0": (0.93, 0.52, 0.13)}
        toys = [(TABLE_CLASSES[name], 0) for name in ("brick", "peg", "block")] + [toy for toy in toys if toy[1]]
    for kind, index in toys:
        found = _toy_spot(rng, kind, spots)
        if found is not None:
            tint = lures.get(f"{kind.name}_{index}", kind.tints[int(rng.integers(len(kind.tints)))])
            placed.append(_item(rng, kind, index, found, tint))
            spots.append(found)
    return tuple(placed)


def out_of_view(base_m: Float, radius_m: float) -> bool:
    """Return whether a thing on the table is surely outside the wrist image of an arm at home.

    A sphere around it must lie wholly beyond one side of the camera's pyramid of view, with a margin for the camera's
    errors.

    Args:
        base_m: Its base point in the world frame, (3,).
        radius_m: Horizontal radius.
    """
    pose, normals = _home_view()
    center = base_m + np.array([0.0, 0.0, 0.5 * CUBE_M])
    reach = math.hypot(radius_m, 0.5 * CUBE_M) + VIEW_MARGIN_M
    return bool((normals @ (pose[:3, :3].T @ (center - pose[:3, 3]))).max() > reach)


@cache
def _home_view() -> tuple[Float, Float]:
    """Return the camera's pose at home, and the outward normals (4, 3) of its view's sides in its own frame."""
    pose = ArmKinematics(None, KOCH).forward(np.array(HOME_RAD)).camera_to_world
    tall = math.radians(WRIST_FOVY_DEG) / 2
    wide = math.atan(WIDEST_ASPECT * math.tan(tall)) + VIEW_MARGIN_RAD
    tall += VIEW_MARGIN_RAD
    across = [(side * math.cos(wide), 0.0, -math.sin(wide)) for side in (1, -1)]
    along = [(0.0, side * math.cos(tall), -math.sin(tall)) for side in (1, -1)]
    return pose, np.array(across + along)


def _hidden(spec: EpisodeSpec, original: ObjectSpec) -> EpisodeSpec:
    """Return the episode with its cube out of view, and the toys where they were, if a randomisation moved it in."""
    cube = spec.objects[0]
    if out_of_view(np.array(cube.position_m), cube.scale * TABLE_CLASSES["cube"].radius_m):
        return spec
    return replace(spec, objects=(replace(cube, position_m=original.position_m, scale=1.0), *spec.objects[1:]))


def _cube_spot(rng: np.random.Generator, radius_m: float) -> _Spot:
    for _ in range(TRIES):
        spot = _draw(rng, TARGET_RING_M, radius_m)
        if out_of_view(np.array([spot.x_m, spot.y_m, 0.0]), radius_m):
            return spot
    raise SpecError("koch: no place out of the camera's view was found.")


def _toy_spot(rng: np.random.Generator, kind: ObjectClass, spots: list[_Spot]) -> _Spot | None:
    for _ in range(24):
        spot = _draw(rng, TOY_RING_M, kind.radius_m)
        if spot.clear_of(spots[:1], JAW_GAP_M) and spot.clear_of(spots[1:], TOY_GAP_M):
            return spot
    return None


def _draw(rng: np.random.Generator, ring_m: tuple[float, float], radius_m: float) -> _Spot:
    near, far = ring_m
    distance = math.sqrt(rng.uniform(near**2, far**2))  # even over the area
    bearing = float(rng.uniform(-BEARING_RAD, BEARING_RAD))
    return _Spot(distance * math.cos(bearing), distance * math.sin(bearing), radius_m)


def _item(
    rng: np.random.Generator, kind: ObjectClass, index: int, spot: _Spot, tint: tuple[float, float, float]
) -> ObjectSpec:
    yaw = float(rng.uniform(-math.pi, math.pi))
    return ObjectSpec(kind.name, f"{kind.name}_{index}", (spot.x_m, spot.y_m, 0.0), yaw, 1.0, tint)
