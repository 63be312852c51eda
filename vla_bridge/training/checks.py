"""What a dataset must hold before a policy is trained on it; every mistake is one sentence that names the column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from robots.errors import UsageError
from robots.grasp_action import ACTION_DIM, ACTION_NAMES, GRIPPER, REFUSE
from vla_bridge.training.config import PRIVILEGED, GeneralistConfig

if TYPE_CHECKING:
    from vla_bridge.training.memory import FramesInMemory

ACTION, INFO = "action", "meta/info.json"
SHAPES: Mapping[str, tuple[int, ...]] = {
    "observation.images.wrist": (96, 96, 3),
    "observation.images.third_person": (96, 128, 3),
    "observation.state": (8,),
    ACTION: (ACTION_DIM,),
    "privileged.target_px": (3,),
}
BETWEEN_0_AND_1 = (ACTION_NAMES[GRIPPER], ACTION_NAMES[REFUSE])


def check_folder(folder: Path) -> None:
    """Check that a folder can hold a dataset, before LeRobot looks for it in the network.

    Raises:
        UsageError: It holds none.
    """
    if not (folder / INFO).is_file():
        raise UsageError(f"{folder} holds no LeRobot dataset: {INFO} is missing; baton collect-grasps records one.")


def check_columns(features: Mapping[str, Mapping[str, Any]], inputs: Sequence[str], folder: str) -> None:
    """Check that the wanted columns are there, in the shapes of the simulated arm's data, and nothing privileged is.

    Args:
        features: Of the dataset's metadata.
        inputs: The wanted columns, beside the action.
        folder: The dataset's, for messages.

    Raises:
        UsageError: A column is missing, has another shape or other names, or leaks what a robot cannot know.
    """
    for key in features:
        if key.startswith("observation") and PRIVILEGED in key:
            raise UsageError(f"{folder}: {key} is privileged and must not be named observation.")
    for key in (*inputs, ACTION):
        if key not in features:
            raise UsageError.unknown("column", key, features, where=folder)
    for key, shape in SHAPES.items():
        if key in features and tuple(features[key]["shape"]) != shape:
            found = tuple(features[key]["shape"])
            raise UsageError(f"{folder}: {key} has the shape {found} instead of {shape}.")
    names = _flat(features[ACTION].get("names"))
    if names != ACTION_NAMES:
        raise UsageError(f"{folder}: action is named {', '.join(names)} instead of {', '.join(ACTION_NAMES)}.")


def check_alike(features: Sequence[Mapping[str, Any]], folders: Sequence[str]) -> None:
    """Check that several datasets have the same columns.

    Raises:
        UsageError: One has a column that another lacks.
    """
    for other, folder in zip(features, folders, strict=True):
        if differing := sorted(set(features[0]) ^ set(other)):
            raise UsageError(f"{folders[0]} and {folder} cannot be joined: only one of them has {differing[0]}.")


def check_selection(fps: float, episodes: int, config: GeneralistConfig, folder: str) -> None:
    """Check the rate, and that there are episodes left to train on.

    Raises:
        UsageError: They do not fit.
    """
    if fps != config.fps:
        raise UsageError(f"{folder} was recorded at {fps} Hz instead of {config.fps} Hz.")
    wanted = max(config.episodes, 1) + config.held_out
    if episodes < wanted:
        raise UsageError(
            f"{folder} holds {episodes} episodes, but {wanted} are needed: --episodes {config.episodes} "
            f"to train on (0 takes all) and --held_out {config.held_out}."
        )


def check_values(frames: FramesInMemory, config: GeneralistConfig) -> None:
    """Check that every number is finite, and that what is open or closed lies between 0 and 1.

    Raises:
        UsageError: One is not; names the column and the first such episode and frame, counted over all datasets.
    """
    data = ", ".join(config.dataset)
    for key, values in frames.values.items():
        if values.is_floating_point():
            _refuse(frames, ~torch.isfinite(values), f"{data}: {key} is not finite")
    for name in BETWEEN_0_AND_1:
        column = frames.values[ACTION][:, ACTION_NAMES.index(name)]
        _refuse(frames, (column < 0.0) | (column > 1.0), f"{data}: {name} of action is not within 0 and 1")


def _refuse(frames: FramesInMemory, wrong: torch.Tensor, sentence: str) -> None:
    rows = wrong.flatten(1).any(1) if wrong.ndim > 1 else wrong
    if bool(rows.any()):
        row = int(rows.nonzero()[0])
        episode, frame = int(frames.values["episode_index"][row]), int(frames.values["frame_index"][row])
        raise UsageError(f"{sentence} in {int(rows.sum())} frames, first in episode {episode}, frame {frame}.")


def _flat(names: Mapping[str, Sequence[str]] | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of an axis; LeRobot allows a list, or a mapping of one or several lists."""
    if isinstance(names, Mapping):
        return tuple(name for part in names.values() for name in part)
    return tuple(names or ())
