"""Rounds on disk: one durable shard of episodes per round, and the actor that ran them beside it.

A round is a function of its number and its actor. A shard appears by renaming once it is whole, so a killed round is
collected again, with the same layouts, draws and actor: the same episodes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from robots.errors import CheckpointError
from robots.files import write_atomically
from search_policy.episodes.dataset import load_frames, write_shard
from search_policy.learning.checkpoint import CONFIG
from search_policy.learning.replay import Frames
from search_policy.online.config import OnlineConfig
from search_policy.online.engines import Engine
from search_policy.online.worker import read_actor

SUMMARY = "summary.json"
Export = Callable[[Path], None]


class Rounds:
    """The rounds of one run.

    Args:
        config: How many episodes, in which rounds.
        root: Folder of the rounds; each has one of its own, `round-0003/`.
        engine: Called for the engine when there is something to collect.
    """

    def __init__(self, config: OnlineConfig, root: Path, engine: Callable[[], Engine]) -> None:
        self._config, self._root, self._engine = config, root, engine

    def read(self, number: int) -> Frames:
        """Return a finished round.

        Raises:
            CheckpointError: It is not there: somebody deleted it after it was trained on.
        """
        folder = self._folder(number)
        if not self._shard(number).is_dir():
            raise CheckpointError(f"{folder} holds no finished round, but the run was trained on it; delete the run.")
        return load_frames(folder)

    def collect(self, number: int, export: Export) -> Frames:
        """Collect a round unless it is there already, and return it.

        Args:
            number: The round.
            export: Writes the actor into a folder.

        Raises:
            CheckpointError: The finished round is another actor's.
        """
        folder = self._folder(number)
        exported, fresh = folder / "actor", folder / "actor.part"
        shutil.rmtree(fresh, ignore_errors=True)
        export(fresh)
        if not self._shard(number).is_dir():
            shutil.rmtree(exported, ignore_errors=True)
            os.replace(fresh, exported)
            self._collect(number, exported)
        elif _hash_of(exported) != _hash_of(fresh):
            raise CheckpointError(f"{folder} was collected by another actor than this run's; delete the run.")
        shutil.rmtree(fresh, ignore_errors=True)
        return load_frames(folder)

    def note(self, number: int, frames: Frames) -> dict[str, float]:
        """Write the round's figures into the summary and return them."""
        path = self._root / SUMMARY
        rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
        figures = summary_of(frames)
        rows = [*(row for row in rows if row["round"] < number), {"round": number, **figures}]
        write_atomically(path, (json.dumps(rows, indent=1) + "\n").encode())
        return figures

    def _collect(self, number: int, exported: Path) -> None:
        first = number * self._config.episodes_per_round
        numbers = range(first, first + self._config.episodes_of(number))
        ended = {}
        with tqdm(total=len(numbers), desc=f"round {number}", disable=None, leave=False) as bar:
            for done, episode in self._engine().run(numbers, read_actor(exported)):
                ended[done] = episode
                bar.update()
        write_shard(self._shard(number), [ended[done] for done in numbers])

    def _folder(self, number: int) -> Path:
        return self._root / f"round-{number:04d}"

    def _shard(self, number: int) -> Path:
        return self._folder(number) / "shard-0000"


def summary_of(frames: Frames) -> dict[str, float]:
    """Return the figures of a round: episodes, found, mean control steps, decisions, and those that people took.

    Every episode ends with a frame without a decision.
    """
    episodes = np.unique(frames.episode)
    return {
        "episodes": len(episodes),
        "found": int(frames.found.sum()),
        "mean_steps": float(frames.steps.sum() / len(episodes)),
        "decisions": len(frames) - len(episodes),
        "interventions": int(frames.intervention.sum()),
    }


def _hash_of(exported: Path) -> str | None:
    try:
        described: dict[str, Any] = json.loads((exported / CONFIG).read_text())
    except (OSError, json.JSONDecodeError):
        return None
    return str(described.get("sha256"))
