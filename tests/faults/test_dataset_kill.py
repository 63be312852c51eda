"""A recording process that is killed loses at most the episode in progress."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
KILLS = 20


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_at_most_the_episode_in_progress(tmp_path):
    command = [sys.executable, "-m", "tests.faults.dataset_killer", str(tmp_path), "11", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(results) == KILLS
    for result in results:
        assert result["killed"]
        assert set(result["acknowledged"]) <= set(result["names"]), result
        assert len(result["names"]) == len(set(result["names"])) <= len(result["acknowledged"]) + 1, result
        assert result["damaged"] == [], result
        assert result["read"] == 4 * len(result["names"]), result
    assert sum(result["staged"] for result in results) >= 3, "no kill fell into a recording"
    assert sum(len(result["names"]) for result in results) > KILLS, "hardly anything was recorded"
