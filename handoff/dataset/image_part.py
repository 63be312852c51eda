"""One episode as a dataset of its own, written with pyarrow alone: for recording many episodes from many processes.

`part.PartWriter` lets LeRobot write, which takes most of a second per episode, and seconds to import. What is written
here is the same: LeRobot loads it, and `DatasetFolder.merge` takes it.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from handoff.dataset.assemble import DATA_FILE_BYTES, write_tasks
from handoff.dataset.columns import Features
from handoff.dataset.durable import publish, write_json
from handoff.dataset.part import NOTES, STAGE_PREFIX
from handoff.dataset.statistics import PREFIX, total_statistics
from handoff.dataset.tables import FILE, TASKS
from robots.errors import SpecError
from robots.types import Image

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
PIXEL_STRIDE = 4  # of the pixels that image statistics look at
_INDICES: Features = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    **{
        name: {"dtype": "int64", "shape": [1], "names": None}
        for name in ("frame_index", "episode_index", "index", "task_index")
    },
}

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class PartFormat:
    """What every part of one dataset has in common.

    Attributes:
        robot: `robot_type`.
        fps: Control rate [Hz].
        features: The columns as LeRobot's feature table: `image` and `float32` vectors.
    """

    robot: str
    fps: int
    features: Features

    def all_features(self) -> Features:
        """Return the table with the columns that LeRobot adds."""
        return {**self.features, **_INDICES}


def write_part(
    folder: Path, name: str, layout: PartFormat, columns: Columns, instruction: str, notes: Mapping[str, Any]
) -> Path:
    """Write one episode to `folder/name`, whole or not at all; an older part of that name is replaced.

    Args:
        folder: Where parts go; created if needed.
        name: Name of the episode.
        layout: The columns.
        columns: Values by column, (t, ...) each: uint8 images (t, h, w, 3), float32 vectors (t, a).
        instruction: The task.
        notes: What is said about it for `meta/baton.json`.

    Returns:
        The part's folder.

    Raises:
        SpecError: A column is missing, or has another shape.
        OSError: The disk is full or fails; nothing is left under the part's name.
    """
    length = _checked(layout, columns)
    folder.mkdir(parents=True, exist_ok=True)
    stage, target = folder / f"{STAGE_PREFIX}{name}-{uuid.uuid4().hex[:8]}", folder / name
    values: dict[str, np.ndarray] = {**columns, **_index_columns(length, layout.fps)}
    try:
        _write(stage, layout, values, instruction)
        write_json(stage / NOTES, {"episodes": [{"name": name, "length": length, **notes}]})
        shutil.rmtree(target, ignore_errors=True)
        publish(stage, target)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    return target


def _checked(layout: PartFormat, columns: Columns) -> int:
    lengths = set()
    for name, feature in layout.features.items():
        if name not in columns:
            raise SpecError(f"{name}: the episode has no such column.")
        if columns[name].shape[1:] != tuple(feature["shape"]):
            raise SpecError(f"{name}: expected rows of shape {feature['shape']}, got {columns[name].shape[1:]}.")
        lengths.add(len(columns[name]))
    if len(lengths) != 1 or 0 in lengths:
        raise SpecError("An episode needs at least one row, and as many in every column.")
    return int(lengths.pop())


def _index_columns(length: int, fps: int) -> dict[str, np.ndarray]:
    steps = np.arange(length, dtype=np.int64)
    zeros = np.zeros(length, np.int64)
    return {
        "timestamp": (steps / fps).astype(np.float32),
        "frame_index": steps,
        "episode_index": zeros,
        "index": steps,
        "task_index": zeros,
    }


def _write(stage: Path, layout: PartFormat, values: Columns, instruction: str) -> None:
    features, length = layout.all_features(), len(values["index"])
    table = pa.table([_array(values[name], feature) for name, feature in features.items()], schema=_schema(features))
    place = f"{FILE.format(chunk=0, file=0)}.parquet"
    data, episodes = stage / "data" / place, stage / "meta" / "episodes" / place
    for path in (data, episodes):
        path.parent.mkdir(parents=True)
    pq.write_table(table, data, compression="snappy", use_dictionary=True)
    row = _episode_row(values, features, instruction, length)
    pq.write_table(pa.Table.from_pylist([row]), episodes)
    write_tasks(stage / TASKS, {instruction: 0})
    write_json(stage / "meta" / "stats.json", total_statistics([row]))
    write_json(stage / "meta" / "info.json", _info(layout, length))


def _info(layout: PartFormat, length: int) -> dict[str, Any]:
    return {
        "codebase_version": "v3.0",
        "fps": layout.fps,
        "features": {name: {**value, "shape": list(value["shape"])} for name, value in layout.all_features().items()},
        "total_episodes": 1,
        "total_frames": length,
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": DATA_FILE_BYTES // 2**20,
        "video_files_size_in_mb": 200,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "robot_type": layout.robot,
        "splits": {"train": "0:1"},
    }


def _schema(features: Features) -> pa.Schema:
    """Return the columns' types with what `datasets` needs to decode images: its own features beside them."""
    kinds = {name: _kind(feature) for name, feature in features.items()}
    described = {name: described for name, (_, described) in kinds.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": described}})}
    return pa.schema([(name, kind) for name, (kind, _) in kinds.items()], metadata=metadata)


def _kind(feature: Mapping[str, Any]) -> tuple[pa.DataType, dict[str, Any]]:
    """Return a column's type in Arrow, and its description for `datasets`."""
    if feature["dtype"] == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())]), {"_type": "Image"}
    name, width = str(feature["dtype"]), feature["shape"][0]
    scalar = {"float32": pa.float32(), "int64": pa.int64()}[name]
    value = {"dtype": name, "_type": "Value"}
    if feature in _INDICES.values():
        return scalar, value
    return pa.list_(scalar, width), {"feature": value, "length": width, "_type": "List"}


def _array(values: np.ndarray, feature: Mapping[str, Any]) -> pa.Array:
    kind, _ = _kind(feature)
    if feature["dtype"] == "image":
        cells = [{"bytes": png_bytes(image), "path": None} for image in values]
        return pa.array(cells, kind)
    if feature in _INDICES.values():
        return pa.array(values, kind)
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def png_bytes(image: Image) -> bytes:
    """Return an RGB image (h, w, 3) as PNG, exact."""
    import cv2

    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return bytes(data.tobytes())


def _episode_row(values: Columns, features: Features, instruction: str, length: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "episode_index": 0,
        "tasks": [instruction],
        "length": length,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": 0,
        "dataset_to_index": length,
    }
    for name, feature in features.items():
        for stat, value in column_statistics(values[name], image=feature["dtype"] == "image").items():
            row[f"{PREFIX}{name}/{stat}"] = value
    return {**row, "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}


def column_statistics(values: np.ndarray, *, image: bool) -> dict[str, Any]:
    """Return LeRobot's statistics of one column: of every value of a vector, of every channel of images in [0, 1].

    Args:
        values: (t, ...).
        image: Whether it holds images (t, h, w, 3), of which every fourth pixel both ways is looked at.
    """
    count = len(values)
    flat = values[:, ::PIXEL_STRIDE, ::PIXEL_STRIDE].reshape(-1, 3) / 255.0 if image else values.reshape(count, -1)
    shape = (3, 1, 1) if image else (flat.shape[1],)
    named: Sequence[tuple[str, np.ndarray]] = (
        ("min", flat.min(0)),
        ("max", flat.max(0)),
        ("mean", flat.mean(0, dtype=np.float64)),
        ("std", flat.std(0, dtype=np.float64)),
        *zip(QUANTILES, np.quantile(flat.astype(np.float64), list(QUANTILES.values()), axis=0), strict=True),
    )
    return {name: value.reshape(shape).tolist() for name, value in named} | {"count": [count]}
