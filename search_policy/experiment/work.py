"""Do one cell: train where there is something to learn, then search every layout; worlds and data outlive the cell."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from robots.curves import read_curves
from robots.errors import UsageError
from robots.sim.tasks import scene_of
from search_policy.episodes.dataset import load_frames
from search_policy.episodes.rollout import RolloutConfig, SearchEpisode
from search_policy.episodes.world import SegmentationDetector
from search_policy.experiment.config import ExperimentConfig
from search_policy.experiment.grid import RUNS, Cell, data_folder, search_config, train_config
from search_policy.experiment.results import CellResult, Row, save
from search_policy.experiment.watch import WatchedWorld
from search_policy.learning.config import TWIST
from search_policy.learning.replay import Frames
from search_policy.learning.trainer import ACTOR, CHECKPOINTS, train_on
from search_policy.searchers.methods import Searcher, SearcherConfig
from search_policy.skill import SearchConfig


def do_cell(config: ExperimentConfig, cell: Cell) -> str:
    """Do a cell, write its file, and return its name.

    Raises:
        UsageError: There are too few demonstrations, or the training cannot be combined.
    """
    begun = time.process_time()
    policy = train(config, cell) if cell.learned else None
    trained = time.process_time()
    rows = {name: tuple(evaluate(config, cell, name, policy)) for name in config.appearances}
    done = time.process_time()
    run = Path(config.out) / RUNS / cell.name
    result = CellResult(
        cell=cell,
        rows=rows,
        curves=tuple(_finite(row) for row in read_curves(run)),
        train_cpu_s=round(trained - begun, 2),
        evaluation_cpu_s=round(done - trained, 2),
    )
    save(Path(config.out), result)
    shutil.rmtree(run / CHECKPOINTS, ignore_errors=True)  # the cell is durable: nothing is left to resume
    return cell.name


def train(config: ExperimentConfig, cell: Cell) -> Path:
    """Train a learned cell, from its newest checkpoint where it was begun, and return the actor's folder.

    Raises:
        UsageError: There are too few demonstrations.
    """
    place = cell.setting
    folder = data_folder(config, place.task, place.action_space)
    return train_on(train_config(config, cell), first_episodes(_frames(folder, place.action_space), cell, folder))


def first_episodes(frames: Frames, cell: Cell, folder: Path) -> Frames:
    """Return a cell's share of the demonstrations: the first episodes, so that smaller sets are parts of larger ones.

    Raises:
        UsageError: There are fewer.
    """
    episodes, wanted = np.unique(frames.episode), cell.setting.demonstrations
    if len(episodes) < wanted:
        raise UsageError(f"{folder} holds {len(episodes)} demonstrations of {cell.setting.task}, not {wanted}.")
    return frames.select(episodes[:wanted])


def evaluate(config: ExperimentConfig, cell: Cell, appearance: str, policy: Path | None) -> Iterator[Row]:
    """Search every layout and yield its row.

    Args:
        config: Layouts and limits.
        cell: Task and method.
        appearance: Randomisation of the layouts.
        policy: Folder of the trained actor; None for a scripted searcher.
    """
    task = cell.setting.task
    search = search_config(config, task) if cell.learned else replace(config.train.search, insight="")
    world = _world(config.train.collect.wrist_px, appearance, scene_of(task), search)
    kind = cell.method if policy is None else "twist" if cell.setting.action_space == TWIST else "search"
    limits = RolloutConfig(max_steps=config.max_steps)
    collect = config.train.collect
    detector = SegmentationDetector(collect.miss_rate, collect.false_rate)
    searcher = Searcher(world, SearcherConfig(kind, search, limits, policy or Path(ACTOR)), detector)
    for seed in config.layout_seeds:
        yield _row(searcher.run(task, seed), world, config.max_steps)


def _row(episode: SearchEpisode, world: WatchedWorld, max_steps: int) -> Row:
    watch, spec = world.watch, world.spec
    assert spec is not None, "the layout was searched"
    return Row(
        seed=episode.seed,
        found=episode.found,
        truncated=episode.truncated,
        steps=episode.steps if episode.found else max_steps,
        decisions=len(episode.decisions) - 1,
        false_fixations=episode.false_fixations,
        collisions=episode.collisions,
        seen=watch.seen,
        floor=watch.floor,
        ceiling=watch.ceiling,
        idle=watch.idle,
        coverage=round(watch.coverage, 4),
        visible_fraction=round(spec.visible_fraction, 4),
    )


@lru_cache(maxsize=1)
def _frames(folder: Path, action_space: str) -> Frames:
    """The demonstrations of the task in work: cells of one task follow each other."""
    return load_frames(folder, action_space)


@lru_cache(maxsize=4)
def _world(wrist_px: int, appearance: str, scene: str, search: SearchConfig) -> WatchedWorld:
    """A world is compiled once per process, not per cell."""
    return WatchedWorld((wrist_px, wrist_px), randomization=appearance, scene=scene, search=search)


def _finite(row: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if math.isfinite(value)}
