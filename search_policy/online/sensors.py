"""Privileged sensors that fade: the critic loses entries episode by episode, and is told which ones are left.

A critic that has learned with everything the simulation knows is led towards what a robot can measure: the share of
episodes that have an entry falls from 1 to a floor. An episode has an entry or lacks it as a whole, for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_policy.learning.aawr import DecisionBatch
from search_policy.learning.replay import Frames
from search_policy.observations import ObsGroups
from search_policy.online.config import SensorConfig

HINT = "views_with_target"  # the entry that `DecisionBatch.hint` is read from
DEMONSTRATIONS, ONLINE, HELD_OUT = 0, 1, 2  # numbers of the data sets


def share_present(config: SensorConfig, update: int) -> float:
    """Return the share of episodes that have an entry at this update of critic and actor: 1, then linear, then floor.

    Args:
        config: Start, end and floor.
        update: Updates of critic and actor done before, offline ones included.
    """
    if update >= config.end:
        return config.floor
    passed = max(update - config.start, 0) / max(config.end - config.start, 1)
    return 1.0 - (1.0 - config.floor) * passed


def sensor_draws(seed: int, source: int, episodes: int, entries: int) -> NDArray[np.float64]:
    """Return the numbers that decide which entries an episode keeps, (episodes, entries) in [0, 1).

    An entry is present where its number lies below the share: what was taken away stays away while the share falls.
    More episodes extend the table and leave its first rows as they are.

    Args:
        seed: Of the run.
        source: Number of the data set: `DEMONSTRATIONS`, `ONLINE` or `HELD_OUT`.
        episodes: Rows.
        entries: Privileged entries.
    """
    return np.random.default_rng([seed, source]).random((episodes, entries))


def hide(batch: DecisionBatch, present: Tensor, widths: Sequence[int], hint: int | None) -> DecisionBatch:
    """Return the batch with absent entries set to zero, followed by one presence flag per entry.

    Args:
        batch: Its privileged vectors have `sum(widths)` numbers, (b, o).
        present: Which entries each decision's episode has, (b, e) bool.
        widths: Numbers of each entry, (e,).
        hint: Index of the entry that `batch.hint` is read from, or None where it is none.

    Returns:
        Privileged vectors (b, o + e).
    """
    columns = present.repeat_interleave(torch.tensor(widths), dim=1)
    flags = present.to(batch.privileged.dtype)
    hints = batch.hints
    if hint is not None and hints is not None:
        hints = torch.where(present[:, hint, None], hints, 0.0)
    seen = batch.hint if hint is None else torch.where(present[:, hint], batch.hint, 0.0)
    return replace(
        batch,
        privileged=torch.cat([torch.where(columns, batch.privileged, 0.0), flags], dim=1),
        next_privileged=torch.cat([torch.where(columns, batch.next_privileged, 0.0), flags], dim=1),
        hint=seen,
        hints=hints,
    )


class FadingSensors:
    """Hides entries of one data set's batches.

    Args:
        frames: The data set.
        groups: What the critic sees.
        seed: Of the run.
        source: Number of the data set, see `sensor_draws`.
        share: Called for the share of episodes that have an entry now.
    """

    def __init__(
        self, frames: Frames, groups: ObsGroups, *, seed: int, source: int, share: Callable[[], float]
    ) -> None:
        keys = groups.critic
        self._widths = [getattr(frames, key).shape[1] for key in keys]
        self._hint = keys.index(HINT) if HINT in keys else None
        episodes = int(frames.episode.max(initial=-1)) + 1
        self._draws = torch.from_numpy(sensor_draws(seed, source, episodes, len(keys)))
        self._share = share

    def apply(self, batch: DecisionBatch, episode: Tensor) -> DecisionBatch:
        """Return the batch as the critic may see it now.

        Args:
            batch: Decisions with all entries.
            episode: Of each decision, (b,).
        """
        return hide(batch, self._draws[episode] < self._share(), self._widths, self._hint)
