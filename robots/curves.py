"""Training curves as CSV and JSON lines; rows from after the resumed checkpoint are dropped."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from robots.files import write_atomically

NAME = "curves"


class Curves:
    """Appends one row of metrics at a time.

    Args:
        folder: Run folder.
        step: The update that the run continues from.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._lines = folder / f"{NAME}.jsonl"
        self._table = folder / f"{NAME}.csv"
        kept = [row for row in read_curves(folder) if row["step"] <= step]
        write_atomically(self._lines, "".join(json.dumps(row) + "\n" for row in kept).encode())

    def append(self, step: int, metrics: dict[str, float]) -> None:
        """Write one row."""
        with self._lines.open("a") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

    def close(self) -> None:
        """Write the table of all rows; columns that a row lacks stay empty."""
        rows = read_curves(self._lines.parent)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self._table, text.getvalue().encode())


def read_curves(folder: Path) -> list[dict[str, float]]:
    """Return the rows written so far; a line cut off by a kill is skipped."""
    path = folder / f"{NAME}.jsonl"
    if not path.is_file():
        return []
    rows = []
    for text in path.read_text().splitlines():
        try:
            rows.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return rows
