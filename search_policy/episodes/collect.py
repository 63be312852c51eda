"""Collect demonstrations from a deliberately imperfect scripted searcher, in parallel processes, in any scene."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from robots.errors import UsageError
from robots.processes import worker_pool
from search_policy.episodes.dataset import shards, write_shard
from search_policy.episodes.rollout import Rollout, RolloutConfig, SearchEpisode
from search_policy.episodes.simulator import SimulatedWorld, target_compartment
from search_policy.episodes.world import DetectorFactory, SegmentationDetector
from search_policy.learning.config import TRAIN_SEEDS, TWIST, CollectConfig
from search_policy.motion.viewpoints import View, candidate_views
from search_policy.observations import AgentState
from search_policy.searchers.choosers import Chooser, CoverageChooser, RandomChooser, SweepChooser
from search_policy.skill import SearchConfig
from search_policy.twist.demonstrations import demonstrating

DEMONSTRATION_NOISE = 0.8
SEEDS_PER_SHARD = 2000
SURVEYED = 200  # layouts at the start of a shard's seeds that tell which compartments hold targets at all


@dataclass(frozen=True, slots=True)
class Layout:
    """What one demonstration is about.

    Attributes:
        task: Task name.
        seed: Layout seed.
        target: The object looked for, or None for the task's usual one.
    """

    task: str
    seed: int
    target: str | None = None

    @property
    def name(self) -> str:
        """The task's name, with the target where one is named: `shelf_cabinet:duck`."""
        return self.task if self.target is None else f"{self.task}:{self.target}"


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


def scene_of_tasks(tasks: tuple[str, ...], targets: tuple[str, ...] = ()) -> str:
    """Return the one scene of these tasks: a run has one region, hence one set of candidate views.

    Raises:
        UsageError: A task or target is unknown, has no shelves, or the tasks take place in several scenes.
    """
    from robots.sim.tasks import find_task, searched_scene

    for task, target in itertools.product(tasks, targets or (None,)):
        find_task(task, target)
    scenes = {task: searched_scene(task) for task in tasks}
    if len(set(scenes.values())) > 1:
        listed = ", ".join(f"{task} in {scene}" for task, scene in scenes.items())
        raise UsageError(f"collect: the tasks of one run must share one scene, but {listed}.")
    return scenes[tasks[0]]


def shard_layouts(
    config: CollectConfig,
    shard: int,
    place_of: Callable[[Layout], int | None],
    wanted: Callable[[Layout], bool] = lambda layout: True,
) -> Iterator[Layout]:
    """Yield the layout of every demonstration of a shard.

    Tasks and targets take turns, and within each of them the compartments that hold targets.

    Args:
        config: Tasks, targets and first seed.
        shard: Its number; every shard draws from a block of seeds of its own.
        place_of: The compartment of a layout's target, or None for a layout that is not wanted.
        wanted: A slower check, made only where a layout is about to be taken.

    Raises:
        UsageError: The shard's seeds would leave the training range, or hold too few layouts.
    """
    first = config.seed + shard * SEEDS_PER_SHARD
    if first not in TRAIN_SEEDS or first + SEEDS_PER_SHARD - 1 not in TRAIN_SEEDS:
        raise UsageError(f"collect: shard {shard} needs layouts from seed {first}; the last one is {TRAIN_SEEDS[-1]}.")
    kinds = itertools.product(config.tasks, config.targets or (None,))
    streams = [_Balanced(task, target, first, place_of, wanted) for task, target in kinds]
    count = min(config.shard_episodes, config.episodes - shard * config.shard_episodes)
    for stream in itertools.islice(itertools.cycle(streams), count):
        yield stream.take()


class _Balanced:
    """The layouts of one task and target: its compartments in turn, rising seeds within each of them."""

    def __init__(
        self,
        task: str,
        target: str | None,
        first: int,
        place_of: Callable[[Layout], int | None],
        wanted: Callable[[Layout], bool],
    ) -> None:
        self._task, self._place_of, self._wanted = task, place_of, wanted
        self._layouts = (Layout(task, seed, target) for seed in range(first, first + SEEDS_PER_SHARD))
        self._waiting: dict[int, list[Layout]] = {}
        for layout in itertools.islice(self._layouts, SURVEYED):
            place = place_of(layout)
            if place is not None:
                self._waiting.setdefault(place, []).append(layout)
        self._turns = sorted(self._waiting)

    def take(self) -> Layout:
        """Return the next layout; a compartment whose layouts have run out loses its turns."""
        while self._turns:
            place = self._turns.pop(0)
            layout = self._next_of(place)
            if layout is not None:
                self._turns.append(place)
                return layout
        raise UsageError(f"collect: {SEEDS_PER_SHARD} layouts of {self._task} are too few for one shard.")

    def _next_of(self, place: int) -> Layout | None:
        waiting = self._waiting[place]
        while True:
            while not waiting:
                layout = next(self._layouts, None)
                if layout is None:
                    return None
                found = self._place_of(layout)
                if found in self._waiting:
                    self._waiting[found].append(layout)
            layout = waiting.pop(0)
            if self._wanted(layout):
                return layout


class Recorder:
    """Records demonstrations in a simulation of its own.

    Args:
        config: What to record.
        search: How the searcher looks around.
        seed: Of the searcher's randomness.

    Raises:
        UsageError: As `scene_of_tasks`.
    """

    def __init__(self, config: CollectConfig, search: SearchConfig, seed: int) -> None:
        scene = scene_of_tasks(config.tasks, config.targets)
        self._world = SimulatedWorld((config.wrist_px,) * 2, randomization=config.randomization, scene=scene)
        self._config = config
        chooser = MixtureChooser(candidate_views(self._world.region, search.views), config.mixture)
        limits = RolloutConfig(max_steps=config.max_steps, action_noise=config.action_noise)
        if config.action_space == TWIST:
            self._rollout = demonstrating(self._world, chooser, search, limits, config.twist, seed=seed)
        else:
            self._rollout = Rollout.build(self._world, chooser, search, limits, seed=seed)

    def layouts(self, shard: int) -> Iterator[Layout]:
        """Yield the shard's layouts, see `shard_layouts`."""
        return shard_layouts(self._config, shard, place_of if self._config.balanced else anywhere, self._hidden)

    def record(self, layout: Layout, detector: DetectorFactory) -> SearchEpisode:
        """Record one demonstration."""
        self._world.look_for(layout.target)
        episode = self._rollout.run(layout.task, layout.seed, detector)
        return replace(episode, task=layout.name)

    def close(self) -> None:
        """Free the graphics context."""
        self._world.close()

    def _hidden(self, layout: Layout) -> bool:
        if not self._config.hidden_only:
            return True
        self._world.look_for(layout.target)
        self._world.reset(layout.task, layout.seed)
        return self._world.truth().visible_px == 0


def place_of(layout: Layout) -> int | None:
    """Return the compartment of a layout's target, None when it is shut, without building a world."""
    from robots.sim.layout import sample_episode

    return target_compartment(sample_episode(layout.task, layout.seed, target=layout.target))


def anywhere(layout: Layout) -> int | None:
    """Return the same for every compartment, None when the target's is shut: layouts keep their own shares."""
    return None if place_of(layout) is None else 0


def collect_shard(
    folder: Path, shard: int, config: CollectConfig, search: SearchConfig, detector: DetectorFactory | None
) -> int:
    """Record one shard in a world of its own and return its number of decisions."""
    recorder = Recorder(config, search, config.seed + shard)
    detector = detector or SegmentationDetector(config.miss_rate, config.false_rate)
    episodes = [recorder.record(layout, detector) for layout in recorder.layouts(shard)]
    recorder.close()
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
        UsageError: The detector is missing, or the tasks are unknown or of several scenes.
    """
    if config.detector != "segmentation" and detector is None:
        raise UsageError(f"collect: the detector {config.detector!r} must be passed in.")
    scene_of_tasks(config.tasks, config.targets)
    root.mkdir(parents=True, exist_ok=True)
    done = {path.name for path in shards(root)}
    jobs = {number: f"shard-{number:04d}" for number in range(-(-config.episodes // config.shard_episodes))}
    waiting = {number: name for number, name in jobs.items() if name not in done}
    with (
        worker_pool(min(config.workers, max(len(waiting), 1))) as pool,
        tqdm(total=len(jobs), initial=len(jobs) - len(waiting), desc="shards", disable=None) as bar,
    ):
        futures = [
            pool.submit(collect_shard, root / name, number, config, search, detector)
            for number, name in waiting.items()
        ]
        for future in as_completed(futures):
            future.result()
            bar.update()
