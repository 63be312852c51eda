"""What a cell leaves behind: one row per layout, durable as one JSON file per cell."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robots.errors import BatonError, UsageError
from robots.files import write_atomically
from robots.reading import read
from search_policy.experiment.config import ExperimentConfig
from search_policy.experiment.grid import Cell

FORMAT = "baton-experiment-cell/1"
CELLS, IDENTITY = "cells", "experiment.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One search of one layout; steps are control steps.

    Attributes:
        seed: Layout.
        found: Ended fixated on the true target.
        truncated: Cut off by the step limit.
        steps: Until it ended; the step limit when the target was not found.
        decisions: Decisions taken.
        false_fixations: Fixations that completed on something else.
        collisions: Steps in forbidden contact.
        seen: Steps with the target in view.
        floor: Steps with the camera steeply down.
        ceiling: Steps with the camera steeply up.
        idle: Longest stretch without anything new.
        coverage: Fraction of the region seen.
        visible_fraction: Share of the target that the best reachable view shows.
    """

    seed: int
    found: bool
    truncated: bool
    steps: int
    decisions: int
    false_fixations: int
    collisions: int
    seen: int
    floor: int
    ceiling: int
    idle: int
    coverage: float
    visible_fraction: float


@dataclass(frozen=True, slots=True)
class CellResult:
    """A finished cell.

    Attributes:
        cell: Which one.
        rows: Layouts in order, by appearance.
        curves: Rows of the training curves.
        train_cpu_s: CPU time of the training [s]; only of its last part when it was continued.
        evaluation_cpu_s: CPU time of the evaluation [s].
    """

    cell: Cell
    rows: dict[str, tuple[Row, ...]]
    curves: tuple[dict[str, float], ...] = field(default_factory=tuple)
    train_cpu_s: float = 0.0
    evaluation_cpu_s: float = 0.0


def claim(config: ExperimentConfig) -> None:
    """Write down what the run folder's cells are, or check that they are the same.

    Raises:
        UsageError: The folder belongs to another configuration, or no folder is named.
    """
    if not config.out:
        raise UsageError("experiment: name the folder of the run with --out.")
    folder = Path(config.out)
    path, identity = folder / IDENTITY, json.loads(json.dumps(config.identity()))
    if path.is_file():
        stored = _json(path)
        changed = _first_difference(identity, stored)
        if changed:
            raise UsageError(f"{folder} holds an experiment with another {changed}; choose another --out.")
        return
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds other files than an experiment's; choose another --out.")
    (folder / CELLS).mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(identity, indent=2) + "\n").encode())


def path_of(folder: Path, cell: Cell) -> Path:
    """Return where a finished cell lies."""
    return folder / CELLS / f"{cell.name}.json"


def save(folder: Path, result: CellResult) -> None:
    """Write a finished cell; the file appears whole or not at all."""
    path = path_of(folder, result.cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps({"format": FORMAT, **asdict(result)}) + "\n").encode())


def load(folder: Path, cell: Cell) -> CellResult | None:
    """Return a finished cell, or None.

    Raises:
        BatonError: Its file is damaged, or another cell's.
    """
    path = path_of(folder, cell)
    if not path.is_file():
        return None
    stored = _json(path)
    if stored.pop("format", None) != FORMAT:
        raise BatonError(f"{path} is not a cell of format {FORMAT}; delete it to do the cell again.")
    result = read(CellResult, stored, str(path))
    if result.cell != cell:
        raise BatonError(f"{path} holds another cell, {result.cell.name}; delete it to do the cell again.")
    return result


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BatonError(f"{path} cannot be read: {error}; delete it to do that part again.") from error
    if not isinstance(values, dict):
        raise BatonError(f"{path} holds no JSON object; delete it to do that part again.")
    return values


def _first_difference(ours: dict[str, Any], stored: dict[str, Any], prefix: str = "") -> str:
    """Return the dotted name of the first value that differs, or an empty text."""
    for name in sorted({*ours, *stored}):
        one, other = ours.get(name), stored.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            found = _first_difference(one, other, f"{prefix}{name}.")
            if found:
                return found
        elif one != other:
            return f"{prefix}{name} ({other!r}, not {one!r})"
    return ""
