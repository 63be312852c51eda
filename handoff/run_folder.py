"""The folder that one evaluation writes: created whole, appended to row by row, and able to resume after a kill."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from handoff.records import COLUMNS, EpisodeRecord
from robots.errors import UsageError

CONFIG, EPISODES, EVENTS, SUMMARY, REPORT, VIDEO, DATASET = (
    "config.yaml",
    "episodes.csv",
    "events.jsonl",
    "summary.json",
    "report.html",
    "video",
    "dataset",
)


class RunFolder:
    """Paths, rows and files of one run. Files are written under a temporary name and renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Start a new run.

        Raises:
            UsageError: `path` is a file, or a folder that is not empty.
            OSError: It cannot be written.
        """
        if path.is_file():
            raise UsageError(f"{path} is a file; choose another folder with --out.")
        if path.is_dir() and any(path.iterdir()):
            raise UsageError(
                f"The folder {path} is not empty; choose another with --out, or continue it with --resume."
            )
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        folder.write(CONFIG, yaml.safe_dump(dict(config), sort_keys=False))
        folder._append(",".join(COLUMNS) + "\r\n")
        (path / EVENTS).touch()
        (path / VIDEO).mkdir()
        return folder

    @classmethod
    def resume(cls, path: Path) -> RunFolder:
        """Continue a run; a row that a kill cut short is removed.

        Raises:
            UsageError: `path` holds no run.
        """
        missing = [name for name in (CONFIG, EPISODES) if not (path / name).is_file()]
        if missing:
            raise UsageError(f"{path} holds no run to resume: {missing[0]} is missing.")
        folder = cls(path)
        for name in (EPISODES, EVENTS):
            _cut_partial_line(path / name)
        return folder

    def config(self) -> dict[str, Any]:
        """The stored configuration."""
        stored: dict[str, Any] = yaml.safe_load((self.path / CONFIG).read_text())
        return stored

    def append(self, record: EpisodeRecord) -> None:
        """Append one finished episode: one write, then to the disk, so that a kill loses no finished row."""
        buffer = io.StringIO()
        csv.DictWriter(buffer, COLUMNS).writerow(record.to_row())
        self._append(buffer.getvalue())

    def episodes(self) -> list[EpisodeRecord]:
        """Every finished episode, in the order they finished.

        Raises:
            UsageError: A row is damaged.
        """
        with (self.path / EPISODES).open(newline="") as file:
            return [EpisodeRecord.from_row(row) for row in csv.DictReader(file)]

    def events(self) -> dict[tuple[str, int], list[dict[str, Any]]]:
        """The events of every episode's last attempt, by (method, seed)."""
        events: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for line in (self.path / EVENTS).read_text().splitlines():
            event = json.loads(line)
            key = event["method"], event["seed"]
            if event["event"] == "begin":
                events[key] = []
            events.setdefault(key, []).append(event)
        return events

    def write(self, name: str, text: str) -> Path:
        """Write a file whole: under a temporary name, then renamed."""
        target = self.path / name
        partial = target.with_name(f".{name}.part")
        try:
            partial.write_text(text)
            os.replace(partial, target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        return target

    def _append(self, text: str) -> None:
        path, line = self.path / EPISODES, text.encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cut_partial_line(path: Path) -> None:
    content = path.read_bytes() if path.is_file() else b""
    end = content.rfind(b"\n") + 1
    if end != len(content):
        os.truncate(path, end)
