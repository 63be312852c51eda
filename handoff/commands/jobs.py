"""Work on many layouts: in this process or several, with one row per layout in a file that survives a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from robots.errors import BatonError
from robots.processes import worker_pool

Row = dict[str, Any]
type Pool = ProcessPoolExecutor | None


def read_rows(path: Path) -> list[Row]:
    """Return the finished rows of a file; a half-written last line is left out."""
    rows = []
    for text in path.read_text().splitlines() if path.exists() else ():
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(text))
    return rows


def to_lines(rows: Iterable[Row]) -> str:
    """Return rows as lines of JSON."""
    return "".join(json.dumps(row) + "\n" for row in rows)


@contextmanager
def workers(count: int) -> Iterator[Pool]:
    """Yield processes to work in, or None to work in this one; an interrupt waits for the jobs in progress only."""
    if count == 1:
        yield None
        return
    with worker_pool(count) as pool:
        yield pool


def each[O, J](pool: Pool, options: O, work: Callable[[O, J], list[Row]], jobs: Sequence[J]) -> Iterator[list[Row]]:
    """Yield the rows of each job as it is done.

    Args:
        pool: From `workers`.
        options: Handed to every job.
        work: A function of a module.
        jobs: What is to be done.

    Raises:
        BatonError: A process died.
    """
    if pool is None:
        yield from (work(options, job) for job in jobs)
        return
    try:
        for future in as_completed([pool.submit(work, options, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise BatonError("A worker process died; finished work is kept: run the same command again.") from error
