"""Parquet files of a dataset: metadata of episodes, tasks, and the rows with everything that can be wrong in them."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

Say = Callable[..., None]
EPISODES_GLOB, DATA_GLOB, TASKS = "meta/episodes/*/*.parquet", "data/*/*.parquet", "meta/tasks.parquet"
FILE = "chunk-{chunk:03d}/file-{file:03d}"
TIME_TOLERANCE_S = 1e-3


@dataclass(frozen=True, slots=True)
class VideoSpan:
    """Where one episode's frames are: file relative to the dataset, from and to [s]."""

    path: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class EpisodeRows:
    """One episode's metadata.

    Attributes:
        index: Its number.
        length: Frames.
        tasks: Its instructions.
        data: The file with its rows, relative to the dataset.
        videos: Where its frames are, by column.
        meta: The whole row of `meta/episodes`, statistics included.
    """

    index: int
    length: int
    tasks: tuple[str, ...]
    data: str
    videos: Mapping[str, VideoSpan]
    meta: Mapping[str, Any]


def read_table(path: Path, **options: Any) -> pa.Table:  # noqa: ANN401
    """Read one parquet file without joining it to its neighbours.

    Raises:
        OSError, pa.ArrowInvalid: It is missing, or has no footer.
    """
    return pq.ParquetFile(path).read(**options)


def read_tasks(root: Path, say: Say) -> dict[int, str]:
    """Return the tasks by number."""
    try:
        table = read_table(root / TASKS)
    except (OSError, pa.ArrowException) as error:
        say("tasks", TASKS, _reason(error))
        return {}
    name = next((column for column in table.column_names if column != "task_index"), None)
    if name is None or "task_index" not in table.column_names:
        say("tasks", TASKS, "has no tasks")
        return {}
    return dict(zip(table["task_index"].to_pylist(), table[name].to_pylist(), strict=True))


def read_episodes(root: Path, info: Mapping[str, Any], say: Say) -> dict[int, EpisodeRows]:
    """Return the metadata of every episode that has any."""
    episodes: dict[int, EpisodeRows] = {}
    for path in sorted(root.glob(EPISODES_GLOB)):
        where = path.relative_to(root).as_posix()
        try:
            rows = read_table(path).to_pylist()
        except (OSError, pa.ArrowException) as error:
            say("footers", where, _reason(error))
            continue
        for row in rows:
            episode = _episode(row, info, where, say)
            if episode is None:
                continue
            if episode.index in episodes:
                say("metadata", where, f"episode {episode.index} is described twice", episode.index)
            episodes[episode.index] = episode
    return episodes


def _episode(row: dict[str, Any], info: Mapping[str, Any], where: str, say: Say) -> EpisodeRows | None:
    try:
        data = info["data_path"].format(chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
        return EpisodeRows(
            index=int(row["episode_index"]),
            length=int(row["length"]),
            tasks=tuple(row["tasks"]),
            data=data,
            videos={key: _span(row, key, info) for key in video_columns(info)},
            meta=row,
        )
    except (KeyError, TypeError, ValueError) as error:
        say("metadata", where, f"a row is damaged: {error}")
        return None


def video_columns(info: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns that are stored as video."""
    return [name for name, feature in info["features"].items() if feature["dtype"] == "video"]


def _span(row: dict[str, Any], key: str, info: Mapping[str, Any]) -> VideoSpan:
    path = info["video_path"].format(
        video_key=key, chunk_index=row[f"videos/{key}/chunk_index"], file_index=row[f"videos/{key}/file_index"]
    )
    return VideoSpan(path, float(row[f"videos/{key}/from_timestamp"]), float(row[f"videos/{key}/to_timestamp"]))


def read_rows(
    root: Path, info: Mapping[str, Any], episodes: Mapping[int, EpisodeRows], tasks: Mapping[int, str], say: Say
) -> dict[int, int]:
    """Check every row; returns the number of rows of each episode."""
    counts: Counter[int] = Counter()
    for path in sorted(root.glob(DATA_GLOB)):
        where = path.relative_to(root).as_posix()
        try:
            file = pq.ParquetFile(path)
            for index, table in _by_episode(file):
                counts[index] += len(table)
                _check_rows(table, index, episodes.get(index), info, tasks, where, say)
        except (OSError, pa.ArrowException, KeyError) as error:
            say("footers", where, _reason(error))
    return dict(counts)


def _by_episode(file: pq.ParquetFile) -> Iterator[tuple[int, pa.Table]]:
    """Yield runs of rows of one episode; a row group at a time, to bound memory."""
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        numbers = table["episode_index"].to_numpy()
        starts = np.concatenate(([0], np.flatnonzero(np.diff(numbers)) + 1, [len(numbers)])).astype(int)
        for start, stop in itertools.pairwise(starts.tolist()):
            if stop > start:
                yield int(numbers[start]), table.slice(start, stop - start)


def _check_rows(
    table: pa.Table,
    index: int,
    episode: EpisodeRows | None,
    info: Mapping[str, Any],
    tasks: Mapping[int, str],
    where: str,
    say: Say,
) -> None:
    missing = [
        name for name, value in info["features"].items() if value["dtype"] != "video" and name not in table.column_names
    ]
    if missing:
        say("names", where, f"episode {index} has no column {missing[0]}", index)
        return
    frames, rows = table["frame_index"].to_numpy(), table["index"].to_numpy()
    if (np.diff(frames) != 1).any() or (np.diff(rows) != 1).any():
        say("indices", where, f"episode {index} has a gap in its row numbers", index)
    elif np.abs(table["timestamp"].to_numpy() - frames / info["fps"]).max() > TIME_TOLERANCE_S:
        say("indices", where, f"the times of episode {index} do not fit {info['fps']} frames per second", index)
    elif episode is not None and rows[0] - frames[0] != episode.meta.get("dataset_from_index"):
        say("indices", where, f"episode {index} begins at row {rows[0]}, its metadata says otherwise", index)
    unknown = set(table["task_index"].to_pylist()) - set(tasks)
    if unknown:
        say("tasks", where, f"episode {index} has an unknown task {min(unknown)}", index)
    for name, feature in info["features"].items():
        if feature["dtype"] == "image":
            if not all(_readable(cell) for cell in table[name].to_pylist()):
                say("values", where, f"episode {index}: an image of {name} is damaged", index)
        elif feature["dtype"].startswith("float") and not _all_finite(table[name]):
            say("values", where, f"episode {index}: {name} holds a number that is not finite", index)


def _all_finite(column: pa.ChunkedArray) -> bool:
    flat = column.combine_chunks()
    if isinstance(flat, pa.ExtensionArray):
        flat = flat.storage
    while pa.types.is_nested(flat.type):
        flat = flat.flatten()
    return not flat.null_count and bool(pc.all(pc.is_finite(flat), min_count=0).as_py())


def _readable(cell: dict[str, Any] | None) -> bool:
    try:
        with Pillow.open(io.BytesIO((cell or {}).get("bytes") or b"")) as image:
            image.verify()
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        return False
    return True


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "magic bytes" in text or "footer" in text.lower():
        return "has no footer: its writer was killed"
    return text[:160]
