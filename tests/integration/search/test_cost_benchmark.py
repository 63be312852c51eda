"""The cost benchmark runs, and its names stay what reports compare by."""

import json
import os
import subprocess
import sys

import pytest

TINY = "--rounds 1 --seconds 0 --batch 2 --episodes 1 --buffer 100 --demonstrations 6 --updates 3 --acts 3"
WORK = [
    "reconstruction.fp32",
    *(f"{s}.{p}" for s in ("published", "ours", "cached", "shipped") for p in ("fp32", "bf16")),
]


def names():
    yield from (f"train.cpu_s_per_update.{work}.2" for work in WORK)
    yield from (f"train.updates_per_s.{work}.{threads}" for work in WORK for threads in ("1_thread", "2_threads"))
    yield from (f"train.ratio.{name}" for name in ("published", "published.bf16", "ours", "cached"))
    yield from (f"train.sampling_cpu_s_per_batch.{name}" for name in ("reconstruction", "ours", "cached"))
    yield from ("train.buffer_mib_per_10k", "train.buffer_mib_per_10k.reconstruction", "train.peak_mib")
    yield from ("act.cpu_ms", "act.wall_ms_p99_loaded", "act.step_cpu_ms", "act.step_wall_ms_p99_loaded")


@pytest.mark.slow
def test_every_row_is_printed_and_written(tmp_path):
    report = tmp_path / "cost.json"
    command = [sys.executable, "-m", "benchmarks.training", *TINY.split(), "--json", str(report)]
    passive = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=110, env=passive)
    rows = {row["name"]: row for row in json.loads(report.read_text())["rows"]}
    printed = {line.split()[0] for line in run.stdout.splitlines()[1:]}
    assert set(names()) <= set(rows) == printed
    assert all(row["value"] > 0.0 for name, row in rows.items() if "buffer" not in name)
    assert "bf16 instructions" in run.stdout.splitlines()[0]
