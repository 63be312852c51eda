"""Collect demonstrations from a deliberately imperfect scripted searcher, in parallel processes."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from robots.errors import UsageError
from search_policy.choosers import Chooser, CoverageChooser, RandomChooser, SweepChooser
from search_policy.config import TRAIN_SEEDS, CollectConfig
from search_policy.dataset import shards, write_shard
from search_policy.observations import AgentState
from search_policy.rollout import Rollout, RolloutConfig
from search_policy.simulator import SimulatedWorld, target_shelf
from search_policy.skill import SearchConfig
from search_policy.viewpoints import View, candidate_views
from search_policy.world import DetectorFactory, SegmentationDetector

DEMONSTRATION_NOISE = 0.8
SHELVES = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """One demonstration to record."""

    task: str
    seed: int


class MixtureChooser:
    """Draws one searcher per episode: random order, noisy coverage order, or sweep.

    Args:
        views: The candidate views.
        mixture: Shares of the three.
    """

    def __init__(self, views: tuple[View, ...], mixture: tuple[float, float, float]) -> None:
        self._mixture = mixture
        self._choosers: tuple[Chooser, ...] = (
            RandomChooser(),
            CoverageChooser(noise=DEMONSTRATION_NOISE),
            SweepChooser(views),
        )
        self._chosen: Chooser = self._choosers[0]

    def reset(self, rng: np.random.Generator) -> None:
        """Draw this episode's searcher."""
        self._chosen = self._choosers[int(rng.choice(3, p=self._mixture))]
        self._chosen.reset(rng)

    def choose(self, state: AgentState) -> int:
        """Let the episode's searcher choose."""
        return self._chosen.choose(state)


def balanced_layouts(config: CollectConfig, shelf_of: Callable[[str, int], int] = target_shelf) -> list[Layout]:
    """Return `config.episodes` layouts: tasks in turn, and for each task the target's shelves in turn.

    Args:
        config: Tasks, first seed and number.
        shelf_of: The shelf on which a layout's target stands.

    Raises:
        UsageError: The seeds would leave the training range.
    """
    streams = {task: _balanced_seeds(task, config.seed, shelf_of) for task in config.tasks}
    turns = itertools.islice(itertools.cycle(config.tasks), config.episodes)
    layouts = [Layout(task, next(streams[task])) for task in turns]
    if max(layout.seed for layout in layouts) not in TRAIN_SEEDS or config.seed < 0:
        raise UsageError(f"collect: layout seeds must stay within 0 and {TRAIN_SEEDS[-1]}; begin at a smaller seed.")
    return layouts


def collect_shard(
    folder: Path, layouts: list[Layout], config: CollectConfig, search: SearchConfig, detector: DetectorFactory | None
) -> tuple[int, int]:
    """Record one shard in a world of its own and return (decisions, found)."""
    world = SimulatedWorld((config.wrist_px, config.wrist_px))
    chooser = MixtureChooser(candidate_views(world.region, search.views), config.mixture)
    limits = RolloutConfig(max_steps=config.max_steps, action_noise=config.action_noise)
    rollout = Rollout.build(world, chooser, search, limits, seed=layouts[0].seed)
    detector = detector or SegmentationDetector(config.miss_rate, config.false_rate)
    episodes = [rollout.run(layout.task, layout.seed, detector) for layout in layouts]
    world.close()
    write_shard(folder, episodes)
    return sum(len(episode.decisions) - 1 for episode in episodes), sum(episode.found for episode in episodes)


def collect(config: CollectConfig, search: SearchConfig, root: Path, detector: DetectorFactory | None = None) -> None:
    """Record all demonstrations under `root`; finished shards are kept, so a killed run continues.

    Args:
        config: What to record.
        search: How the searcher looks around.
        root: Folder of the shards.
        detector: A module-level factory, needed when `config.detector` is not `segmentation`.

    Raises:
        UsageError: The detector is missing.
    """
    if config.detector != "segmentation" and detector is None:
        raise UsageError(f"collect: the detector {config.detector!r} must be passed in.")
    layouts = balanced_layouts(config)
    root.mkdir(parents=True, exist_ok=True)
    done = {path.name for path in shards(root)}
    jobs = {
        f"shard-{number:04d}": layouts[start : start + config.shard_episodes]
        for number, start in enumerate(range(0, len(layouts), config.shard_episodes))
    }
    waiting = {name: job for name, job in jobs.items() if name not in done}
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(min(config.workers, max(len(waiting), 1)), mp_context=context) as pool,
        tqdm(total=len(layouts), desc="demonstrations", disable=None) as bar,
    ):
        bar.update(len(layouts) - sum(map(len, waiting.values())))
        futures = {
            pool.submit(collect_shard, root / name, job, config, search, detector): len(job)
            for name, job in waiting.items()
        }
        for future in as_completed(futures):
            future.result()
            bar.update(futures[future])


def _balanced_seeds(task: str, first: int, shelf_of: Callable[[str, int], int]) -> Iterator[int]:
    """Yield rising seeds; those whose shelf has had its turn wait in a queue for the next round."""
    waiting: list[list[int]] = [[] for _ in range(SHELVES)]
    seeds = itertools.count(first)
    for wanted in itertools.cycle(range(SHELVES)):
        while not waiting[wanted]:
            seed = next(seeds)
            waiting[shelf_of(task, seed)].append(seed)
        yield waiting[wanted].pop(0)
