"""Checks every file of a dataset, and says which episodes are whole. Reads with pyarrow and av alone: no torch."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handoff.dataset.columns import leaking_columns
from handoff.dataset.part import NOTES
from handoff.dataset.tables import EpisodeRows, read_episodes, read_rows, read_tasks
from handoff.dataset.videos import count_frames
from robots.errors import UsageError

TIME_TOLERANCE_S = 1e-3
CHECKS = {
    "info": "meta/info.json is readable",
    "names": "column names, shapes and the rule for privileged values",
    "tasks": "meta/tasks.parquet names every task",
    "footers": "every parquet file has its footer",
    "metadata": "meta/episodes describes every episode once",
    "lengths": "rows per episode equal its length",
    "indices": "frame, episode and row numbers and times run without a gap",
    "values": "every number is finite and every image readable",
    "videos": "every video holds the episode's frames",
    "stats": "meta/stats.json covers every column with finite numbers",
    "totals": "the totals of meta/info.json are true",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: A key of `CHECKS`.
        where: File or folder, relative to the dataset.
        problem: What is wrong.
        episode: The episode that cannot be trusted because of it; None when it concerns the dataset.
    """

    check: str
    where: str
    problem: str
    episode: int | None = None


@dataclass(slots=True)
class Verification:
    """What was found in one dataset.

    Attributes:
        root: The dataset.
        info: `meta/info.json`, or None when it is not readable.
        findings: Everything that is wrong, in the order of the checks.
        rows: Metadata of each episode that has any, by episode index.
        notes: Our notes on each episode, by episode index; empty for datasets of other makers.
    """

    root: Path
    info: dict[str, Any] | None = None
    findings: list[Finding] = field(default_factory=list)
    rows: dict[int, EpisodeRows] = field(default_factory=dict)
    notes: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def whole(self) -> list[int]:
        """The episodes that can be used, ascending."""
        broken = {finding.episode for finding in self.findings}
        return [index for index in sorted(self.rows) if index not in broken]

    def say(self, check: str, where: str, problem: str, episode: int | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(check, where, problem, episode))


def verify(root: Path) -> Verification:
    """Check the dataset in `root`.

    Raises:
        UsageError: `root` is no folder.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is no folder; name the folder that holds meta/info.json.")
    found = Verification(root)
    _check_info(found)
    if found.info is None:
        return found
    _check_names(found)
    tasks = read_tasks(found.root, found.say)
    found.rows = read_episodes(found.root, found.info, found.say)
    counts = read_rows(found.root, found.info, found.rows, tasks, found.say)
    _check_lengths(found, counts)
    _check_videos(found)
    _check_stats(found)
    _check_totals(found, len(tasks))
    _read_notes(found)
    return found


def _check_info(found: Verification) -> None:
    where = "meta/info.json"
    try:
        info = json.loads((found.root / where).read_text())
        needed = ("codebase_version", "fps", "features", "total_episodes", "total_frames", "data_path")
        missing = [name for name in needed if name not in info]
        if missing:
            found.say("info", where, f"{missing[0]} is missing")
        elif info["codebase_version"] != "v3.0":
            found.say("info", where, f"version {info['codebase_version']}, not v3.0")
        else:
            found.info = info
    except OSError as error:
        found.say("info", where, error.strerror or str(error))
    except (ValueError, TypeError):
        found.say("info", where, "not JSON: cut short")


def _check_names(found: Verification) -> None:
    features = (found.info or {})["features"]
    for name in leaking_columns(list(features)):
        found.say("names", "meta/info.json", f"{name} would become a policy input: name it privileged.*")
    for name, feature in features.items():
        names = feature.get("names")
        if isinstance(names, list) and feature["dtype"] not in ("image", "video"):
            width = math.prod(feature["shape"])
            if len(names) != width or len(set(names)) != width:
                found.say("names", "meta/info.json", f"{name} has {len(names)} names for {width} values")


def _check_lengths(found: Verification, counts: dict[int, int]) -> None:
    for index, rows in found.rows.items():
        if counts.get(index, 0) != rows.length:
            problem = f"episode {index} has {counts.get(index, 0)} rows, its metadata says {rows.length}"
            found.say("lengths", rows.data, problem, index)
    for index in sorted(set(counts) - set(found.rows)):
        found.say("metadata", "meta/episodes", f"episode {index} has rows but no metadata", index)


def _check_videos(found: Verification) -> None:
    fps = float((found.info or {})["fps"])
    users: dict[str, list[EpisodeRows]] = defaultdict(list)
    for rows in found.rows.values():
        for video in rows.videos.values():
            users[video.path].append(rows)
    for path, episodes in users.items():
        frames = count_frames(found.root / path)
        for rows in episodes:
            video = next(video for video in rows.videos.values() if video.path == path)
            if abs((video.to_s - video.from_s) * fps - rows.length) > 0.5:
                problem = f"episode {rows.index} spans {video.to_s - video.from_s:.3f} s for {rows.length} frames"
                found.say("videos", path, problem, rows.index)
            elif round(video.from_s * fps) + rows.length > frames:
                problem = (
                    f"{frames} frames readable, episode {rows.index} ends at {round(video.from_s * fps) + rows.length}"
                )
                found.say("videos", path, problem, rows.index)


def _check_stats(found: Verification) -> None:
    where = "meta/stats.json"
    try:
        stats = json.loads((found.root / where).read_text())
    except OSError as error:
        if found.rows:
            found.say("stats", where, error.strerror or str(error))
        return
    except ValueError:
        found.say("stats", where, "not JSON: cut short")
        return
    for name, feature in (found.info or {})["features"].items():
        if feature["dtype"] in ("string", "language"):
            continue
        if name not in stats:
            found.say("stats", where, f"{name} is missing")
        elif not _finite(list(stats[name].values())):
            found.say("stats", where, f"{name} holds a number that is not finite")


def _finite(value: object) -> bool:
    if isinstance(value, list):
        return all(_finite(part) for part in value)
    return isinstance(value, int | float) and math.isfinite(value)


def _check_totals(found: Verification, tasks: int) -> None:
    info = found.info or {}
    true = {
        "total_episodes": len(found.rows),
        "total_frames": sum(rows.length for rows in found.rows.values()),
        "total_tasks": tasks,
    }
    for name, value in true.items():
        if info.get(name) != value:
            found.say("totals", "meta/info.json", f"{name} is {info.get(name)}, found {value}")


def _read_notes(found: Verification) -> None:
    try:
        episodes = json.loads((found.root / NOTES).read_text())["episodes"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        found.say("metadata", NOTES, "not readable")
        return
    found.notes = dict(enumerate(episodes))
    for index, rows in found.rows.items():
        if index not in found.notes or found.notes[index].get("length") != rows.length:
            found.say("metadata", NOTES, f"the notes on episode {index} do not fit it")
