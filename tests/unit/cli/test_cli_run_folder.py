"""The run folder: round trips, refusals, kills in the middle of a write, and resuming."""

import json
import os

import pytest
from cli_fakes import open_scripted, record

from handoff.commands.evaluate import evaluate, plan, resumed_config
from handoff.commands.options import parse_options
from handoff.config import EvalConfig
from handoff.records import COLUMNS
from handoff.run_folder import RunFolder
from robots.errors import UsageError


def test_rows_survive_the_round_trip(tmp_path):
    folder = RunFolder.create(tmp_path / "run", EvalConfig().to_dict())
    rows = [record(), record(seed=4, found=None, steps_to_find=None, handoff_latency_ms=(), video="video/a.mp4")]
    for row in rows:
        folder.append(row)
    assert folder.episodes() == rows


def test_the_stored_config_is_the_config(tmp_path):
    config = EvalConfig(episodes=3, methods=("generalist",), variant="absent", out=str(tmp_path / "run"))
    RunFolder.create(tmp_path / "run", config.to_dict())
    again = parse_options(EvalConfig, ["--config_path", str(tmp_path / "run/config.yaml"), "--out", config.out])
    assert again == config


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_row_cut_short_by_a_kill_is_dropped_on_resume(tmp_path, cut):
    folder = RunFolder.create(tmp_path / "run", EvalConfig().to_dict())
    folder.append(record())
    folder.append(record(seed=4))
    path = tmp_path / "run" / "episodes.csv"
    os.truncate(path, path.stat().st_size - cut)
    resumed = RunFolder.resume(tmp_path / "run")
    assert resumed.episodes() == [record()]
    resumed.append(record(seed=5))
    assert [row.seed for row in resumed.episodes()] == [3, 5]


def test_a_damaged_row_is_named(tmp_path):
    folder = RunFolder.create(tmp_path / "run", EvalConfig().to_dict())
    with (tmp_path / "run/episodes.csv").open("a") as file:
        file.write("x,notanumber" + "," * (len(COLUMNS) - 2) + "\r\n")
    with pytest.raises(UsageError, match="damaged row"):
        folder.episodes()


def test_a_folder_with_files_is_refused_and_untouched(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="not empty"):
        RunFolder.create(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(UsageError, match="is a file"):
        RunFolder.create(tmp_path / "mine.txt", {})


def test_files_are_replaced_whole(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {})
    folder.write("summary.json", "old")
    folder.write("summary.json", "new")
    assert (tmp_path / "run/summary.json").read_text() == "new"
    assert not list((tmp_path / "run").glob("*.part"))


def test_the_plan_is_paired_and_films_the_first_layouts():
    jobs = plan(EvalConfig(episodes=3, videos=1))
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    assert len({job.key for job in jobs}) == 9
    assert {job.seed for job in jobs if job.video} == {200000}


def test_an_interrupted_run_resumes_where_it_stopped(tmp_path, capsys):
    out = str(tmp_path / "run")
    config = EvalConfig(episodes=3, videos=1, out=out)
    with pytest.raises(KeyboardInterrupt):
        evaluate(config, open_scripted(stop_after=4))
    assert "baton eval --resume --out" in capsys.readouterr().err
    before = RunFolder(tmp_path / "run").episodes()
    assert len(before) == 4
    folder = evaluate(EvalConfig(episodes=3, videos=1, out=out, resume=True), open_scripted())
    after = folder.episodes()
    assert after[:4] == before
    assert {row.key for row in after} == {job.key for job in plan(config)}
    assert len(after) == 9


def test_resuming_gives_the_same_numbers_as_one_go(tmp_path):
    evaluate(EvalConfig(episodes=3, videos=0, out=str(tmp_path / "one")), open_scripted())
    with pytest.raises(KeyboardInterrupt):
        evaluate(EvalConfig(episodes=3, videos=0, out=str(tmp_path / "two")), open_scripted(stop_after=5))
    evaluate(EvalConfig(episodes=3, videos=0, out=str(tmp_path / "two"), resume=True), open_scripted())
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two"))
    assert one["methods"] == two["methods"]
    assert one["comparisons"] == two["comparisons"]


@pytest.mark.parametrize(
    ("option", "refused"), [("--episodes=3", False), ("--workers=1", False), ("--episodes=5", True)]
)
def test_a_resumed_run_keeps_its_own_configuration(tmp_path, option, refused):
    config = EvalConfig(episodes=3, methods=("generalist",), out=str(tmp_path / "run"))
    RunFolder.create(tmp_path / "run", config.to_dict())
    arguments = ["--resume", "--out", config.out, option]
    given = parse_options(EvalConfig, arguments)
    if refused:
        with pytest.raises(UsageError, match="leave out --episodes"):
            resumed_config(given, arguments)
    else:
        assert resumed_config(given, arguments).to_dict()["methods"] == ["generalist"]
