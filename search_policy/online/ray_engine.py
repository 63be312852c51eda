"""Episodes on a Ray cluster: one Ray actor per worker, anywhere; the trained actor's files go through Ray's store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from robots.errors import BatonError, UsageError
from search_policy.episodes.rollout import SearchEpisode
from search_policy.online.engines import EPISODE_DEADLINE_S
from search_policy.online.stage import Stage
from search_policy.online.transport import PackedEpisode
from search_policy.online.worker import ActorFiles, EpisodeWorker


class RayEngine:
    """Workers of a Ray cluster: the one at `online.address`, the one this process is part of, or one on this machine.

    Args:
        stage: What the episodes run in; its world factory must be importable on every machine.

    Raises:
        UsageError: Ray is not installed, no cluster answers, or it has fewer cores than there are workers.
    """

    def __init__(self, stage: Stage) -> None:
        self._ray = ray = _import_ray()
        self._started = not ray.is_initialized()
        if self._started:
            _connect(ray, stage.online.address, stage.online.workers)
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < stage.online.workers:
            self.close()
            raise UsageError(f"online: {stage.online.workers} workers need as many cores; the Ray cluster has {cores}.")
        remote = ray.remote(num_cpus=1)(_RayWorker)
        self._workers: list[Any] = [remote.remote(stage) for _ in range(stage.online.workers)]

    def run(self, numbers: Sequence[int], actor: ActorFiles) -> Iterator[tuple[int, SearchEpisode]]:
        """Yield episodes as they end."""
        from ray.util import ActorPool

        stored = self._ray.put(dict(actor))
        pool = ActorPool(self._workers)
        for number in numbers:
            pool.submit(lambda worker, number: worker.run.remote(number, stored), number)
        try:
            while pool.has_next():
                number, episode = pool.get_next_unordered(timeout=EPISODE_DEADLINE_S)
                yield number, episode.unpack()
        except (self._ray.exceptions.RayError, TimeoutError) as error:
            raise BatonError(f"online: a Ray worker failed: {str(error).splitlines()[-1]}") from error

    def close(self) -> None:
        """End the workers, and leave the cluster if this engine joined it."""
        for worker in getattr(self, "_workers", ()):
            self._ray.kill(worker)
        self._workers = []
        if self._started:
            self._ray.shutdown()


class _RayWorker:
    """An `EpisodeWorker` that says which episode it returns."""

    def __init__(self, stage: Stage) -> None:
        self._worker = EpisodeWorker(stage)

    def run(self, number: int, actor: ActorFiles) -> tuple[int, PackedEpisode]:
        return number, PackedEpisode.of(self._worker.run(number, actor))


def _import_ray() -> Any:  # noqa: ANN401  Ray is an extra without types
    try:
        import ray
    except ImportError as error:
        raise UsageError("online: engine ray needs the extra `ray`: pip install 'baton[ray]'.") from error
    return ray


def _connect(ray: Any, address: str, workers: int) -> None:  # noqa: ANN401
    """Join the cluster at `address`, or start one on this machine with a core per worker."""
    common = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(address="local", num_cpus=workers, **common)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UsageError(f"online: the Ray cluster {address or 'of this machine'} does not answer: {error}") from error
