"""Paired evaluation on validation layouts: every method sees the same layouts; numbers come with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from robots.errors import UsageError
from robots.processes import worker_pool
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.episodes.simulator import SimulatedWorld
from search_policy.episodes.world import DetectorFactory, SegmentationDetector
from search_policy.motion.viewpoints import View, candidate_views
from search_policy.searchers.choosers import Chooser, CoverageChooser, PolicyChooser, RandomChooser, SweepChooser
from search_policy.skill import SearchConfig

SCRIPTED = ("sweep", "coverage", "random")
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Method:
    """A way to search.

    Attributes:
        name: For the table.
        folder: Exported actor; empty for the scripted method of that name.
    """

    name: str
    folder: str = ""

    def chooser(self, views: Sequence[View]) -> Chooser:
        """Build the chooser.

        Raises:
            UsageError: No scripted method has that name.
            CheckpointError: The actor cannot be loaded.
        """
        if self.folder:
            return PolicyChooser.load(Path(self.folder))
        scripted: dict[str, Chooser] = {
            "sweep": SweepChooser(views),
            "coverage": CoverageChooser(),
            "random": RandomChooser(),
        }
        if self.name not in scripted:
            raise UsageError.unknown("search method", self.name, scripted)
        return scripted[self.name]


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Which layouts, and how.

    Attributes:
        tasks: Task names.
        seeds: Layout seeds, the same for every method.
        max_steps: Control steps after which an episode is cut off; a failure counts as that many.
        wrist_px: Width and height of the wrist image.
        randomization: What varies besides the layout: a preset's name or a YAML file's path.
        search: How the skill looks around.
        detector: Makes the detectors.
    """

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    max_steps: int = 400
    wrist_px: int = 168
    randomization: str = "train"
    search: SearchConfig = field(default_factory=SearchConfig)
    detector: DetectorFactory = field(default_factory=SegmentationDetector)


@dataclass(frozen=True, slots=True)
class Score:
    """One method on one layout."""

    method: str
    task: str
    seed: int
    found: bool
    steps: int
    decisions: int
    false_fixations: int
    collisions: int


def evaluate(methods: Sequence[Method], config: EvaluationConfig, workers: int = 1) -> list[Score]:
    """Run every method on every layout of every task; layouts are split over the workers."""
    parts = [config.seeds[number::workers] for number in range(workers)]
    jobs = [(tuple(methods), config, part) for part in parts if part]
    if workers == 1:
        return [score for job in jobs for score in evaluate_seeds(*job)]
    with worker_pool(workers) as pool:
        futures = [pool.submit(evaluate_seeds, *job) for job in jobs]
        return [score for future in futures for score in future.result()]


def evaluate_seeds(methods: Sequence[Method], config: EvaluationConfig, seeds: Sequence[int]) -> list[Score]:
    """Run the methods on these layouts in one world."""
    world = SimulatedWorld((config.wrist_px, config.wrist_px), randomization=config.randomization)
    views = candidate_views(world.region, config.search.views)
    limits = RolloutConfig(max_steps=config.max_steps)
    scores = []
    for method in methods:
        rollout = Rollout.build(world, method.chooser(views), config.search, limits, seed=seeds[0])
        for task in config.tasks:
            for seed in seeds:
                episode = rollout.run(task, seed, config.detector)
                scores.append(
                    Score(
                        method=method.name,
                        task=task,
                        seed=seed,
                        found=episode.found,
                        steps=episode.steps if episode.found else config.max_steps,
                        decisions=len(episode.decisions) - 1,
                        false_fixations=episode.false_fixations,
                        collisions=episode.collisions,
                    )
                )
    world.close()
    return scores


def summarize(scores: Sequence[Score], reference: str, draws: int = 4000) -> dict[str, Any]:
    """Return, per method, success with a Wilson interval, steps with bootstrap intervals, and paired differences.

    Args:
        scores: Of all methods on the same layouts.
        reference: The method that the others are compared with.
        draws: Bootstrap draws over layouts.
    """
    layouts = sorted({(score.task, score.seed) for score in scores})
    table = {(score.method, score.task, score.seed): score for score in scores}
    methods = list(dict.fromkeys(score.method for score in scores))
    steps = {name: np.array([table[name, *layout].steps for layout in layouts], dtype=float) for name in methods}
    picks = np.random.default_rng(0).integers(len(layouts), size=(draws, len(layouts)))
    summary = {}
    for name in methods:
        rows = [table[name, *layout] for layout in layouts]
        found = sum(row.found for row in rows)
        wilson = binomtest(found, len(rows)).proportion_ci(LEVEL, method="wilson")
        summary[name] = {
            "layouts": len(rows),
            "found": found,
            "success": [found / len(rows), wilson.low, wilson.high],
            "mean_steps": _interval(steps[name], picks),
            "median_steps": float(np.median(steps[name])),
            "p90_steps": float(np.percentile(steps[name], 90)),
            "decisions": float(np.mean([row.decisions for row in rows])),
            "collisions": sum(row.collisions for row in rows),
            "steps_against_" + reference: _interval(steps[name] - steps[reference], picks),
        }
    return summary


def table_of(summary: dict[str, Any], reference: str) -> str:
    """Return the summary as a Markdown table."""
    lines = [
        f"| method | success % (Wilson 95 %) | mean steps (bootstrap 95 %) | median | p90 | minus {reference} |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in summary.items():
        rate, low, high = (100 * value for value in row["success"])
        mean, least, most = row["mean_steps"]
        gap, gap_low, gap_high = row["steps_against_" + reference]
        cells = (
            f"{name} ({row['found']}/{row['layouts']})",
            f"{rate:.1f} [{low:.1f}, {high:.1f}]",
            f"{mean:.1f} [{least:.1f}, {most:.1f}]",
            f"{row['median_steps']:.0f}",
            f"{row['p90_steps']:.0f}",
            f"{gap:+.1f} [{gap_low:+.1f}, {gap_high:+.1f}]",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(values: NDArray[np.float64], picks: NDArray[np.int64]) -> list[float]:
    """Return the mean with its percentile bootstrap interval."""
    means = values[picks].mean(axis=1)
    low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return [float(values.mean()), float(low), float(high)]
