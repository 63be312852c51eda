"""Refuse demonstrations that cannot be trained on, in one sentence that names the file or column and what was expected.

`check_shards` looks at the files before anything else reads them: descriptions, footers, checksums, columns, types,
shapes, frame rate and row numbers. `search_policy.episodes.frame_checks` looks at the values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from robots.errors import UsageError
from robots.files import write_atomically
from search_policy.episodes.arrow_columns import misfit, numbers
from search_policy.learning.replay import Frames
from search_policy.observations import IMAGE_PX, PRIVILEGED_KEYS

INFO, STATS, TASKS, CHECKSUMS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/checksums.json"
EPISODES_GLOB, DATA_GLOB = "meta/episodes/*/*.parquet", "data/*/*.parquet"
VERSION = "v3."
COUNTERS = ("timestamp", "frame_index", "episode_index", "index")
REQUIRED = {item.name for item in fields(Frames) if item.default is MISSING and item.default_factory is MISSING}
_TIME_TOLERANCE_S = 1e-3
_INTEGERS, _BOOLEANS = ("steps", "collisions"), ("found", "terminated", "truncated", "intervention")
_DIMENSIONS = {"proprioception": 1, "seen_map": 3, "views": 2}


def check_shards(paths: Sequence[Path], columns: Mapping[str, str], control_hz: int) -> None:
    """Refuse shards whose files are damaged, are not what training needs, or disagree with each other.

    Args:
        paths: Folders of the shards.
        columns: Column of each entry of `Frames`.
        control_hz: Frame rate they must have [Hz].

    Raises:
        UsageError: The first thing that is wrong.
    """
    first: tuple[Path, dict[str, Any]] | None = None
    for path in paths:
        features = _check_shard(path, columns, control_hz)
        first = first or (path, features)
        _check_agreement(first, (path, features), columns)


def write_checksums(shard: Path) -> None:
    """Write the SHA-256 of every file of a shard, so that damage of any kind is noticed when it is read."""
    files = [path for path in sorted(shard.rglob("*")) if path.is_file() and path != shard / CHECKSUMS]
    sums = {path.relative_to(shard).as_posix(): _sha256(path) for path in files}
    write_atomically(shard / CHECKSUMS, (json.dumps(sums, indent=2) + "\n").encode())


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn every way in which a damaged file makes its reader fail into one sentence.

    Raises:
        UsageError: Reading failed.
    """
    from datasets.exceptions import DatasetsError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, pa.ArrowException, DatasetsError) as error:
        reason = " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
        raise UsageError(f"{what} cannot be read and may be damaged: {reason}.") from error


def read_info(root: Path) -> dict[str, Any]:
    """Return the description of a LeRobotDataset.

    Raises:
        UsageError: It is missing, damaged, or of another version of the format.
    """
    info = _read_json(root / INFO)
    features, fps = info.get("features"), info.get("fps")
    if not str(info.get("codebase_version", "")).startswith(VERSION):
        raise UsageError(f"{root / INFO}: codebase_version is {info.get('codebase_version')!r}, expected {VERSION}x.")
    if not isinstance(features, dict) or not all(_is_feature(feature) for feature in features.values()):
        raise UsageError(f"{root / INFO}: 'features' must describe dtype and shape of every column.")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not fps > 0:
        raise UsageError(f"{root / INFO}: 'fps' is {fps!r}, expected a positive number [Hz].")
    for name in features:
        if name.startswith("observation") and ("privileged" in name or name.split(".")[-1] in PRIVILEGED_KEYS):
            key = name.split("privileged.")[-1].split(".")[-1]
            raise UsageError(
                f"{root / INFO}: the privileged column {name!r} is named as an observation, so that a deployed policy "
                f"would need it; expected 'privileged.{key}'."
            )
    return info


def read_table(path: Path, names: Sequence[str] | None = None) -> pa.Table:
    """Return a parquet file's columns.

    Raises:
        UsageError: It is cut off or damaged.
    """
    with reading(str(path)), pq.ParquetFile(path) as file:
        return file.read(columns=names)


def data_files(root: Path) -> list[Path]:
    """Return the files with the rows, in order.

    Raises:
        UsageError: There is none.
    """
    paths = sorted(root.glob(DATA_GLOB))
    if not paths:
        raise UsageError(f"{root} is empty or incomplete: it has no {DATA_GLOB}.")
    return paths


def _check_shard(path: Path, columns: Mapping[str, str], control_hz: int) -> dict[str, Any]:
    info = read_info(path)
    if info["fps"] != control_hz:
        raise UsageError(f"{path / INFO}: the frame rate is {info['fps']} Hz, expected {control_hz} Hz.")
    features = info["features"]
    for key, column in columns.items():
        if column not in features and key in REQUIRED:
            raise UsageError(f"{path / INFO}: the column {column!r} is missing; its features have {len(features)}.")
        if column in features:
            _check_feature(path, key, column, features[column])
    _check_shapes_fit(path, columns, features)
    _read_json(path / STATS)
    paths = [path / TASKS, *sorted(path.glob(EPISODES_GLOB)), *data_files(path)]
    for file in paths:
        with reading(str(file)):
            pq.ParquetFile(file).close()
    _check_sums(path)
    _check_rows(path, info, [column for column in columns.values() if column in features])
    return dict(features)


def _check_feature(path: Path, key: str, column: str, feature: Mapping[str, Any]) -> None:
    dtype, shape = feature["dtype"], tuple(feature["shape"])
    fits, expected = _expectation(key, dtype, shape)
    if not fits:
        raise UsageError(f"{path / INFO}: column {column!r} is {dtype} {shape}, expected {expected}.")


def _expectation(key: str, dtype: str, shape: tuple[int, ...]) -> tuple[bool, str]:
    """Return whether type and shape are what an entry of `Frames` needs, and what that is."""
    if key == "image":
        wanted = (IMAGE_PX, IMAGE_PX, 3)
        return (dtype, shape) == ("image", wanted), f"image {wanted}"
    if key == "action":
        chunk = dtype == "float32" and len(shape) == 2
        return chunk or (dtype, shape) == ("int64", (1,)), "int64 (1,) for views or float32 (h, 5) for twists"
    if key in _INTEGERS or key in _BOOLEANS:
        wanted_type = "int64" if key in _INTEGERS else "bool"
        return (dtype, shape) == (wanted_type, (1,)), f"{wanted_type} (1,)"
    wanted_type = "bool" if key == "mask" else "float32"
    dimensions = _DIMENSIONS.get(key, 1)
    fixed = {"target_position": (3,), "coverage_gain": (1,), "target_present": (1,), "target_visibility": (1,)}
    if key in fixed:
        return (dtype, shape) == (wanted_type, fixed[key]), f"{wanted_type} {fixed[key]}"
    return dtype == wanted_type and len(shape) == dimensions, f"{wanted_type} of {dimensions} dimension(s)"


def _check_shapes_fit(path: Path, columns: Mapping[str, str], features: Mapping[str, Any]) -> None:
    views = features[columns["views"]]["shape"][0]
    for key in ("mask", "views_with_target"):
        length = features[columns[key]]["shape"][0]
        if length != views:
            raise UsageError(
                f"{path / INFO}: column {columns[key]!r} has {length} views, but {columns['views']!r} has {views}."
            )


def _check_sums(shard: Path) -> None:
    """Compare every file with the checksum it was written with; shards from before there were any have none."""
    if not (shard / CHECKSUMS).exists():
        return
    for name, expected in _read_json(shard / CHECKSUMS).items():
        if not (shard / name).is_file():
            raise UsageError(f"{shard / name} is missing, but {CHECKSUMS} lists it.")
        if _sha256(shard / name) != expected:
            raise UsageError(
                f"{shard / name} is damaged or was changed: its SHA-256 differs from the one in {CHECKSUMS} "
                "(delete that file if the change was meant)."
            )


def _check_rows(root: Path, info: Mapping[str, Any], names: Sequence[str]) -> None:
    lengths = _episode_lengths(root)
    counted: dict[int, int] = {}
    for path in data_files(root):
        table = read_table(path)
        for name in (*names, *COUNTERS):
            if name not in table.column_names:
                raise UsageError(f"{path}: the column {name!r} is missing.")
            feature = info["features"].get(
                name, {"dtype": "float32" if name == "timestamp" else "int64", "shape": (1,)}
            )
            found = misfit(table[name], feature["dtype"], feature["shape"])
            if found:
                raise UsageError(
                    f"{path}: column {name!r} {found}; expected {feature['dtype']} {tuple(feature['shape'])}."
                )
        _check_counters(path, table, float(info["fps"]), counted)
    if counted != lengths:
        odd = sorted(set(counted.items()) ^ set(lengths.items()))[0][0]
        raise UsageError(
            f"{root}: episode {odd} has {counted.get(odd, 0)} rows in {DATA_GLOB}, but {lengths.get(odd, 0)} in "
            f"{EPISODES_GLOB}."
        )
    if not counted:
        raise UsageError(f"{root} is empty: it holds no episode.")


def _check_counters(path: Path, table: pa.Table, fps: float, counted: dict[int, int]) -> None:
    episode, frame, time_s = (numbers(table[name])[:, 0] for name in ("episode_index", "frame_index", "timestamp"))
    for number in np.unique(episode).astype(int).tolist():
        rows = np.flatnonzero(episode == number)
        start = counted.get(number, 0)
        if (np.diff(rows) != 1).any() or (frame[rows] != start + np.arange(len(rows))).any():
            raise UsageError(f"{path}: column 'frame_index' of episode {number} does not count up by one.")
        counted[number] = start + len(rows)
    # Negated, because no comparison with NaN holds.
    off = ~(np.abs(time_s - frame / fps) <= _TIME_TOLERANCE_S * np.maximum(1.0, frame))
    if off.any():
        row = int(np.argmax(off))
        raise UsageError(
            f"{path}: column 'timestamp' holds {time_s[row]:g} s in row {row}, frame {frame[row]:.0f} of its episode; "
            f"expected {frame[row] / fps:g} s at {fps:g} Hz."
        )


def _episode_lengths(root: Path) -> dict[int, int]:
    lengths: dict[int, int] = {}
    for path in sorted(root.glob(EPISODES_GLOB)):
        table = read_table(path, ["episode_index", "length"])
        if set(table.column_names) != {"episode_index", "length"}:
            raise UsageError(f"{path}: the columns 'episode_index' and 'length' are missing.")
        lengths |= dict(zip(table["episode_index"].to_pylist(), table["length"].to_pylist(), strict=True))
    if not lengths:
        raise UsageError(f"{root} is empty or incomplete: {EPISODES_GLOB} describes no episode.")
    return lengths


def _check_agreement(
    first: tuple[Path, Mapping[str, Any]], other: tuple[Path, Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    for column in columns.values():
        mine, theirs = (features.get(column) for _, features in (first, other))
        kinds = [(item["dtype"], tuple(item["shape"])) if item else "missing" for item in (mine, theirs)]
        if kinds[0] != kinds[1]:
            raise UsageError(
                f"The shards disagree: column {column!r} is {kinds[1]} in {other[0]}, but {kinds[0]} in {first[0]}."
            )


def _is_feature(feature: object) -> bool:
    if not isinstance(feature, dict) or not isinstance(feature.get("dtype"), str):
        return False
    shape = feature.get("shape")
    return isinstance(shape, list) and all(isinstance(side, int) and side > 0 for side in shape)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} is missing or cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is cut off or damaged: {error}.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path} must hold a JSON object.")
    return values


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
