"""What a method's searches amount to: success, steps, path lengths, and how they fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.sim.layout import OCCLUSION
from robots.statistics import Interval, spl, wilson
from search_policy.experiment.results import Row

DRAWS = 4000
TOUCHING = 15  # control steps in contact from which an episode counts as one with collisions: one second
DRIFTING = 75  # control steps without anything new from which it counts as drifting: five seconds
STARING = 1 / 3  # share of an episode with the camera steeply up or down from which it counts as staring
GLIMPSE = 2  # control steps with the target in view from which it counts as seen
CAUSES = (
    *("collisions", "seen, never fixated", "staring at the floor", "staring at the ceiling"),
    *("drift", "gave up", "time-out"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Searches of one method in one setting and appearance.

    Attributes:
        rows: By training seed, then by layout; every seed has the same layouts in the same order.
    """

    rows: tuple[tuple[Row, ...], ...]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Success, (s, l)."""
        return np.array([[row.found for row in run] for run in self.rows])

    @property
    def steps(self) -> NDArray[np.float64]:
        """Control steps, a failure counting as the step limit, (s, l)."""
        return np.array([[row.steps for row in run] for run in self.rows], dtype=np.float64)

    @property
    def flat(self) -> list[Row]:
        """All rows."""
        return [row for run in self.rows for row in run]


def crossed_bootstrap(values: NDArray[Any], *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Return the 95 % interval of the mean over training seeds and layouts, both drawn with replacement.

    Every seed searches the same layouts, so the two factors are crossed and drawn independently
    (Owen 2007, "The pigeonhole bootstrap"). It is conservative where both vary.

    Args:
        values: (s, l).
        draws: Resamples.
        seed: Of the resamples.
    """
    rng = np.random.default_rng(seed)
    seeds, layouts = values.shape
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    of_layouts = rng.multinomial(layouts, np.full(layouts, 1 / layouts), size=draws) / layouts
    means = ((of_seeds @ values.astype(np.float64)) * of_layouts).sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def cause_of(row: Row) -> str:
    """Return why a search failed, the first of `CAUSES` that fits, or an empty text where it did not."""
    if row.found:
        return ""
    behaviours = behaviours_of(row)
    return next((name for name in CAUSES if name in behaviours), "time-out" if row.truncated else "gave up")


def behaviours_of(row: Row) -> set[str]:
    """Return the faulty behaviours of a search, whether it succeeded or not."""
    steep, steps = row.floor + row.ceiling, max(row.steps, 1)
    staring = steep >= STARING * steps
    tests = {
        "collisions": row.collisions >= TOUCHING,
        "seen, never fixated": row.seen >= GLIMPSE and not row.found,
        "staring at the floor": staring and row.floor >= row.ceiling,
        "staring at the ceiling": staring and row.floor < row.ceiling,
        "drift": row.idle >= DRIFTING,
    }
    return {name for name, fits in tests.items() if fits}


def describe(sample: Sample, oracle: Sample | None) -> dict[str, Any]:
    """Return the measures of a sample as plain values.

    Args:
        sample: A method's searches.
        oracle: The oracle's on the same layouts, for SPL; None where it has not run.
    """
    rows, found, steps = sample.flat, sample.found, sample.steps
    hits = int(found.sum())
    low, high = wilson(hits, len(rows)) or (0.0, 1.0)
    causes = [cause_of(row) for row in rows]
    behaviours = [behaviours_of(row) for row in rows]
    return {
        "seeds": len(sample.rows),
        "layouts": found.shape[1],
        "found": hits,
        "searches": len(rows),
        "success": [hits / len(rows), low, high],
        "success_crossed_ci95": list(crossed_bootstrap(found)),
        "steps": [float(steps.mean()), *crossed_bootstrap(steps)],
        "steps_median": float(np.median(steps)),
        "steps_p90": float(np.percentile(steps, 90)),
        "spl": _spl(sample, oracle),
        "decisions": float(np.mean([row.decisions for row in rows])),
        "collision_steps": sum(row.collisions for row in rows),
        "false_fixations": sum(row.false_fixations for row in rows),
        "causes": {name: causes.count(name) for name in CAUSES},
        "behaviours": {name: sum(name in shown for shown in behaviours) for name in CAUSES[:5]},
        "occlusion": {name: _bin(rows, *span) for name, span in OCCLUSION.items()},
    }


def _spl(sample: Sample, oracle: Sample | None) -> float | None:
    if oracle is None:
        return None
    best = {row.seed: row.steps for row in oracle.flat if row.found}
    rows = sample.flat
    return spl([row.found for row in rows], [row.steps for row in rows], [best.get(row.seed) for row in rows])


def _bin(rows: Sequence[Row], low: float, high: float) -> dict[str, Any] | None:
    """Return success and steps where the target's best visible share lies in [low, high), None without layouts."""
    chosen = [row for row in rows if low <= row.visible_fraction < high]
    if not chosen:
        return None
    hits = sum(row.found for row in chosen)
    return {
        "searches": len(chosen),
        "found": hits,
        "success": [hits / len(chosen), *(wilson(hits, len(chosen)) or ())],
        "steps": float(np.mean([row.steps for row in chosen])),
    }
