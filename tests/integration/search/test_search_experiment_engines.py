"""Whoever does the cells of a comparison, they are the same; what goes wrong is one sentence."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from experiment_work import work

from robots.errors import BatonError, UsageError
from search_policy.experiment.config import ExperimentConfig
from search_policy.experiment.engines import run_cells
from search_policy.experiment.grid import cells


def config(folder, **values):
    small = {"tasks": ("bookshelf_duck",), "methods": ("bc",), "scripted": ("coverage",), "demonstrations": (50,)}
    return ExperimentConfig(out=str(folder), layouts=3, **{**small, "seeds": 2, "workers": 2, **values})


@pytest.mark.slow
def test_this_process_worker_processes_and_ray_do_the_same_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parent))
    found = []
    for name, values in {"here": {"workers": 1}, "process": {}, "ray": {"engine": "ray"}}.items():
        experiment = config(tmp_path / name, **values)
        done = list(run_cells(work, experiment, cells(experiment)))
        assert sorted(done) == sorted(cell.name for cell in cells(experiment))
        found.append({path.name: path.read_bytes() for path in (tmp_path / name / "cells").iterdir()})
    assert found[0] == found[1] == found[2]


def test_a_cell_that_fails_ends_the_run_with_its_own_sentence(tmp_path):
    experiment = config(tmp_path, methods=("bc", "vib"))
    with pytest.raises(UsageError, match="this cell cannot be done"):
        list(run_cells(work, experiment, cells(experiment)))


def test_a_worker_that_dies_is_told_with_what_to_do(tmp_path):
    experiment = config(tmp_path, methods=("bc", "distillation"))
    with pytest.raises(BatonError, match=r"A worker process died.*run the same command again"):
        list(run_cells(work, experiment, cells(experiment)))
