"""One table and one JSON file per benchmark, in the same form for all of them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

SCHEMA = "baton.bench/1"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    Attributes:
        name: What was measured, unique within a report.
        value: The figure.
        unit: Its unit; "x" for a ratio.
    """

    name: str
    value: float
    unit: str


def against(row: Row, bound: float) -> list[Row]:
    """Return a figure followed by its bound and by its ratio to it; nothing is asserted."""
    return [row, Row(f"{row.name}.bound", bound, row.unit), Row(f"{row.name}.of_bound", row.value / bound, "x")]


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser with the option that every benchmark has: `--json PATH`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def publish(rows: list[Row], path: Path | None) -> None:
    """Print `rows`, and write them to `path` if it is given."""
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        sys.stdout.write(f"{row.name:<{width}}  {row.value:>12.4g} {row.unit}\n")
    if path is not None:
        _write(rows, path)


def _write(rows: list[Row], path: Path) -> None:
    report = {"schema": SCHEMA, "machine": _machine(), "git": _git(), "rows": [asdict(row) for row in rows]}
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(report, indent=2) + "\n")
    partial.replace(path)


def _machine() -> dict[str, str | int]:
    return {
        "system": platform.system(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
    }


def _git() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
