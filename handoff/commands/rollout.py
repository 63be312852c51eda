"""`baton rollout`: search episodes in simulation with any searcher, in processes or on a Ray cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handoff import console
from handoff.commands.jobs import Row, each, read_rows, to_lines, workers
from handoff.commands.options import option_lines, parse_options
from handoff.shipped import shipped_policy
from robots.errors import UsageError
from robots.files import write_atomically
from robots.run_claim import CONFIG, claim, differences, read_config
from robots.statistics import wilson

ROWS, SUMMARY = "episodes.jsonl", "summary.json"
ENGINES = ("process", "ray")
BATCH = 8  # episodes per job: a kill loses at most the batches in progress
BOOTSTRAP_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """Options of `baton rollout`.

    Raises:
        UsageError: A value is out of range, or a name does not exist.
    """

    # How to search: search, twist, likely, sweep, coverage, coverage-prior, random, oracle or rush
    method: str = "coverage"
    # Task whose layouts are drawn
    task: str = "bookshelf_pineapple"
    # Object to look for instead of the task's usual target: any graspable class, for instance mug
    target: str = ""
    # Layouts
    episodes: int = 100
    # Seed of the first layout; 100000 to 199999 are for validation, the test layouts start at 200000
    seed_base: int = 100_000
    # Control steps after which an episode is cut off
    max_steps: int = 400
    # Processes or Ray actors that run episodes
    workers: int = 2
    # What runs them: process (this machine) or ray (a Ray cluster, or a local one that is started)
    engine: str = "process"
    # What varies besides the layout: none, train, shifted, extreme, or a YAML file
    randomization: str = "none"
    # Share of views of the target that the detector misses, and of frames with a false detection
    miss_rate: float = 0.05
    false_rate: float = 0.05
    # Folder of a trained search policy, for --method search, likely or twist; empty for the shipped one
    policy: str = ""
    # Folder of the rows and the summary; finished episodes in it are kept
    out: str = ""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError.unknown("engine", self.engine, ENGINES)
        for name, least in {"episodes": 1, "seed_base": 0, "max_steps": 1, "workers": 1}.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        if not (0.0 <= self.miss_rate < 1.0 and 0.0 <= self.false_rate < 1.0):
            raise UsageError("miss_rate and false_rate must lie in [0, 1).")
        if not self.out:
            raise UsageError("rollout: name the folder of the results with --out.")

    @property
    def seeds(self) -> range:
        """The layouts' seeds."""
        return range(self.seed_base, self.seed_base + self.episodes)

    @property
    def policy_folder(self) -> Path:
        """Where the learned search's weights are; none are needed by most methods.

        Raises:
            UsageError: The method needs them, none is named, and no shipped policy knows the task.
        """
        learned = self.method in ("search", "likely", "twist")
        return Path(self.policy) if self.policy or not learned else shipped_policy(self.task, self.target)

    def identity(self) -> dict[str, Any]:
        """What makes rows comparable: everything but how many episodes there are, and where and how they run."""
        apart = ("out", "workers", "engine", "episodes", "seed_base")
        return {name: value for name, value in asdict(self).items() if name not in apart}


def help_lines(_command: str) -> list[str]:
    """The options of `RolloutOptions`."""
    return option_lines(RolloutOptions)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Parse, run what is missing, and print the summary.

    Raises:
        UsageError: A name does not exist, the folder belongs to other options, or Ray is not installed.
    """
    from robots.sim.randomization import load_randomization
    from robots.sim.tasks import find_task, searched_scene
    from search_policy.searchers.methods import find_method

    options = parse_options(RolloutOptions, arguments)
    find_task(options.task, options.target or None)
    searched_scene(options.task)
    find_method(options.method)
    _ = options.policy_folder  # refuses a task that no shipped policy knows
    load_randomization(options.randomization)
    summary = rollout(options)
    for text in summary_lines(options, summary):
        console.line(text)
    return 0


def rollout(options: RolloutOptions) -> dict[str, Any]:
    """Run the missing episodes, write rows ordered by seed and the summary, and return the summary.

    Raises:
        UsageError: The folder belongs to other options, or Ray is not installed.
        OSError: The folder cannot be written.
    """
    folder = Path(options.out)
    _claim(folder, options)
    rows = {row["seed"]: row for row in read_rows(folder / ROWS)}
    write_atomically(folder / ROWS, to_lines(rows.values()).encode())
    missing = [seed for seed in options.seeds if seed not in rows]
    batches = [tuple(missing[start : start + BATCH]) for start in range(0, len(missing), BATCH)]
    engine = _on_ray if options.engine == "ray" else _in_processes
    begun = time.perf_counter()
    new: list[Row] = []
    with (
        (folder / ROWS).open("a") as file,
        console.progress(options.episodes, options.episodes - len(missing)) as bar,
    ):
        for batch in engine(options, batches) if batches else ():
            new.extend(batch)
            file.write(to_lines(batch))
            file.flush()
            bar.update(len(batch))
    took_s = time.perf_counter() - begun
    rows.update({row["seed"]: row for row in new})
    write_atomically(folder / ROWS, to_lines(rows[seed] for seed in sorted(rows)).encode())
    summary = summarize([rows[seed] for seed in options.seeds], options.max_steps)
    summary["steps_per_s"] = sum(row["steps"] for row in new) / took_s if new else None
    write_atomically(folder / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def run_batch(options: RolloutOptions, seeds: Sequence[int]) -> list[Row]:
    """Run these layouts in a world of their own and return one row each."""
    from robots.sim.layout import target_posterior
    from robots.sim.tasks import scene_of
    from search_policy.episodes.rollout import RolloutConfig
    from search_policy.episodes.simulator import SimulatedWorld
    from search_policy.episodes.world import SegmentationDetector
    from search_policy.searchers.methods import Searcher, SearcherConfig
    from search_policy.skill import SearchConfig

    world = SimulatedWorld((168, 168), randomization=options.randomization, scene=scene_of(options.task))
    try:
        limits = RolloutConfig(max_steps=options.max_steps)
        world.look_for(options.target or None)
        config = SearcherConfig(options.method, SearchConfig(), limits, options.policy_folder)
        detector = SegmentationDetector(options.miss_rate, options.false_rate)
        searcher = Searcher(world, config, detector, target_posterior)
        return [_row(searcher.run(options.task, seed)) for seed in seeds]
    finally:
        world.close()


def summarize(rows: Sequence[Row], max_steps: int) -> dict[str, Any]:
    """Return success with its Wilson interval, steps with a bootstrap interval, and contacts.

    An episode without a find counts as `max_steps`.
    """
    steps = np.array([row["steps"] if row["found"] else max_steps for row in rows], dtype=float)
    found = sum(row["found"] for row in rows)
    draws = np.random.default_rng(0).integers(len(rows), size=(BOOTSTRAP_DRAWS, len(rows)))
    low, high = np.percentile(steps[draws].mean(axis=1), [2.5, 97.5])
    touched = sum(row["contacts"] > 0 for row in rows)
    return {
        "episodes": len(rows),
        "found": found,
        "found_share": [found / len(rows), *(wilson(found, len(rows)) or ())],
        "median_steps": float(np.median(steps)),
        "mean_steps": [float(steps.mean()), float(low), float(high)],
        "contact_steps": sum(row["contacts"] for row in rows),
        "episodes_with_contact": touched,
        "contact_share": [touched / len(rows), *(wilson(touched, len(rows)) or ())],
        "false_fixations": sum(row["false_fixations"] for row in rows),
    }


def summary_lines(options: RolloutOptions, summary: dict[str, Any]) -> list[str]:
    """The summary as text."""
    share, low, high = (100 * value for value in summary["found_share"])
    mean, least, most = summary["mean_steps"]
    speed = summary["steps_per_s"]
    return [
        f"{options.method} on {options.task}: layouts {options.seeds[0]} to {options.seeds[-1]}, 95 % intervals",
        f"found     {share:.1f} % [{low:.1f}, {high:.1f}]  ({summary['found']} of {summary['episodes']})",
        f"steps     mean {mean:.1f} [{least:.1f}, {most:.1f}], median {summary['median_steps']:.0f}",
        f"contacts  {summary['contact_steps']} control periods in {summary['episodes_with_contact']} episodes",
        *([f"speed     {speed:.1f} steps/s"] if speed is not None else []),
        f"rows      {Path(options.out) / ROWS}",
    ]


def _row(episode: Any) -> Row:  # noqa: ANN401 - a SearchEpisode, which is imported in the workers only
    return {
        "seed": episode.seed,
        "found": episode.found,
        "steps": episode.steps,
        "contacts": episode.collisions,
        "truncated": episode.truncated,
        "decisions": len(episode.decisions) - 1,
        "false_fixations": episode.false_fixations,
    }


def _in_processes(options: RolloutOptions, batches: Sequence[tuple[int, ...]]) -> Iterator[list[Row]]:
    with workers(min(options.workers, len(batches))) as pool:
        yield from each(pool, options, run_batch, batches)


def _on_ray(options: RolloutOptions, batches: Sequence[tuple[int, ...]]) -> Iterator[list[Row]]:
    try:
        import ray
    except ImportError as error:
        raise UsageError("The ray engine needs Ray: pip install 'baton[ray]', or use --engine process.") from error
    started = not ray.is_initialized()
    if started:
        ray.init(address="local", num_cpus=options.workers, include_dashboard=False, log_to_driver=False)
    try:
        remote: Callable[..., Any] = ray.remote(num_cpus=1, max_retries=0)(run_batch).remote
        waiting = [remote(options, batch) for batch in batches]
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            yield from ray.get(ready)
    finally:
        if started:
            ray.shutdown()


def _claim(folder: Path, options: RolloutOptions) -> None:
    """Write down what the folder's rows are, or check that they are the same."""
    path, identity = folder / CONFIG, options.identity()
    if path.is_file():
        for name, held, given in differences(read_config(path), identity):
            raise UsageError(f"{folder} holds episodes with {name} {held!r}, not {given!r}; choose another --out.")
    claim(folder, identity)
