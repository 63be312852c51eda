"""Demonstrations on disk: LeRobotDatasets, one per shard, privileged columns named `privileged.*`.

LeRobot turns every column whose name starts with `observation` into an input of a deployed policy; so privileged
values must not have such a name. A shard appears under its name only after it was finalised: a kill loses at most the
shards in progress. Its file `meta/search.json` tells what its actions are: views (`viewpoint`), or chunks of levelled
camera twists (`twist`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError, UsageError
from search_policy.episodes.dataset_checks import check_shards, reading, write_checksums
from search_policy.episodes.frame_checks import check_frames
from search_policy.episodes.rollout import DecisionRecord, SearchEpisode
from search_policy.learning.config import TWIST, VIEWPOINT
from search_policy.learning.replay import NO_ACTION, Frames
from search_policy.observations import PRIVILEGED_KEYS

CONTROL_HZ = 15
FACTS = "meta/search.json"
COLUMNS = {
    "image": "observation.images.wrist",
    "proprioception": "observation.state",
    "seen_map": "observation.seen_map",
    "views": "observation.views",
    "mask": "observation.mask",
    "action": "action",
    "steps": "decision.steps",
    "coverage_gain": "decision.coverage_gain",
    "collisions": "decision.collisions",
    "found": "next.success",
    "terminated": "next.terminated",
    "truncated": "next.truncated",
    "intervention": "decision.intervention",
    **{key: f"privileged.{key}" for key in PRIVILEGED_KEYS},
}
_ACTIONS = {VIEWPOINT: "views, int64 (1,)", TWIST: "chunks of twists, float32 (h, 5)"}
_INTEGERS = ("steps", "collisions")
_BOOLEANS = ("found", "terminated", "truncated", "intervention")


def no_action(episodes: Sequence[SearchEpisode]) -> NDArray[Any]:
    """Return what stands for "no action": `NO_ACTION`, () int64, or NaN in the shape of these episodes' chunks (h, 5).

    Raises:
        SpecError: The episodes' actions differ in kind or shape.
    """
    actions = [np.asarray(d.action) for episode in episodes for d in episode.decisions if d.action is not None]
    shapes = sorted({action.shape for action in actions})
    if len(shapes) > 1:
        raise SpecError(f"column {COLUMNS['action']!r}: actions of one data set must agree, not {shapes}.")
    return np.full(shapes[0], np.nan, dtype=np.float32) if shapes and shapes[0] else np.array(NO_ACTION, dtype=np.int64)


def episode_rows(episode: SearchEpisode, missing: NDArray[Any] | None = None) -> Iterator[dict[str, Any]]:
    """Yield one row per decision frame, keys as in `Frames`; the last frame has no action.

    Args:
        episode: What happened.
        missing: What stands for "no action", see `no_action`; found out from the episode itself where it is None.
    """
    missing = no_action([episode]) if missing is None else missing
    for number, record in enumerate(episode.decisions):
        last = number + 1 == len(episode.decisions)
        following = record if last else episode.decisions[number + 1]
        ends = number + 2 == len(episode.decisions)
        yield {
            **_state_row(record),
            "action": missing if last or record.action is None else record.action,
            "steps": following.step - record.step,
            "coverage_gain": following.coverage - record.coverage,
            "collisions": following.collisions - record.collisions,
            "found": ends and episode.found,
            "terminated": ends and not episode.truncated,
            "truncated": ends and episode.truncated,
            "intervention": record.intervened,
        }


def write_shard(folder: Path, episodes: Sequence[SearchEpisode]) -> None:
    """Write episodes as one LeRobotDataset; `folder` appears only when it is complete."""
    dataset_class = _lerobot_dataset()
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    missing = no_action(episodes)
    first = next(episode_rows(episodes[0], missing))
    dataset = dataset_class.create(
        repo_id=f"local/{folder.name}", root=part, fps=CONTROL_HZ, features=_features(first), use_videos=False
    )
    for episode in episodes:
        for row in episode_rows(episode, missing):
            dataset.add_frame({COLUMNS[key]: _cell(key, value) for key, value in row.items()} | {"task": episode.task})
        dataset.save_episode()
    dataset.finalize()
    facts = {"action_space": TWIST if missing.ndim else VIEWPOINT, "action_shape": list(np.atleast_1d(missing).shape)}
    (part / FACTS).write_text(json.dumps({**facts, "control_hz": CONTROL_HZ}, indent=2) + "\n")
    write_checksums(part)
    os.replace(part, folder)


def shards(root: Path) -> list[Path]:
    """Return the finished shards, in order."""
    return sorted(path for path in root.glob("shard-*") if path.is_dir() and path.suffix != ".part")


def action_space_of(shard: Path) -> str:
    """Return what a shard's actions are, `viewpoint` or `twist`; shards without `FACTS` are older and hold views.

    Raises:
        UsageError: The shard cannot be read, or its column of actions is not what its facts say.
    """
    facts = _json(shard / FACTS) if (shard / FACTS).exists() else {"action_space": VIEWPOINT}
    space = str(facts.get("action_space"))
    if space not in _ACTIONS:
        raise UsageError.unknown(f"action_space in {shard / FACTS}", space, _ACTIONS)
    column = COLUMNS["action"]
    found = _json(shard / "meta/info.json").get("features", {}).get(column, {})
    dtype, shape = found.get("dtype"), tuple(found.get("shape", ()))
    fits = (dtype, len(shape), shape[-1:]) == (("float32", 2, (5,)) if space == TWIST else ("int64", 1, (1,)))
    if not fits:
        raise UsageError(f"{shard}: column {column!r} holds {dtype} {shape}, but {space} needs {_ACTIONS[space]}.")
    return space


def check_demonstrations(root: Path) -> None:
    """Refuse finished shards under `root` whose files are damaged, unfit to train on, or disagree.

    Raises:
        UsageError: The first thing that is wrong, with file, column and what was expected.
    """
    check_shards(shards(root), COLUMNS, CONTROL_HZ)


def load_frames(root: Path, action_space: str | None = None) -> Frames:
    """Read every finished shard under `root` into memory.

    Args:
        root: Folder of the shards.
        action_space: What their actions must be, `viewpoint` or `twist`; None takes what is there.

    Raises:
        UsageError: There is no shard, or one is damaged, unfit to train on, or holds actions of another kind.
    """
    check_demonstrations(root)
    for path in shards(root):
        found = action_space_of(path)
        if found != (action_space or found):
            column = COLUMNS["action"]
            raise UsageError(
                f"{path}: column {column!r} holds {_ACTIONS[found]}, but the action space {action_space} needs "
                f"{_ACTIONS[action_space or found]}."
            )
    parts = []
    for path in shards(root):
        with reading(str(path)):
            parts.append(_read_shard(path))
        check_frames(parts[-1], str(path), COLUMNS)
    if not parts:
        raise UsageError(f"There are no demonstrations in {root}: collect them first.")
    return Frames.concatenate(parts)


def frames_of(episodes: Sequence[SearchEpisode]) -> Frames:
    """Return episodes as frames, without a detour over the disk."""
    missing = no_action(episodes)
    rows = [(number, row) for number, episode in enumerate(episodes) for row in episode_rows(episode, missing)]
    arrays: dict[str, Any] = {key: np.stack([_typed(key, row[key]) for _, row in rows]) for key in COLUMNS}
    return Frames(**arrays, episode=np.array([number for number, _ in rows]))


def _json(path: Path) -> dict[str, Any]:
    """Read one of a shard's JSON files.

    Raises:
        UsageError: It is missing or damaged.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"The demonstrations' {path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"The demonstrations' {path} cannot be read: it holds no JSON object.")
    return content


def _lerobot_dataset() -> type[Any]:
    """Import LeRobot's data set, without its warnings about video decoders that images do not need."""
    logging.getLogger("lerobot").setLevel(logging.ERROR)
    import datasets
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    datasets.disable_progress_bars()
    imported: type[Any] = LeRobotDataset
    return imported


def _state_row(record: DecisionRecord) -> dict[str, Any]:
    state, truth = record.state, record.privileged.values
    return {
        "image": state.image,
        "proprioception": state.proprioception,
        "seen_map": state.seen_map,
        "views": state.views,
        "mask": state.mask,
        **{key: np.asarray(truth[key], dtype=np.float32) for key in PRIVILEGED_KEYS},
    }


def _typed(key: str, value: object) -> NDArray[Any]:
    if key == "action":
        action = np.asarray(value)
        return action.astype(np.float32 if action.dtype.kind == "f" else np.int64)
    if key in _INTEGERS:
        return np.asarray(value, dtype=np.int64)
    if key in _BOOLEANS or key == "mask":
        return np.asarray(value, dtype=np.bool_)
    return np.asarray(value, dtype=np.uint8 if key == "image" else np.float32)


def _cell(key: str, value: object) -> NDArray[Any]:
    return np.atleast_1d(_typed(key, value))


def _features(row: dict[str, Any]) -> dict[str, Any]:
    features: dict[str, Any] = {}
    for key, column in COLUMNS.items():
        cell = _cell(key, row[key])
        dtype = "image" if key == "image" else str(cell.dtype)
        names = ["height", "width", "channel"] if key == "image" else None
        features[column] = {"dtype": dtype, "shape": cell.shape, "names": names}
    return features


def _read_shard(path: Path) -> Frames:
    dataset_class = _lerobot_dataset()
    table = dataset_class(f"local/{path.name}", root=path).hf_dataset.with_format(None)
    episode = np.asarray(table["episode_index"][:], dtype=np.int64)
    arrays: dict[str, Any] = {}
    for key, column in COLUMNS.items():
        if key == "intervention" and column not in table.column_names:
            continue  # data sets from before there were interventions
        values = table[column][:]
        if key == "image":
            arrays[key] = np.stack([np.asarray(image, dtype=np.uint8) for image in values])
            continue
        rows = np.stack([_typed(key, value) for value in values])
        scalar = key in (*_INTEGERS, *_BOOLEANS, "coverage_gain") or (key == "action" and rows.ndim < 3)
        arrays[key] = rows.reshape(len(episode)) if scalar else rows
    arrays["target_present"] = arrays["target_present"].reshape(-1, 1)
    arrays["target_visibility"] = arrays["target_visibility"].reshape(-1, 1)
    return Frames(**arrays, episode=episode)
