"""Jobs in processes: rows of every job, and after an interrupt nothing but what was in progress."""

import os
import time

import pytest

from handoff.commands.jobs import each, read_rows, to_lines, workers
from robots.errors import BatonError


def double(offset, job):
    return [{"value": offset + 2 * job}]


def leave_a_mark(folder, job):
    time.sleep(0.05)
    (folder / str(job)).touch()
    return [{"value": job}]


def die(_options, _job):
    os._exit(3)


def interrupted_after_the_first(folder):
    with workers(2) as pool:
        for _ in each(pool, folder, leave_a_mark, range(40)):
            raise KeyboardInterrupt


@pytest.mark.parametrize("count", [1, 2])
def test_every_job_is_done_once(count):
    with workers(count) as pool:
        rows = [row["value"] for batch in each(pool, 1, double, range(5)) for row in batch]
    assert sorted(rows) == [1, 3, 5, 7, 9]


def test_an_interrupt_leaves_the_waiting_jobs_undone(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted_after_the_first(tmp_path)
    assert 1 <= len(list(tmp_path.iterdir())) < 20


def test_a_process_that_dies_is_one_sentence():
    with workers(2) as pool, pytest.raises(BatonError, match="run the same command again"):
        list(each(pool, None, die, range(3)))


def test_a_half_written_row_is_left_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(to_lines([{"seed": 1}, {"seed": 2}]) + '{"seed": 3')
    assert read_rows(path) == [{"seed": 1}, {"seed": 2}]
    assert read_rows(tmp_path / "none.jsonl") == []
