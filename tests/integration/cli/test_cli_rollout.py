"""`baton rollout`: resumable, the same rows from processes and from Ray, one sentence per mistake."""

import importlib.util
import json
import warnings

import pytest

from handoff.cli import main

SMALL = ["--episodes", "2", "--max_steps", "40"]


def rows(folder):
    return (folder / "episodes.jsonl").read_text()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rollout") / "a"
    assert main(["rollout", "--method", "random", *SMALL, "--out", str(folder)]) == 0
    return folder


def test_rows_and_summary_agree_and_nothing_is_touched(finished):
    episodes = [json.loads(text) for text in rows(finished).splitlines()]
    summary = json.loads((finished / "summary.json").read_text())
    assert [row["seed"] for row in episodes] == [100_000, 100_001]
    assert summary["found"] == sum(row["found"] for row in episodes)
    assert summary["contact_steps"] == sum(row["contacts"] for row in episodes) == 0


def test_a_killed_run_continues_with_the_same_rows(finished, tmp_path):
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / "config.json").write_text((finished / "config.json").read_text())
    first, second = rows(finished).splitlines(keepends=True)
    (folder / "episodes.jsonl").write_text(first + second[:20])
    assert main(["rollout", "--method", "random", *SMALL, "--out", str(folder)]) == 0
    assert rows(folder) == rows(finished)


def test_a_folder_of_another_method_is_refused(finished, capsys):
    assert main(["rollout", "--method", "sweep", *SMALL, "--out", str(finished)]) == 2
    assert "method 'random'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "expected"), [("method", "swep", "sweep"), ("engine", "rey", "ray"), ("task", "x", "bookshelf")]
)
def test_unknown_names_are_answered_with_the_valid_ones(option, value, expected, tmp_path, capsys):
    assert main(["rollout", f"--{option}", value, "--out", str(tmp_path / "c")]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_gives_the_same_rows(finished, tmp_path):
    folder = tmp_path / "d"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["rollout", "--method", "random", *SMALL, "--engine", "ray", "--out", str(folder)]) == 0
    assert rows(folder) == rows(finished)
