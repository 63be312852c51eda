"""Samples episodes: cues first, then the target's place given the cues, then everything else, and how it all looks.

Everything is drawn from generators of its own per purpose, so that a variant, a prior or a randomisation changes only
what it names: the absent and the distractor episode of one seed are the standard one without the target, or with more.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from robots.errors import UsageError
from robots.region import Compartment, Opening, SearchRegion
from robots.sim.appearance import Appearance
from robots.sim.cues import Cues, Place
from robots.sim.episode import EpisodeSpec, ObjectSpec, PartState, Variant
from robots.sim.furniture import Furniture, find_furniture
from robots.sim.layout_table import sample_lift
from robots.sim.layouts.hints import draw_cues, draw_parts
from robots.sim.layouts.occlusion import visible_fraction
from robots.sim.layouts.placing import ROOM, Furnishing, Spot, front_depths
from robots.sim.layouts.prior import LayoutPrior, draw_place, find_prior, posterior
from robots.sim.layouts.starts import STARTS
from robots.sim.objects import CLASSES, CLUTTER, ObjectClass
from robots.sim.randomization import Randomization, find_randomization
from robots.sim.randomize import appearance_rng, randomize
from robots.sim.tasks import TASKS, Setting, find_setting, find_task
from robots.types import Float, Task

CLEAR_SHARE = 0.88  # share of layouts whose corridor is kept clear on purpose
DEEP_SHARE = 0.45  # share of targets that stand in the back half of the depth that can be reached
RIVAL_SHARE = 0.3  # share of layouts that may hold another task's target as clutter
TALL = ("bottle", "book", "vase", "plant")
OCCLUSION = {"low": (0.85, 1.01), "medium": (0.6, 0.85), "high": (0.0, 0.6)}  # bins of `visible_fraction`
HIDING = {"low": (0, 1), "medium": (2, 5), "high": (4, 8)}  # things put before the target: at least, below
HIDERS = ("bottle", "vase", "plant", "bottle", "can", "mug")
OCCLUSION_TRIES = 300
HIDDEN_DEPTH_M = (0.16, 0.20)

_TARGETS = {task.target for task in TASKS.values()}


def sample_episode(
    task: str,
    seed: int,
    *,
    variant: Variant | str = Variant.STANDARD,
    target: str | None = None,
    prior: LayoutPrior | str = "structured",
    occlusion: str | None = None,
    randomization: Randomization | str = "train",
) -> EpisodeSpec:
    """Draw one episode.

    Args:
        task: Registered task name.
        seed: Any non-negative integer.
        variant: `standard`; `absent`, the same layout without the target; or `distractor`, with look-alikes added.
        target: What is looked for instead of the task's usual target: any graspable class of the scene.
        prior: How strongly cues hint at the target's place: strengths, a preset's name or a YAML file's path.
        occlusion: `low`, `medium` or `high`: draw layouts until the target's visible share lies in that bin.
        randomization: What varies besides the layout: ranges, a preset's name or a YAML file's path.

    Raises:
        UsageError: There is no such task, variant, target, prior, bin or randomisation.
        SpecError: A prior's or randomisation's file holds something else.
    """
    chosen, setting = find_task(task, target), find_setting(task)
    kind, ranges = _variant(variant), find_randomization(randomization)
    strengths = find_prior(prior)
    if setting.scene == "koch":
        if occlusion is not None:
            raise UsageError(f"{task} has no degrees of occlusion: its target lies on an open table.")
        return sample_lift(seed, kind, ranges)
    if occlusion is None:
        return _draw(chosen, setting, seed, 0, kind, strengths, ranges)
    return _draw_in_bin(chosen, setting, seed, kind, strengths, ranges, occlusion)


def target_posterior(spec: EpisodeSpec, prior: LayoutPrior | str = "structured") -> Float:
    """Return where the target stands given the layout's cues, (compartments, columns), summing to one.

    This is what a perfect reader of the cues knows before the first look; the target itself is not used.

    Args:
        spec: An episode of a task with furniture.
        prior: The prior that it was drawn with.
    """
    strengths = find_prior(prior)
    base = _base(find_setting(spec.task.name), spec.region, CLASSES[spec.task.target])
    return posterior(spec.cues, strengths, spec.region, base)


def _variant(name: Variant | str) -> Variant:
    if name not in tuple(Variant):
        raise UsageError.unknown("variant", str(name), Variant)
    return Variant(name)


def _draw_in_bin(
    task: Task,
    setting: Setting,
    seed: int,
    variant: Variant,
    prior: LayoutPrior,
    ranges: Randomization,
    occlusion: str,
) -> EpisodeSpec:
    if occlusion not in OCCLUSION:
        raise UsageError.unknown("occlusion", occlusion, OCCLUSION)
    low, high = OCCLUSION[occlusion]
    for attempt in range(OCCLUSION_TRIES):
        spec = _draw(task, setting, seed, attempt, Variant.STANDARD, prior, ranges, HIDING[occlusion])
        if low <= visible_fraction(spec, opened=True) < high:
            return _draw(task, setting, seed, attempt, variant, prior, ranges, HIDING[occlusion])
    raise UsageError(f"No layout of {task.name} with {occlusion} occlusion was found for seed {seed}.")


def _draw(
    task: Task,
    setting: Setting,
    seed: int,
    attempt: int,
    variant: Variant,
    prior: LayoutPrior,
    ranges: Randomization,
    hiding: tuple[int, int] | None = None,
) -> EpisodeSpec:
    streams = _Streams(seed, task.name, attempt)
    furniture = find_furniture(setting.scene)
    parts = draw_parts(streams("parts"), furniture, setting)
    cues = draw_cues(streams("cues"), furniture, setting, parts, CLASSES[task.target])
    furnishing = _furnish(streams, task, setting, cues, prior, furniture.region, hiding)
    if variant is Variant.DISTRACTOR:
        _add_lookalikes(streams("lookalikes"), furnishing, CLASSES[task.target], cues)
    spec = EpisodeSpec(
        task=task,
        scene=setting.scene,
        variant=variant,
        seed=seed,
        target_present=True,
        visible_fraction=0.0,
        objects=tuple(_slid(item, furniture, parts) for item in furnishing.objects),
        parts=parts,
        cues=cues,
        appearance=Appearance(),
        home_rad=STARTS[int(streams("start").integers(len(STARTS)))],
        region=furniture.region,
    )
    # Before the target is taken out: what its twin without it looks like must not depend on it.
    spec = randomize(spec, ranges, appearance_rng(task.name, seed))
    if variant is Variant.ABSENT:
        return replace(spec, target_present=False, objects=spec.objects[1:])
    return replace(spec, visible_fraction=visible_fraction(spec))


class _Streams:
    """A generator of its own for every purpose."""

    def __init__(self, seed: int, task: str, attempt: int) -> None:
        self._key = (seed, zlib.crc32(task.encode()), attempt)

    def __call__(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([*self._key, zlib.crc32(purpose.encode())])


def _furnish(
    streams: _Streams,
    task: Task,
    setting: Setting,
    cues: Cues,
    prior: LayoutPrior,
    region: SearchRegion,
    hiding: tuple[int, int] | None,
) -> Furnishing:
    """Place the target, what is to hide it, then what the cues name near where they name it, then the rest."""
    furnishing, target, rng = Furnishing(region), CLASSES[task.target], streams("target")
    index, y = draw_place(rng, cues, prior, region, _base(setting, region, target))
    clear = rng.random() < CLEAR_SHARE if hiding is None else hiding[0] == 0
    spot = Spot(index, _inside(target, region.compartments[index], _depth(rng, region, index, hidden=not clear)), y)
    furnishing.put(rng, target, spot)
    furnishing.corridor = spot if clear else None
    if not clear:
        _hide(streams("hide"), furnishing, task.target, spot, hiding or HIDING["medium"])
    rng = streams("clutter")
    for place in cues.companions:
        _put_near(rng, furnishing, CLASSES[target.companions[0]], place)
    for place in cues.tall:
        kinds = [CLASSES[name] for name in TALL if name != task.target]
        _put_near(rng, furnishing, kinds[int(rng.integers(len(kinds)))], place)
    _add_clutter(rng, furnishing, task.target, cues, int(rng.integers(setting.clutter[0], setting.clutter[1] + 1)))
    return furnishing


def _base(setting: Setting, region: SearchRegion, target: ObjectClass) -> Mapping[str, float] | None:
    """Return the share of targets in each compartment, none where the target is too tall, as in a drawer."""
    low = {place.name for place in region.compartments if target.height_m > place.clearance_m}
    if setting.base is None or not low:
        return setting.base
    return {name: 0.0 if name in low else share for name, share in setting.base.items()}


def _inside(target: ObjectClass, place: Compartment, depth_m: float) -> float:
    """Return the nearest depth at which a wide target neither juts out nor touches the back [m]."""
    margin = ROOM * target.radius_m + 0.005
    return min(max(depth_m, margin), place.depth_m - margin)


def _hide(rng: np.random.Generator, furnishing: Furnishing, target: str, spot: Spot, counts: tuple[int, int]) -> None:
    """Stand things before and beside the target, as near to its line of sight as there is room."""
    kinds = [CLASSES[name] for name in HIDERS if name != target]
    for _ in range(int(rng.integers(*counts))):
        kind = kinds[int(rng.integers(len(kinds)))]
        _put_near(rng, furnishing, kind, Place(spot.compartment, spot.y_m + float(rng.uniform(-0.03, 0.03))))


def _depth(rng: np.random.Generator, region: SearchRegion, index: int, *, hidden: bool) -> float:
    place = region.compartments[index]
    if hidden and place.opening is Opening.FRONT:
        return float(rng.uniform(*HIDDEN_DEPTH_M))
    if place.opening is Opening.TOP:
        return float(rng.uniform(0.07, place.depth_m - 0.06))
    deep = rng.random() < DEEP_SHARE
    return float(rng.uniform(0.11, 0.14) if deep else rng.uniform(0.06, 0.11))


def _put_near(rng: np.random.Generator, furnishing: Furnishing, kind: ObjectClass, place: Place) -> None:
    """Stand a thing as near as possible to where a cue names it, towards the front."""
    if not furnishing.available(kind):
        return
    depths = front_depths(kind, furnishing.region.compartments[place.compartment])
    spot = furnishing.near(kind, place.compartment, place.y_m, depths)
    if spot is not None:
        furnishing.put(rng, kind, spot)


def _add_clutter(rng: np.random.Generator, furnishing: Furnishing, target: str, cues: Cues, wanted: int) -> None:
    pool = [kind for kind in CLUTTER if kind.name != target for _ in range(kind.copies)]
    for choice in rng.permutation(len(pool)):
        if len(furnishing.objects) > wanted:
            return
        kind = pool[int(choice)]
        rival = kind.name in _TARGETS and rng.random() < 1.0 - RIVAL_SHARE
        if rival or not furnishing.available(kind):
            continue
        spot = furnishing.anywhere(rng, kind, cues.density)
        if spot is not None:
            furnishing.put(rng, kind, spot)


def _add_lookalikes(rng: np.random.Generator, furnishing: Furnishing, target: ObjectClass, cues: Cues) -> None:
    """Add things of the target's shape, and draw things of other shapes in its colour."""
    even = tuple(1.0 / len(cues.density) for _ in cues.density)
    for name in target.lookalikes:
        if furnishing.available(CLASSES[name]) and (spot := furnishing.anywhere(rng, CLASSES[name], even, tries=80)):
            furnishing.put(rng, CLASSES[name], spot)
    for name in target.color_twins:
        twins = [index for index, item in enumerate(furnishing.objects) if item.kind == name]
        if twins and target.color is not None:
            furnishing.objects[twins[0]] = replace(furnishing.objects[twins[0]], tint_rgb=target.color)
        elif furnishing.available(CLASSES[name]) and (spot := furnishing.anywhere(rng, CLASSES[name], even, tries=80)):
            furnishing.put(rng, CLASSES[name], spot, target.color)


def _slid(item: ObjectSpec, furniture: Furniture, parts: tuple[PartState, ...]) -> ObjectSpec:
    """Move what stands in a drawer along with it: compartments are measured with drawers pulled out."""
    index = furniture.region.index_of(np.array(item.position_m), slack_m=0.001)
    place = None if index is None else furniture.region.compartments[index]
    if place is None or place.opening is not Opening.TOP or not place.closure:
        return item
    part = furniture.part(place.closure)
    value = next(state.value for state in parts if state.name == part.name)
    x, y, z = item.position_m
    return replace(item, position_m=(x + part.high - value, y, z))
