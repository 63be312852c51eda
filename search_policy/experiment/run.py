"""Run a comparison: record what is missing of the demonstrations, then do the cells that are not done yet."""

from __future__ import annotations

import json
from pathlib import Path

from tqdm import tqdm

from robots.errors import UsageError
from robots.sim.randomization import load_randomization
from robots.sim.tasks import find_task
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


def check(config: ExperimentConfig) -> None:
    """Refuse what no cell could be done with, before any is begun.

    Raises:
        UsageError: A task or preset does not exist, a training cannot be combined, or demonstrations are missing.
    """
    for task in config.tasks:
        find_task(task)
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
        UsageError: The folder belongs to another configuration, or `check` refuses something.
        BatonError: A worker died, or a finished cell's file is damaged.
    """
    check(config)
    claim(config)
    folder = Path(config.out)
    if not config.report_only:
        mine = part_of(config)
        todo = [cell for cell in mine if not path_of(folder, cell).is_file()]
        record(config, todo)
        with tqdm(total=len(mine), initial=len(mine) - len(todo), desc="cells", unit="cell", disable=None) as bar:
            for name in run_cells(work, config, todo):
                bar.set_postfix_str(name, refresh=False)
                bar.update()
    return finished(config)


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
