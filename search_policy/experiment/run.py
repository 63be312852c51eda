"""Run a comparison: record what is missing of the demonstrations, then do the cells that are not done yet."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from robots.errors import UsageError
from robots.sim.randomization import load_randomization
from robots.sim.tasks import searched_scene
from search_policy.episodes.collect import collect
from search_policy.episodes.dataset import shards
from search_policy.experiment.config import ExperimentConfig
from search_policy.experiment.engines import Work, run_cells
from search_policy.experiment.grid import (
    Cell,
    cells,
    collect_config,
    data_folder,
    part_of,
    recorded,
    search_config,
    train_config,
)
from search_policy.experiment.results import CellResult, claim, load, path_of
from search_policy.experiment.work import do_cell
from search_policy.semantics.storage import CONFIG as INSIGHT


def check(config: ExperimentConfig) -> None:
    """Refuse what no cell could be done with, before any is begun.

    Raises:
        UsageError: A task or preset does not exist, a training cannot be combined, or demonstrations are missing.
    """
    for task in config.tasks:
        searched_scene(task)
    for name in config.appearances:
        load_randomization(name)
    for cell in cells(config):
        if cell.learned:
            train_config(config, cell)


def run(config: ExperimentConfig, work: Work = do_cell) -> list[CellResult]:
    """Do this machine's cells that are not done yet, and return every finished cell of the folder.

    Args:
        config: The comparison.
        work: Does one cell.

    Raises:
        UsageError: The folder belongs to another configuration, another process works in it, an insight is missing, or
            `check` refuses something.
        BatonError: A worker died, or a finished cell's file is damaged.
    """
    check(config)
    claim(config)
    if not config.report_only:
        with alone(config):
            _do(config, work)
    return finished(config)


def _do(config: ExperimentConfig, work: Work) -> None:
    mine = part_of(config)
    todo = [cell for cell in mine if not path_of(Path(config.out), cell).is_file()]
    require_insights(config, todo)
    record(config, todo)
    with tqdm(total=len(mine), initial=len(mine) - len(todo), desc="cells", unit="cell", disable=None) as bar:
        for name in run_cells(work, config, todo):
            bar.set_postfix_str(name, refresh=False)
            bar.update()


@contextmanager
def alone(config: ExperimentConfig) -> Iterator[None]:
    """Hold a machine's part of the run folder; the system lets go of it when the process ends, however it ends.

    Raises:
        UsageError: Another process holds it.
    """
    path = Path(config.out) / f"part-{config.shard.replace('/', '-of-')}.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"experiment: another process does part {config.shard} of {config.out}; wait for it, "
                "or give each its own --shard."
            ) from error
        yield


def require_insights(config: ExperimentConfig, todo: list[Cell]) -> None:
    """Refuse trainings whose insight is missing, before anything is recorded for them.

    Raises:
        UsageError: A folder holds no insight.
    """
    for task in sorted({cell.setting.task for cell in todo if cell.learned}):
        folder = search_config(config, task).insight
        if folder and not (Path(folder) / INSIGHT).is_file():
            raise UsageError(
                f"experiment: {folder} holds no insight for {task}; train one with "
                f"`baton fit-insight --tasks {task} --out {folder}`, or name another with --train.search.insight."
            )


def finished(config: ExperimentConfig) -> list[CellResult]:
    """Return the finished cells of the configuration, in its order.

    Raises:
        BatonError: A file is damaged.
    """
    results = (load(Path(config.out), cell) for cell in cells(config))
    return [result for result in results if result is not None]


def record(config: ExperimentConfig, todo: list[Cell]) -> None:
    """Record the demonstrations that the cells need and that are not there.

    Raises:
        UsageError: A given folder holds fewer than asked for.
    """
    learned = sorted({(cell.setting.task, cell.setting.action_space) for cell in todo if cell.learned})
    for task, space in learned:
        folder, wanted = data_folder(config, task, space), collect_config(config, task, space)
        if config.data:
            _require(folder, max(config.demonstrations))
        elif len(shards(folder)) < -(-recorded(config) // wanted.shard_episodes):
            collect(wanted, search_config(config, task), folder)


def _require(folder: Path, wanted: int) -> None:
    found = sum(json.loads((path / "meta/info.json").read_text())["total_episodes"] for path in shards(folder))
    if found < wanted:
        raise UsageError(
            f"{folder} holds {found} demonstrations, but {wanted} are asked for; "
            "ask for fewer, or leave out --data to have them recorded."
        )
