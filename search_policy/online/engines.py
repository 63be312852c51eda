"""Who runs the episodes of a round: worker processes that keep their worlds, or the workers of a Ray cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from robots.errors import BatonError
from search_policy.episodes.rollout import SearchEpisode
from search_policy.online.stage import Stage
from search_policy.online.transport import PackedEpisode
from search_policy.online.worker import ActorFiles, EpisodeWorker

EPISODE_DEADLINE_S = 600.0  # an episode takes seconds; building a worker's world takes up to a minute


class Engine(Protocol):
    """Runs episodes somewhere."""

    def run(self, numbers: Sequence[int], actor: ActorFiles) -> Iterator[tuple[int, SearchEpisode]]:
        """Yield number and outcome of these episodes, in any order.

        Raises:
            BatonError: A worker died, or an episode never ended.
        """
        ...

    def close(self) -> None:
        """End the workers."""
        ...


EngineFactory = Callable[[Stage], Engine]


def engine_of(stage: Stage) -> Engine:
    """Return the engine that the stage's configuration names.

    Raises:
        UsageError: Ray is not installed, or the cluster is too small or does not answer.
    """
    if stage.online.engine == "ray":
        from search_policy.online.ray_engine import RayEngine

        return RayEngine(stage)
    return ProcessEngine(stage)


class ProcessEngine:
    """Worker processes of this machine; each builds its world once.

    Args:
        stage: What the episodes run in.
    """

    def __init__(self, stage: Stage) -> None:
        self._pool = ProcessPoolExecutor(
            stage.online.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(stage,),
        )

    def run(self, numbers: Sequence[int], actor: ActorFiles) -> Iterator[tuple[int, SearchEpisode]]:
        """Yield episodes as they end."""
        waiting = {self._pool.submit(_run, number, dict(actor)): number for number in numbers}
        try:
            for future in as_completed(waiting, timeout=EPISODE_DEADLINE_S * len(numbers)):
                yield waiting[future], future.result().unpack()
        except (BrokenProcessPool, TimeoutError) as error:
            raise BatonError(f"online: a worker process died or hung ({error}); finished rounds are kept.") from error
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the processes; what they were doing is waited for, what was only queued is dropped."""
        self._pool.shutdown(cancel_futures=True)


_workers: list[EpisodeWorker] = []  # of a worker process: its only one


def _begin(stage: Stage) -> None:
    _workers.append(EpisodeWorker(stage))


def _run(number: int, actor: dict[str, bytes]) -> PackedEpisode:
    return PackedEpisode.of(_workers[0].run(number, actor))
