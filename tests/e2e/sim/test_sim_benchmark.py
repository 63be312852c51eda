"""The simulation's benchmarks run, and their names stay what reports compare by."""

import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks.sim_picks import Pick, rows_of

ROOT = pathlib.Path(__file__).parents[3]


def run(module, path, *options):
    command = [sys.executable, "-W", "error", "-m", module, *options, "--json", str(path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=110)
    report = json.loads(path.read_text())
    assert report["schema"] == "baton.bench/1"
    return {row["name"]: row["value"] for row in report["rows"]}


@pytest.mark.slow
def test_costs_and_rates_keep_their_names(tmp_path):
    rows = run("benchmarks.sim", tmp_path / "sim.json", "--steps", "20", "--repetitions", "1", "--faces", "20000")
    assert {
        "sim.steps_per_s.1",
        "sim.steps_per_s.2",
        "sim.steps_per_s.1.cpu",
        "sim.steps_per_s.1.of_bound",
        "sim.steps_per_s.1.visibility",
        "sim.steps_per_s.2.visibility",
        "sim.steps_per_s.1.224px",
        "sim.step_cpu_ms",
        "sim.step_ratio.train",
        "sim.image_cpu_ms.84",
        "sim.image_cpu_ms.224",
        "sim.image_ratio.84.meshes",
        "sim.image_ratio.84.meshes_shadows",
        "sim.reset_ms",
        "sim.physics_ms",
        "sim.ik_ms",
    } <= rows.keys()
    assert all(value > 0 for value in rows.values())
    assert rows["sim.image_cpu_ms.84"] < rows["sim.image_cpu_ms.224"]
    assert rows["sim.reset_ms.of_bound"] == pytest.approx(rows["sim.reset_ms"] / rows["sim.reset_ms.bound"])
    assert rows["sim.detailed.faces"] == pytest.approx(20_000, rel=0.2)


def test_picks_are_counted_over_all_layouts_and_lifts_over_executed_plans():
    hit = Pick(1.0, 10.0, planned=True, lifted=True, collided=False)
    dropped = Pick(0.0, 30.0, planned=True, lifted=False, collided=True)
    missed = Pick(0.1, 20.0, planned=False, lifted=False, collided=False)
    rows = {row.name: row.value for row in rows_of("task", [hit, dropped, missed, missed])}
    assert rows["sim.picks_planned.task"] == 0.5
    assert rows["sim.plans_lifted.task"] == 0.5
    assert rows["sim.plans_collided.task"] == 1
    assert rows["sim.visible_at_start.task"] == 0.75
    assert rows["sim.well_visible_at_start.task"] == 0.25
    assert rows["sim.picks_planned.task.low"] < 0.5 < rows["sim.picks_planned.task.high"]
    assert (rows["sim.planning_ms_median.task"], rows["sim.planning_ms_max.task"]) == (20.0, 30.0)
