"""Who does the cells: this process, worker processes that keep their worlds, or the workers of a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from robots.errors import BatonError, UsageError
from robots.processes import end_with_parent, worker_pool
from search_policy.experiment.config import ExperimentConfig
from search_policy.experiment.grid import Cell

LOGS = "log"
Work = Callable[[ExperimentConfig, Cell], str]


def run_cells(work: Work, config: ExperimentConfig, todo: Sequence[Cell]) -> Iterator[str]:
    """Yield the name of every cell that `work` has done; a cell is durable before its name comes.

    Args:
        work: Does one cell; importable by its name.
        config: Engine, workers and what the cells are about.
        todo: Cells, the first ones first.

    Raises:
        BatonError: A worker died.
        UsageError: Ray is not installed.
    """
    if config.engine == "ray":
        yield from _on_ray(work, config, todo)
    elif config.workers == 1 or len(todo) == 1:
        for cell in todo:
            yield work(config, cell)
    else:
        yield from _in_processes(work, config, todo)


def _in_processes(work: Work, config: ExperimentConfig, todo: Sequence[Cell]) -> Iterator[str]:
    logs = Path(config.out) / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    workers = min(config.workers, max(len(todo), 1))
    # One process per worker for the whole run: compiled worlds and loaded demonstrations stay.
    with worker_pool(workers, _begin, (logs,)) as pool:
        try:
            for future in as_completed([pool.submit(work, config, cell) for cell in todo]):
                yield future.result()
        except BrokenProcessPool as error:
            raise BatonError(
                f"A worker process died, see {logs}; finished cells are kept: run the same command again."
            ) from error
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _begin(logs: Path) -> None:
    """Set a worker process up: its messages go to a file, and it ends when the process that started it does."""
    log = os.open(logs / f"worker-{os.getpid()}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    end_with_parent()


def _on_ray(work: Work, config: ExperimentConfig, todo: Sequence[Cell]) -> Iterator[str]:
    try:
        import ray
    except ImportError as error:
        raise UsageError("experiment: engine ray needs the extra `ray`: pip install 'baton[ray]'.") from error
    started = not ray.is_initialized()
    if started:
        place = {"address": config.address} if config.address else {"address": "local", "num_cpus": config.workers}
        ray.init(**place, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        # Ray reuses its worker processes, so compiled worlds and loaded demonstrations stay here too.
        remote = ray.remote(num_cpus=1, max_retries=0)(work).remote
        waiting = [remote(config, cell) for cell in todo]
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            yield from ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, BatonError):
            raise cause from error
        raise BatonError(f"A Ray worker failed: {str(error).splitlines()[-1]}; finished cells are kept.") from error
    finally:
        if started:
            ray.shutdown()
