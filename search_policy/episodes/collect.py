"""Collect demonstrations from a deliberately imperfect scripted searcher, in parallel processes."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from tqdm import tqdm

from robots.errors import UsageError
from search_policy.episodes.dataset import shards, write_shard
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.episodes.simulator import SimulatedWorld, target_shelf
from search_policy.episodes.world import DetectorFactory, SegmentationDetector
from search_policy.learning.config import TRAIN_SEEDS, CollectConfig
from search_policy.motion.viewpoints import View, candidate_views
from search_policy.observations import AgentState
from search_policy.searchers.choosers import Chooser, CoverageChooser, RandomChooser, SweepChooser
from search_policy.skill import SearchConfig

DEMONSTRATION_NOISE = 0.8
SHELVES = 3
SEEDS_PER_SHARD = 2000


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


def shard_layouts(
    config: CollectConfig, shard: int, shelf_of: Callable[[str, int], int | None]
) -> Iterator[tuple[str, int]]:
    """Yield (task, seed) for every demonstration of a shard: tasks in turn, and for each the target's shelves in turn.

    Args:
        config: Tasks and first seed.
        shard: Its number; every shard draws from a block of seeds of its own.
        shelf_of: The shelf of a layout's target, or None for a layout that is not wanted.

    Raises:
        UsageError: The shard's seeds would leave the training range.
    """
    first = config.seed + shard * SEEDS_PER_SHARD
    if first not in TRAIN_SEEDS or first + SEEDS_PER_SHARD - 1 not in TRAIN_SEEDS:
        raise UsageError(f"collect: shard {shard} needs layouts from seed {first}; the last one is {TRAIN_SEEDS[-1]}.")
    streams = [_balanced_seeds(task, first, shelf_of) for task in config.tasks]
    count = min(config.shard_episodes, config.episodes - shard * config.shard_episodes)
    for task, stream in itertools.islice(itertools.cycle(zip(config.tasks, streams, strict=True)), count):
        yield task, next(stream)


def collect_shard(
    folder: Path, shard: int, config: CollectConfig, search: SearchConfig, detector: DetectorFactory | None
) -> int:
    """Record one shard in a world of its own and return its number of decisions."""
    world = SimulatedWorld((config.wrist_px, config.wrist_px), randomization=config.randomization)

    def shelf_of(task: str, seed: int) -> int | None:
        if config.hidden_only:
            world.reset(task, seed)
            if world.truth().visible_px > 0:
                return None
        return target_shelf(task, seed)

    chooser = MixtureChooser(candidate_views(world.region, search.views), config.mixture)
    limits = RolloutConfig(max_steps=config.max_steps, action_noise=config.action_noise)
    rollout = Rollout.build(world, chooser, search, limits, seed=config.seed + shard)
    detector = detector or SegmentationDetector(config.miss_rate, config.false_rate)
    episodes = [rollout.run(task, seed, detector) for task, seed in shard_layouts(config, shard, shelf_of)]
    world.close()
    write_shard(folder, episodes)
    return sum(len(episode.decisions) - 1 for episode in episodes)


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
    root.mkdir(parents=True, exist_ok=True)
    done = {path.name for path in shards(root)}
    jobs = {number: f"shard-{number:04d}" for number in range(-(-config.episodes // config.shard_episodes))}
    waiting = {number: name for number, name in jobs.items() if name not in done}
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(min(config.workers, max(len(waiting), 1)), mp_context=context) as pool,
        tqdm(total=len(jobs), initial=len(jobs) - len(waiting), desc="shards", disable=None) as bar,
    ):
        futures = [
            pool.submit(collect_shard, root / name, number, config, search, detector)
            for number, name in waiting.items()
        ]
        for future in as_completed(futures):
            future.result()
            bar.update()


def _balanced_seeds(task: str, first: int, shelf_of: Callable[[str, int], int | None]) -> Iterator[int]:
    """Yield rising seeds; those whose shelf has had its turn wait in a queue for the next round."""
    waiting: list[list[int]] = [[] for _ in range(SHELVES)]
    seeds = iter(range(first, first + SEEDS_PER_SHARD))
    for wanted in itertools.cycle(range(SHELVES)):
        while not waiting[wanted]:
            seed = next(seeds, None)
            if seed is None:
                raise UsageError(f"collect: {SEEDS_PER_SHARD} layouts of {task} are too few for one shard.")
            shelf = shelf_of(task, seed)
            if shelf is not None:
                waiting[shelf].append(seed)
        yield waiting[wanted].pop(0)
