"""The only place that writes to the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from tqdm import tqdm


def line(text: str = "") -> None:
    """Write one line of results to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write one line about progress or an error to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def progress(total: int, done: int = 0) -> tqdm:
    """Return a progress bar on stderr; silent when stderr is no terminal."""
    return tqdm(
        total=total, initial=done, unit="episode", file=sys.stderr, disable=None, leave=False, dynamic_ncols=True
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Align cells in columns, the first left and the others right; returns the lines."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return [
        "  ".join(_pad(cell, width, i) for i, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    ]


def _pad(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)
