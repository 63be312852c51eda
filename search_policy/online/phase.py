"""The online phase of a training run: collect a round, update on mixed batches, and again.

It adds no state to the run's checkpoint: which rounds there are follows from the number of updates done, the rounds
are durable, and what is drawn comes from the run's own sampler. So a killed run ends bit-identically.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from search_policy.episodes.world import DetectorFactory
from search_policy.learning.aawr import DecisionBatch
from search_policy.learning.batches import DecisionSource
from search_policy.learning.config import TrainConfig
from search_policy.learning.replay import Frames
from search_policy.online.buffer import draw_rows, extend, join, split_batch
from search_policy.online.engines import Engine, engine_of
from search_policy.online.rounds import Export, Rounds
from search_policy.online.sensors import FadingSensors, share_present
from search_policy.online.stage import Stage, simulated_stage

FOLDER = "online"
SourceOf = Callable[[Frames], DecisionSource]


class OnlinePhase:
    """What happens after the offline updates.

    Args:
        config: The run.
        stage: Called for what the episodes run in, once there is something to collect.
        engine: Called with that for who runs them.
    """

    def __init__(
        self,
        config: TrainConfig,
        stage: Callable[[], Stage],
        engine: Callable[[Stage], Engine] = engine_of,
    ) -> None:
        self._run, self._config = config, config.online
        self._stage, self._make_engine = stage, engine
        self._rounds = Rounds(config.online, Path(config.out) / FOLDER, self._started)
        self._engine: Engine | None = None
        self._read = 0
        self._frames: Frames | None = None
        self._source: DecisionSource | None = None
        self._figures: dict[str, float] = {}

    @classmethod
    def simulated(cls, config: TrainConfig, detector: DetectorFactory | None = None) -> OnlinePhase:
        """Return the phase that collects in the simulation.

        Args:
            config: The run.
            detector: See `collect.collect`.

        Raises:
            UsageError: As `simulated_stage`, when episodes are asked for: before anything is trained.
        """
        stage = partial(simulated_stage, config, detector)
        if config.online.episodes:
            stage()
        return cls(config, stage)

    @property
    def figures(self) -> dict[str, float]:
        """The newest round's figures, for the curves."""
        return {f"online_{name}": value for name, value in self._figures.items()}

    def prepare(self, update: int, export: Export, source_of: SourceOf) -> None:
        """See to it that the rounds due by this update are in the buffer.

        Args:
            update: Online updates done.
            export: Writes the actor as it is now.
            source_of: Makes a source of decisions from the buffer's frames.

        Raises:
            CheckpointError: A round that the run was trained on is gone, or was another actor's.
            BatonError: A worker died.
        """
        per_round = self._config.episodes_per_round * self._config.updates_per_episode
        due = update // per_round
        if due < self._read:
            return
        for number in range(self._read, due + 1):
            begins = number * per_round == update
            frames = self._rounds.collect(number, export) if begins else self._rounds.read(number)
            self._frames = extend(self._frames, frames, self._config.capacity)
            self._figures = self._rounds.note(number, frames)
        self._read = due + 1
        assert self._frames is not None
        self._source = source_of(self._frames)

    def batch(self, demonstrations: DecisionSource, size: int, sampler: np.random.Generator) -> DecisionBatch:
        """Return a batch, its first part from the demonstrations and its second from the online buffer.

        Args:
            demonstrations: The offline data.
            size: Decisions.
            sampler: Draws them.
        """
        assert self._source is not None, "prepare first"
        first, second = split_batch(size, self._config.demonstration_share, len(self._source))
        old = draw_rows(sampler, len(demonstrations), first)
        new = draw_rows(sampler, len(self._source), second)
        return join(demonstrations.batch(old), self._source.batch(new))

    def sense[S: DecisionSource](self, source: S, frames: Frames, number: int, learned: Callable[[], int]) -> S:
        """Return the source with the sensors that fade, where the run asks for it.

        Args:
            source: Of these frames.
            frames: A data set.
            number: Of the data set, see `sensors.sensor_draws`.
            learned: Called for the updates of critic and actor done.
        """
        fading = self._config.sensors
        if fading.fades:
            source.sensors = FadingSensors(
                frames,
                self._run.groups,
                seed=self._run.seed,
                source=number,
                share=lambda: share_present(fading, learned()),
            )
        return source

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _started(self) -> Engine:
        if self._engine is None:
            self._engine = self._make_engine(self._stage())
        return self._engine
