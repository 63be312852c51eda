"""Builds one dataset out of whole episodes of others: how parts are merged, and how a damaged dataset is repaired.

LeRobot's own `aggregate_datasets` needs intact sources and rewrites the growing output for every source; here rows
are copied once, and videos are linked, never re-encoded.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from handoff.dataset.durable import write_json
from handoff.dataset.part import NOTES
from handoff.dataset.statistics import total_statistics
from handoff.dataset.tables import DATA_GLOB, FILE, TASKS, EpisodeRows, read_tasks
from handoff.dataset.verify import Verification
from robots.errors import UsageError

DATA_FILE_BYTES = 100 * 2**20
CHUNK_FILES = 1000
SHIFTED = ("min", "max", "mean", "q01", "q10", "q50", "q90", "q99")
_CODEC_INFO = ("info", "video_info")


@dataclass(slots=True)
class _Output:
    """What has been written so far."""

    root: Path
    info: dict[str, Any]
    tasks: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    videos: dict[Path, int] = field(default_factory=dict)
    files_per_column: dict[str, int] = field(default_factory=dict)
    frames: int = 0


def assemble(sources: Sequence[tuple[Verification, Iterable[int]]], root: Path) -> int:
    """Write the given episodes of each source, in order, as one dataset into the new folder `root`.

    Returns:
        The number of episodes; with none, nothing is written.

    Raises:
        UsageError: The sources do not have the same columns, rate or robot.
        OSError: The disk is full or fails; `root` is then incomplete.
    """
    wanted = [(source, index) for source, indices in sources for index in indices]
    if not wanted:
        return 0
    info = wanted[0][0].info or {}
    for source, _ in wanted:
        _check_same(info, source)
    (root / "meta").mkdir(parents=True)
    out = _Output(root, json.loads(json.dumps(info)))
    with _DataFiles(root) as files:
        for source, index in wanted:
            _add(out, source, index, files)
    _finish(out)
    return len(out.rows)


def _check_same(info: Mapping[str, Any], source: Verification) -> None:
    other = source.info or {}
    for name in ("fps", "robot_type"):
        if info.get(name) != other.get(name):
            raise UsageError(f"{source.root} has {name} {other.get(name)}, not {info.get(name)}: keep them apart.")
    if _bare(info) != _bare(other):
        odd = sorted(key for key in {*_bare(info), *_bare(other)} if _bare(info).get(key) != _bare(other).get(key))
        raise UsageError(f"{source.root} has other columns ({odd[0]}): episodes of one dataset need the same columns.")


def _bare(info: Mapping[str, Any]) -> dict[str, Any]:
    features: dict[str, Any] = info["features"]
    return {
        name: {key: value for key, value in feature.items() if key not in _CODEC_INFO}
        for name, feature in features.items()
    }


class _DataFiles:
    """The parquet files with the rows: one row group per episode, a new file every 100 MiB."""

    def __init__(self, root: Path) -> None:
        self._root, self._number = root, -1
        self._writer: pq.ParquetWriter | None = None
        self._path = root

    def __enter__(self) -> _DataFiles:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, table: pa.Table) -> int:
        """Append one episode; returns the file's number."""
        if self._writer is not None and self._path.stat().st_size >= DATA_FILE_BYTES:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._number += 1
            self._path = self._root / "data" / f"{_file(self._number)}.parquet"
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="snappy", use_dictionary=True)
        self._writer.write_table(table.select(self._writer.schema.names).cast(self._writer.schema))
        return self._number


def _file(number: int) -> str:
    return FILE.format(chunk=number // CHUNK_FILES, file=number % CHUNK_FILES)


def _add(out: _Output, source: Verification, index: int, files: _DataFiles) -> None:
    episode, number = source.rows[index], len(out.rows)
    for task in episode.tasks:
        out.tasks.setdefault(task, len(out.tasks))
    table = _rows_of(source.root, episode)
    names = read_tasks(source.root, lambda *_: None)
    table = _with_columns(
        table,
        episode_index=np.full(len(table), number, np.int64),
        index=np.arange(out.frames, out.frames + len(table), dtype=np.int64),
        task_index=np.array([out.tasks[names[task]] for task in table["task_index"].to_pylist()], np.int64),
    )
    file = files.add(table)
    out.rows.append(_metadata(out, source.root, episode, file))
    out.notes.append(source.notes.get(index, {"name": "", "length": episode.length}))
    out.frames += episode.length


def _metadata(out: _Output, root: Path, episode: EpisodeRows, file: int) -> dict[str, Any]:
    """Return the episode's row of `meta/episodes`, with its new numbers."""
    number, meta = len(out.rows), dict(episode.meta)
    _change(meta, "episode_index", lambda value: value + number - episode.index)
    _change(meta, "index", lambda value: value + out.frames - int(episode.meta["dataset_from_index"]))
    _change(meta, "task_index", lambda value: value * 0 + np.mean([out.tasks[task] for task in episode.tasks]))
    meta |= {
        "episode_index": number,
        "data/chunk_index": file // CHUNK_FILES,
        "data/file_index": file % CHUNK_FILES,
        "dataset_from_index": out.frames,
        "dataset_to_index": out.frames + episode.length,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    for key, span in episode.videos.items():
        video = _link_video(out, root / span.path, key)
        meta |= {f"videos/{key}/chunk_index": video // CHUNK_FILES, f"videos/{key}/file_index": video % CHUNK_FILES}
    return meta


def _rows_of(root: Path, episode: EpisodeRows) -> pa.Table:
    """Read the episode's rows; they lie in its file, or, in a dataset of another maker, in any."""
    paths = [root / episode.data] if (root / episode.data).is_file() else sorted(root.glob(DATA_GLOB))
    tables = [
        table.filter(pc.equal(table["episode_index"], episode.index)) for table in (_only(p, episode) for p in paths)
    ]
    return pa.concat_tables(tables)


def _only(path: Path, episode: EpisodeRows) -> pa.Table:
    """Read the row groups that may hold the episode."""
    file = pq.ParquetFile(path)
    return file.read_row_groups([g for g in range(file.num_row_groups) if _may_hold(file, g, episode.index)])


def _may_hold(file: pq.ParquetFile, group: int, index: int) -> bool:
    parts = file.metadata.row_group(group)
    columns = (parts.column(number) for number in range(parts.num_columns))
    bounds = next((column.statistics for column in columns if column.path_in_schema == "episode_index"), None)
    return bounds is None or not bounds.has_min_max or bounds.min <= index <= bounds.max


def _with_columns(table: pa.Table, **columns: np.ndarray) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(values))
    return table


def _link_video(out: _Output, path: Path, key: str) -> int:
    """Give a video file its number in the output; the same file is linked once."""
    if path not in out.videos:
        number = out.files_per_column.get(key, 0)
        out.files_per_column[key] = number + 1
        target = out.root / "videos" / key / f"{_file(number)}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)
        out.videos[path] = number
    return out.videos[path]


def _change(meta: dict[str, Any], name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the position statistics of one column."""
    for key in (f"stats/{name}/{stat}" for stat in SHIFTED):
        if meta.get(key) is not None:
            meta[key] = change(np.asarray(meta[key], np.float64)).tolist()


def _finish(out: _Output) -> None:
    """Write everything below `meta`."""
    names = list(out.rows[0])
    episodes = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in out.rows])
    path = out.root / "meta" / "episodes" / f"{_file(0)}.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(episodes, path)
    write_tasks(out.root / TASKS, out.tasks)
    write_json(out.root / "meta" / "stats.json", total_statistics(out.rows))
    totals = {"total_episodes": len(out.rows), "total_frames": out.frames, "total_tasks": len(out.tasks)}
    write_json(out.root / "meta" / "info.json", {**out.info, **totals, "splits": {"train": f"0:{len(out.rows)}"}})
    write_json(out.root / NOTES, {"episodes": out.notes})


def write_tasks(path: Path, tasks: Mapping[str, int]) -> None:
    """Write the table of tasks as pandas would, with the instruction as its index: LeRobot reads it with pandas."""
    import pandas  # type: ignore[import-untyped]

    pandas.DataFrame({"task_index": list(tasks.values())}, index=pandas.Index(list(tasks), name="task")).to_parquet(
        path
    )
