"""Where targets tend to stand: named, switchable strengths, and the exact distribution that follows from them.

    P(cell | cues)  is proportional to  base(compartment) / cells * exp(sum_k strength_k * GAIN_k * cue_k(cell))

A cell is one column of one compartment. The cues are drawn before the target, so this is the posterior that a searcher
who knows the cues would hold before its first look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from robots.errors import UsageError
from robots.reading import read
from robots.region import Compartment, SearchRegion
from robots.sim.cues import Cues
from robots.types import Float

COLUMNS = 12
PRESETS = Path(__file__).resolve().parents[3] / "configs" / "layouts"
COMPANION_M = 0.13  # how near companions stand
TALL_M = 0.12  # how near the target stands to tall clutter
GAIN = {"ajar": 2.5, "companions": 2.5, "tall_clutter": 1.5, "density": 2.0}  # log odds at full strength and cue
WIDE_M = 0.5  # in compartments wider than this the target keeps clear of the sides by more
SIDE_M, NARROW_SIDE_M = 0.08, 0.078  # the hand must fit beside the target


@dataclass(frozen=True, slots=True)
class LayoutPrior:
    """How strongly each cue hints at the target's place, 0 (not at all) to 1.

    Attributes:
        ajar: A door or drawer that stands further open than the others hints at what it closes.
        companions: The target stands near its companions, as a pineapple does near the fruit bowl.
        tall_clutter: The target stands beside or behind tall things.
        density: The target stands where much stands.
    """

    ajar: float = 1.0
    companions: float = 1.0
    tall_clutter: float = 1.0
    density: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0.0 <= getattr(self, field.name) <= 1.0:
                raise UsageError(f"layout prior: {field.name} must lie in [0, 1], not {getattr(self, field.name)}.")


UNIFORM = LayoutPrior(0.0, 0.0, 0.0, 0.0)


def find_prior(given: LayoutPrior | str) -> LayoutPrior:
    """Return strengths as they are, or load them by name or path; every preset is read once.

    Raises:
        UsageError: As `load_prior`.
        SpecError: As `load_prior`.
    """
    if isinstance(given, LayoutPrior):
        return given
    return _preset(given) if given in presets() else load_prior(given)


@cache
def _preset(name: str) -> LayoutPrior:
    return load_prior(name)


def load_prior(name: str) -> LayoutPrior:
    """Return a preset (`structured`, `uniform`) or the prior that a YAML file describes.

    Raises:
        UsageError: There is neither such a preset nor such a file.
        SpecError: The file holds something else.
    """
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise UsageError.unknown("layout prior", name, presets())
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a YAML file: {' '.join(str(error).split())}.") from error
    return read(LayoutPrior, values, path.name)


def presets() -> tuple[str, ...]:
    """Return the names of the presets."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def cell_centers(compartment: Compartment, columns: int = COLUMNS) -> Float:
    """Return y of every column's centre, from right to left, (columns,) [m]."""
    width = (compartment.y_max_m - compartment.y_min_m) / columns
    return compartment.y_min_m + width * (np.arange(columns) + 0.5)


def target_span(compartment: Compartment) -> tuple[float, float]:
    """Return the smallest and largest y at which a target can be grasped [m]."""
    width = compartment.y_max_m - compartment.y_min_m
    side = SIDE_M if width > WIDE_M else min(NARROW_SIDE_M, 0.45 * width)
    return compartment.y_min_m + side, compartment.y_max_m - side


def posterior(
    cues: Cues,
    prior: LayoutPrior,
    region: SearchRegion,
    base: Mapping[str, float] | None = None,
    *,
    columns: int = COLUMNS,
) -> Float:
    """Return the probability of every cell given the cues, (compartments, columns), summing to one.

    Args:
        cues: The layout's cues.
        prior: Their strengths.
        region: The compartments.
        base: Share of targets in each compartment before any cue; None for shares in proportion to the width.
        columns: Cells across each compartment.
    """
    weights = np.zeros((len(region.compartments), columns))
    for index, compartment in enumerate(region.compartments):
        allowed = _allowed(compartment, columns)
        whole = compartment.y_max_m - compartment.y_min_m if base is None else base[compartment.name]
        score = _score(cues, prior, index, cell_centers(compartment, columns))
        weights[index] = whole * allowed / allowed.sum() * np.exp(score)
    return weights / weights.sum()


def draw_place(
    rng: np.random.Generator,
    cues: Cues,
    prior: LayoutPrior,
    region: SearchRegion,
    base: Mapping[str, float] | None = None,
) -> tuple[int, float]:
    """Draw the target's compartment (an index) and y [m] from the posterior."""
    weights = posterior(cues, prior, region, base)
    index, column = divmod(int(rng.choice(weights.size, p=weights.ravel())), weights.shape[1])
    compartment = region.compartments[index]
    center = cell_centers(compartment)[column]
    half = 0.5 * (compartment.y_max_m - compartment.y_min_m) / COLUMNS
    low, high = target_span(compartment)
    return index, float(rng.uniform(max(center - half, low), min(center + half, high)))


def _allowed(compartment: Compartment, columns: int) -> Float:
    """Return the share of each column in which a target may stand, (columns,)."""
    half = 0.5 * (compartment.y_max_m - compartment.y_min_m) / columns
    centers, (low, high) = cell_centers(compartment, columns), target_span(compartment)
    return np.clip(np.minimum(centers + half, high) - np.maximum(centers - half, low), 0.0, None) / (2.0 * half)


def _score(cues: Cues, prior: LayoutPrior, index: int, y_m: Float) -> Float:
    """Return the log weight that the cues add to each cell of a compartment, (columns,)."""
    if not cues.density:
        return np.zeros_like(y_m)
    flat = prior.ajar * GAIN["ajar"] * cues.ajar[index] + prior.density * GAIN["density"] * (
        cues.density[index] / max(cues.density)
    )
    near = _nearness([p.y_m for p in cues.companions if p.compartment == index], y_m, COMPANION_M)
    tall = _nearness([p.y_m for p in cues.tall if p.compartment == index], y_m, TALL_M)
    return flat + prior.companions * GAIN["companions"] * near + prior.tall_clutter * GAIN["tall_clutter"] * tall


def _nearness(places_m: list[float], y_m: Float, reach_m: float) -> Float:
    """Return 1 at the nearest of the places, falling to 0.37 at `reach_m`; 0 without any, (columns,)."""
    if not places_m:
        return np.zeros_like(y_m)
    distance = np.abs(y_m[:, None] - np.array(places_m)).min(axis=1)
    return np.exp(-((distance / reach_m) ** 2))


def entropy_bits(weights: Float) -> float:
    """Return the entropy of a distribution over cells [bit]."""
    positive = weights[weights > 0.0]
    return float(-(positive * np.log(positive)).sum() / math.log(2.0))
