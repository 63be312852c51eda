"""What there is to learn from a layout's cues: the search of exact beliefs against orders that ignore the cues.

Run `python -m benchmarks.layout_gain`; it takes some minutes and needs no renderer. For every task, and for the priors
`structured`, `uniform` and each cue alone, it prints with 95 % bootstrap intervals over layouts

- `looks`: expected looks until the target is found. `coverage` looks in an order that knows nothing, `fixed` in the
  one order that is best over all layouts, `optimal` in the order that is best given the layout's cues.
- `seconds`: the same with the time of the motions. `coverage` takes the tour that is quickest for a target that may be
  anywhere, `fixed` the one that is quickest over all layouts, `optimal` the one that is quickest given the cues.
- `gain`: by how much `optimal` is below `fixed`, that is what only reading the cues can win.
- `bits`: by how much the cues lower the entropy of the target's look.

A look is a straight view of `search_policy.motion.viewpoints`. Assumptions: the cues are known from the start; one
look shows the target if it stands in the columns nearest to the view's aim; a shut door costs no time to open; the
motions are straight, from rest to rest, at the mover's limits, and begin before the middle of the furniture.
`fixed` is fitted on one half of the layouts and judged on the other, both ways round. Timed orders of more than ten
looks are local optima. Expectations are taken over the target's place given the cues, so intervals are over cues
alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from benchmarks.report import Row, arguments, publish
from robots.region import SearchRegion
from robots.sim.furniture import find_furniture
from robots.sim.layout import sample_episode
from robots.sim.layouts import bayes
from robots.sim.layouts.prior import UNIFORM, LayoutPrior, cell_centers, load_prior, posterior
from robots.sim.tasks import TASKS, find_setting, scene_of
from robots.statistics import bootstrap
from robots.types import Float
from search_policy.motion.geometry import look_at
from search_policy.motion.mover import MoverConfig
from search_policy.motion.travel import travel_s
from search_policy.motion.viewpoints import View, ViewConfig, candidate_views

FIRST_SEED = 100_000
DWELL_S = 0.35  # a look itself, as the coverage searcher reckons
BEFORE_M = 0.30  # where the search begins, before the middle of the furniture's face
RESAMPLES = 2_000
EXACT_UP_TO = 10  # looks; orders of more are improved step by step


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """The looks of one task.

    Attributes:
        views: One straight view per look.
        shares: Which cell is cleared by which look, (compartments * columns, l), each row with a single one.
        seconds: Motion and look, (l + 1, l); the last row is for the start.
    """

    views: tuple[View, ...]
    shares: Float
    seconds: Float

    @classmethod
    def of(cls, region: SearchRegion) -> Looks:
        """Return the looks of a region."""
        views = candidate_views(region, ViewConfig(obliques=0))
        owners = []
        for index, compartment in enumerate(region.compartments):
            mine = [i for i, view in enumerate(views) if view.shelf == index]
            aims = np.array([views[i].aim_m[1] for i in mine])
            nearest = np.abs(cell_centers(compartment)[:, None] - aims).argmin(axis=1)
            owners += [mine[int(view)] for view in nearest]
        return cls(views, np.eye(len(views))[owners], _seconds(region, views))


def _seconds(region: SearchRegion, views: tuple[View, ...]) -> Float:
    middle = np.array(
        [region.front_x_m, 0.5 * (region.y_min_m + region.y_max_m), 0.5 * (region.floor_z_m + region.top_z_m)]
    )
    poses = [*(view.camera_to_world for view in views), look_at(middle - np.array([BEFORE_M, 0.0, 0.0]), middle)]
    limits = MoverConfig()
    return DWELL_S + np.array([[travel_s(a, view.camera_to_world, limits) for view in views] for a in poses])


def priors() -> dict[str, LayoutPrior]:
    """Return the presets, and each cue alone at its full strength."""
    alone = {
        f"only_{field.name}": LayoutPrior(**{other.name: float(other is field) for other in fields(LayoutPrior)})
        for field in fields(LayoutPrior)
    }
    return {"structured": load_prior("structured"), "uniform": UNIFORM, **alone}


def measure_task(task: str, layouts: int, motions: int) -> Iterator[Row]:
    """Return the rows of one task: looks over `layouts` layouts, times over the first `motions` of them."""
    setting, region = find_setting(task), find_furniture(scene_of(task)).region
    cues = [sample_episode(task, FIRST_SEED + i, randomization="none").cues for i in range(layouts)]
    looks = Looks.of(region)
    yield Row(f"{task}.looks", len(looks.views), "looks")
    for name, prior in priors().items():
        if name == "only_ajar" and not any(place.closure for place in region.compartments):
            continue  # nothing that could stand ajar
        found = np.array([posterior(c, prior, region, setting.base).ravel() @ looks.shares for c in cues])
        yield from _rows(f"{task}.{name}.looks", *looks_needed(found), "looks")
        told = _entropy(found.mean(axis=0)) - float(np.mean([*map(_entropy, found)]))
        yield Row(f"{task}.{name}.bits", max(told, 0.0), "bit")
        yield from _rows(f"{task}.{name}.seconds", *seconds_needed(found[:motions], looks.seconds), "s")


def looks_needed(found: Float) -> tuple[Float, Float, Float]:
    """Return the expected looks of coverage, the best fixed order and the best order, (n,) each.

    Args:
        found: Probability that each look finds the target, (n, l).
    """
    optimal = np.array([bayes.expected_looks(bayes.likeliest_first(p), p) for p in found])
    fixed = _cross_fitted(found, bayes.likeliest_first, bayes.expected_looks)
    return np.full(len(found), 0.5 * (found.shape[1] + 1)), fixed, optimal


def seconds_needed(found: Float, seconds: Float) -> tuple[Float, Float, Float]:
    """Return the expected seconds of the quickest tour, the best fixed order and the best order, (n,) each.

    Args:
        found: Probability that each look finds the target, (n, l).
        seconds: Of every motion and look, (l + 1, l).
    """

    def cost(order: bayes.Order, probability: Float) -> Float:
        return bayes.expected_cost(order, probability, seconds)

    def best(probability: Float) -> bayes.Order:
        if len(probability) <= EXACT_UP_TO:
            return bayes.exact_order(probability, seconds)
        return bayes.cheapest_order(probability, seconds, tours)

    tours: list[bayes.Order] = []
    tour = best(np.full(found.shape[1], 1.0 / found.shape[1]))
    tours.append(tour)
    optimal = [cost(best(p), p) for p in found]
    return np.array([cost(tour, p) for p in found]), _cross_fitted(found, best, cost), np.array(optimal)


def _cross_fitted(
    found: Float, fit: Callable[[Float], bayes.Order], cost: Callable[[bayes.Order, Float], Float]
) -> Float:
    """Return each layout's expected cost of the order that is best on average over the other half, (n,)."""
    even = np.arange(len(found)) % 2 == 0
    orders = {half: fit(found[even != half].mean(axis=0)) for half in (True, False)}
    return np.array([cost(orders[bool(half)], p) for half, p in zip(even, found, strict=True)])


def _rows(name: str, coverage: Float, fixed: Float, optimal: Float, unit: str) -> Iterator[Row]:
    for label, values in (("coverage", coverage), ("fixed", fixed), ("optimal", optimal), ("gain", fixed - optimal)):
        low, high = bootstrap([*map(float, values)], np.mean, resamples=RESAMPLES) or (np.nan, np.nan)
        yield Row(f"{name}.{label}", float(values.mean()), unit)
        yield Row(f"{name}.{label}.low", low, unit)
        yield Row(f"{name}.{label}.high", high, unit)


def _entropy(probability: Float) -> float:
    positive = probability[probability > 0.0]
    return float(-(positive * np.log2(positive)).sum())


def main() -> int:
    """Measure and publish."""
    tasks = [task for task in TASKS if scene_of(task) != "koch"]
    parser = arguments(__doc__ or "")
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=tasks, help="which tasks")
    parser.add_argument("--layouts", type=int, default=2_000, help="layouts per task")
    parser.add_argument("--motions", type=int, default=300, help="layouts per task whose motions are timed, too")
    options = parser.parse_args()
    rows = [row for task in options.tasks for row in measure_task(task, options.layouts, options.motions)]
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
