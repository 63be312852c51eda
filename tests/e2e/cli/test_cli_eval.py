"""`baton eval` as real processes: a result, an interrupt, a kill, and what is left afterwards."""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DEADLINE_S = 90.0


def start(*arguments):
    command = [
        sys.executable,
        "-m",
        "handoff.cli",
        "eval",
        "--methods",
        "generalist",
        "--workers",
        "1",
        "--videos",
        "0",
    ]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(autouse=True)
def hear_interrupts():
    """A shell's background job ignores SIGINT, and so would every process that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def rows_of(folder):
    path = folder / "episodes.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


def wait_for(happened):
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def descendants(pid):
    """Process ids of everything below `pid`, from /proc."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def alive(pids):
    states = [pathlib.Path(f"/proc/{pid}/stat") for pid in pids]
    return [path for path in states if path.exists() and path.read_text().rsplit(")", 1)[1].split()[0] != "Z"]


def test_an_interrupt_stops_everything_and_the_run_resumes(tmp_path):
    folder = tmp_path / "run"
    process = start("--episodes", "4", "--out", str(folder))
    wait_for(lambda: len(rows_of(folder)) >= 1)
    children = descendants(process.pid)
    assert len(children) >= 2
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "--resume --out" in err
    assert not alive(children)
    done = rows_of(folder)
    assert 1 <= len(done) < 4

    again = start("--resume", "--out", str(folder))
    out, err = again.communicate(timeout=DEADLINE_S)
    assert again.returncode == 0, err
    assert "generalist" in out
    assert rows_of(folder)[: len(done)] == done
    assert len(rows_of(folder)) == 4
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["complete"] is True
    assert summary["methods"]["generalist"]["episodes"] == 4
    assert (folder / "report.html").is_file()


def test_a_killed_evaluation_leaves_no_process_and_whole_rows(tmp_path):
    folder = tmp_path / "run"
    process = start("--episodes", "50", "--out", str(folder))
    wait_for(lambda: len(rows_of(folder)) >= 1)
    children = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=DEADLINE_S)
    wait_for(lambda: not alive(children))
    assert all(row["video"] == "" and row["seed"] for row in rows_of(folder))
