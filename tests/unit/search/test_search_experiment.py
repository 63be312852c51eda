"""The comparison of ways to learn: its grid, its durable cells, its statistics and its report."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.commands.experiment import EXPERIMENTS, named
from handoff.commands.experiment_report import HTML, MARKDOWN, SUMMARY, write_report
from handoff.commands.options import load_yaml, parse_options
from robots.errors import BatonError, UsageError
from search_policy.experiment import run as running
from search_policy.experiment.comparisons import compare, corrected, sign_flip
from search_policy.experiment.config import ExperimentConfig
from search_policy.experiment.grid import Cell, Setting, cells, part_of, recorded, train_config
from search_policy.experiment.measures import Sample, cause_of, crossed_bootstrap, describe
from search_policy.experiment.results import CellResult, Row, load, path_of, save
from search_policy.experiment.summary import summarize
from search_policy.experiment.work import first_episodes
from search_policy.learning.config import TrainConfig
from search_policy.skill import SearchConfig

PACE = {"aawr": 10, "awr": 20, "bc": 40, "coverage": 15, "oracle": 8}


def row(seed, steps=20, **values):
    plain = {"found": True, "truncated": False, "decisions": 2, "false_fixations": 0, "collisions": 0, "seen": 5}
    watched = {"floor": 0, "ceiling": 0, "idle": 3, "coverage": 0.5, "visible_fraction": 0.9}
    return Row(seed=seed, steps=steps, **{**plain, **watched, **values})


def failed(**values):
    return row(0, 400, **{"found": False, "truncated": True, "seen": 0, **values})


def config(folder, **values):
    small = {"tasks": ("bookshelf_duck",), "methods": ("aawr", "bc"), "scripted": ("coverage", "oracle"), "seeds": 2}
    sizes = {"demonstrations": (50, 100), "layouts": 12, "comparisons": ("aawr>bc", "aawr>coverage"), "workers": 1}
    return ExperimentConfig(out=str(folder), data=str(folder), **{**small, **sizes, **values})


def fake_work(experiment, cell):
    """A cell in no time: what a method needs depends on its pace, the layout and the seed."""
    rng = np.random.default_rng([cell.seed, cell.setting.demonstrations, len(cell.method)])
    rows = tuple(row(seed, PACE[cell.method] + int(rng.integers(6))) for seed in experiment.layout_seeds)
    curves = ({"step": 100.0, "actor_loss": 1.0}, {"step": 200.0, "actor_loss": 0.5}) if cell.learned else ()
    result = CellResult(cell, dict.fromkeys(experiment.appearances, rows), curves, 1.0, 2.0)
    save(pathlib.Path(experiment.out), result)
    return cell.name


@pytest.fixture
def recorded_data(monkeypatch):
    monkeypatch.setattr(running, "record", lambda experiment, todo: None)


def test_the_grid_holds_every_combination_once_and_seeds_come_outermost(tmp_path):
    grid = cells(config(tmp_path, memories=("none", "gru"), online=(0, 20)))
    assert len(grid) == len(set(grid)) == 2 + 2 * 2 * 2 * 2 * 2
    assert len({cell.name for cell in grid}) == len(grid)
    assert [cell.learned for cell in grid[:3]] == [False, False, True]
    assert [cell.seed for cell in grid if cell.learned] == [0] * 16 + [1] * 16


@given(count=st.integers(1, 7))
@settings(max_examples=20, deadline=None)
def test_the_shards_are_disjoint_and_complete(count):
    whole = config("x")
    parts = [part_of(dataclasses.replace(whole, shard=f"{number + 1}/{count}")) for number in range(count)]
    assert sorted(cell for part in parts for cell in part) == sorted(cells(whole))


def test_a_cell_trains_its_own_method_seed_and_size(tmp_path):
    experiment = config(tmp_path, action_spaces=("viewpoint", "twist"))
    cell = Cell(Setting("bookshelf_duck", "twist", "none", 50), "bc", 1)
    trained = train_config(experiment, cell)
    assert (trained.method, trained.seed, trained.action_space, trained.head) == ("bc", 1, "twist", "gaussian")
    assert trained.collect.tasks == ("bookshelf_duck",)
    assert trained.collect.episodes == 50
    assert pathlib.Path(trained.out).name == cell.name
    assert recorded(config(tmp_path, demonstrations=(20, 110))) == 150


def test_smaller_sets_of_demonstrations_are_parts_of_larger_ones(frames):
    small, large = (
        first_episodes(frames, Cell(Setting("bookshelf_duck", demonstrations=size), "bc"), pathlib.Path("data"))
        for size in (5, 10)
    )
    assert len(np.unique(small.episode)) == 5
    assert (large.action[: len(small)] == small.action).all()
    with pytest.raises(UsageError, match="data holds 24 demonstrations of bookshelf_duck, not 25"):
        first_episodes(frames, Cell(Setting("bookshelf_duck", demonstrations=25), "bc"), pathlib.Path("data"))


@pytest.mark.usefixtures("recorded_data")
def test_a_killed_comparison_goes_on_with_the_cells_that_are_missing(tmp_path):
    experiment, done = config(tmp_path), []

    def dies(asked, cell):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(fake_work(asked, cell))
        return done[-1]

    with pytest.raises(KeyboardInterrupt):
        running.run(experiment, dies)
    before = {path.name: path.read_bytes() for path in (tmp_path / "cells").iterdir()}
    assert len(before) == 4
    again = []
    results = running.run(experiment, lambda asked, cell: again.append(fake_work(asked, cell)) or again[-1])
    assert [result.cell for result in results] == cells(experiment)
    assert not set(done) & set(again)
    assert {name: (tmp_path / "cells" / name).read_bytes() for name in before} == before


@pytest.mark.usefixtures("recorded_data")
def test_more_seeds_and_methods_keep_finished_cells_and_another_configuration_is_refused(tmp_path):
    running.run(config(tmp_path), fake_work)
    more = config(tmp_path, seeds=3, methods=("aawr", "awr", "bc"))
    again = []
    running.run(more, lambda asked, cell: again.append(cell) or fake_work(asked, cell))
    assert {cell.method for cell in again if cell.seed < 2} == {"awr"}
    with pytest.raises(UsageError, match=r"another layouts \(12, not 13\); choose another --out"):
        running.run(config(tmp_path, layouts=13), fake_work)
    with pytest.raises(UsageError, match=r"another train\.beta"):
        running.run(config(tmp_path, train=dataclasses.replace(more.train, beta=0.7)), fake_work)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="holds other files than an experiment's"):
        running.run(config(tmp_path), fake_work)


@pytest.mark.usefixtures("recorded_data")
def test_a_damaged_cell_is_named(tmp_path):
    experiment = config(tmp_path)
    running.run(experiment, fake_work)
    first = path_of(tmp_path, cells(experiment)[0])
    first.write_text(first.read_text()[:100])
    with pytest.raises(BatonError, match=rf"{first.name} cannot be read.*delete it"):
        running.run(experiment, fake_work)
    other = path_of(tmp_path, cells(experiment)[1])
    first.write_text(other.read_text())
    with pytest.raises(BatonError, match="holds another cell"):
        load(tmp_path, cells(experiment)[0])


def test_more_demonstrations_than_recorded_are_refused_before_anything_runs(tmp_path):
    (tmp_path / "data/bookshelf_duck/shard-0000/meta").mkdir(parents=True)
    (tmp_path / "data/bookshelf_duck/shard-0000/meta/info.json").write_text(json.dumps({"total_episodes": 50}))
    asked = dataclasses.replace(config(tmp_path / "run"), data=str(tmp_path / "data"))
    with pytest.raises(UsageError, match="bookshelf_duck holds 50 demonstrations, but 100 are asked for"):
        running.run(asked, fake_work)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"methods": ("aawrr",)}, "aawrr.*Did you mean"),
        ({"scripted": ("sweeep",)}, "sweeep"),
        ({"seeds": 0}, "seeds, layouts, max_steps and workers must be at least 1"),
        ({"demonstrations": (0, 50)}, "sizes of at least 1"),
        ({"demonstrations": ()}, "sizes of at least 1"),
        ({"online": (-1,)}, "none negative"),
        ({"tasks": ()}, "at least one task"),
        ({"first_layout": 99_999}, "layouts below are trained on"),
        ({"shard": "3/2"}, "shard must be of the form 1/2"),
        ({"comparisons": ("aawr",)}, "written first>second"),
        ({"comparisons": ("aawr>nothing",)}, "nothing"),
        ({"engine": "spark"}, "spark"),
    ],
)
def test_bad_options_are_one_sentence(tmp_path, values, sentence):
    with pytest.raises(UsageError, match=sentence) as caught:
        config(tmp_path, **values)
    assert "\n" not in str(caught.value)


def test_unknown_tasks_presets_and_heads_are_refused_before_anything_runs(tmp_path):
    for values in ({"tasks": ("bookshelf_dock",)}, {"appearances": ("trainn",)}):
        with pytest.raises(UsageError):
            running.run(config(tmp_path / "run", **values), fake_work)
    with pytest.raises(UsageError, match="needs head"):
        running.run(config(tmp_path / "run", action_spaces=("twist",), twist_head="categorical"), fake_work)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="--out"):
        running.run(dataclasses.replace(config(tmp_path), out=""), fake_work)


def test_shipped_experiments_are_named_and_valid():
    assert {path.stem for path in EXPERIMENTS.glob("*.yaml")} >= {"paper", "quick"}
    for path in EXPERIMENTS.glob("*.yaml"):
        load_yaml(ExperimentConfig, path)
    paper = parse_options(ExperimentConfig, named(["paper", "--seeds", "3", "--out", "x"]))
    assert (paper.seeds, paper.layouts, paper.demonstrations) == (3, 200, (50, 100, 200, 600))
    with pytest.raises(UsageError, match=r"papper.*Did you mean"):
        named(["papper"])
    with pytest.raises(UsageError, match="name one of"):
        named(["--seeds", "3"])


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (row(0), ""),
        (failed(collisions=20, floor=400), "collisions"),
        (failed(seen=2, idle=200), "seen, never fixated"),
        (failed(seen=1, floor=150), "staring at the floor"),
        (failed(ceiling=150, floor=10, idle=90), "staring at the ceiling"),
        (failed(idle=75), "drift"),
        (failed(truncated=False), "gave up"),
        (failed(), "time-out"),
    ],
)
def test_a_failure_has_the_first_cause_that_fits(found, cause):
    assert cause_of(found) == cause


def test_measures_of_a_known_sample():
    sample = Sample(((row(0, 10), row(1, 30), failed(visible_fraction=0.3)),))
    oracle = Sample(((row(0, 10), row(1, 15), row(2, 8)),))
    found = describe(sample, oracle)
    assert found["success"][0] == pytest.approx(2 / 3)
    assert found["success"][1:] == pytest.approx([0.2077, 0.9385], abs=1e-3)  # Wilson, 2 of 3
    assert found["steps"][0] == pytest.approx(440 / 3)
    assert found["steps_median"] == 30
    assert found["spl"] == pytest.approx((1.0 + 0.5 + 0.0) / 3)
    assert found["occlusion"]["high"]["found"] == 0
    assert found["occlusion"]["medium"] is None
    assert found["causes"]["time-out"] == 1
    assert describe(sample, None)["spl"] is None


def test_the_crossed_bootstrap_knows_both_factors():
    rng = np.random.default_rng(1)
    layouts = rng.normal(size=(1, 400))
    low, high = crossed_bootstrap(np.repeat(layouts, 5, axis=0))
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(400), rel=0.1)  # five copies say no more than one
    seeds = rng.normal(size=(5, 1))
    spread = crossed_bootstrap(np.repeat(seeds, 400, axis=1))
    assert spread[1] - spread[0] > 0.8  # four hundred layouts do not make up for five seeds
    assert crossed_bootstrap(np.full((3, 9), 7.0)) == pytest.approx((7.0, 7.0))


def test_sign_flips_against_the_exact_value():
    assert sign_flip(np.array([1.0] * 6 + [0.0] * 4)) == pytest.approx(2 / 2**6)
    assert sign_flip(np.zeros(5)) == 1.0
    assert sign_flip(np.array([1.0, 0.0])) == 1.0


def test_comparisons_claim_only_what_is_there():
    layouts = range(40)
    fast = Sample(tuple(tuple(row(seed, 10 + seed % 3) for seed in layouts) for _ in range(3)))
    slow = Sample(tuple(tuple(row(seed, 20 + seed % 5) for seed in layouts) for _ in range(3)))
    clear, none = corrected([compare(("aawr", fast), ("bc", slow)), compare(("aawr", fast), ("awr", fast))])
    assert clear.findings() == {"steps": "needs fewer steps than"}
    assert none.findings() == {}
    assert none.steps.p_holm == 1.0
    assert clear.steps.p_holm == pytest.approx(4 * clear.steps.p)  # Holm over two comparisons and two measures
    scripted = Sample((slow.rows[0],))
    assert compare(("aawr", fast), ("coverage", scripted)).steps.difference == clear.steps.difference


def test_one_lucky_training_seed_is_no_claim():
    layouts = range(60)
    level = tuple(row(seed, 20 + seed % 7) for seed in layouts)
    lucky = tuple(row(seed, 15 + seed % 7) for seed in layouts)
    found = corrected([compare(("aawr", Sample((lucky, level, level))), ("awr", Sample((level, level, level))))])[0]
    assert found.steps.p_holm < 0.05
    assert found.findings() == {}


@pytest.mark.usefixtures("recorded_data")
def test_the_report_shows_partial_results_and_says_what_is_missing(tmp_path):
    experiment = config(tmp_path)
    done = []

    def stops(asked, cell):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(cell)
        return fake_work(asked, cell)

    with pytest.raises(KeyboardInterrupt):
        running.run(experiment, stops)
    partial = dataclasses.replace(experiment, report_only=True)
    lines = write_report(partial, running.run(partial, fake_work))
    assert lines[0] == "cells   5 of 10 finished"
    assert lines[1].startswith("claim   bookshelf_duck: aawr needs fewer steps than bc: -")
    assert "with 50 demonstrations; control steps, p <= " in lines[1]
    page = (tmp_path / HTML).read_text()
    assert "This comparison is not complete" in page
    assert "bc, bookshelf_duck, 100 demonstrations: 0 of 2 training seeds" in page
    assert "method distillation" in page
    assert page.count("<svg") == 3
    assert "http" not in page
    assert "aawr needs fewer steps than bc" in (tmp_path / MARKDOWN).read_text()
    assert json.loads((tmp_path / SUMMARY).read_text())["finished"] == 5


@pytest.mark.usefixtures("recorded_data")
def test_the_report_renders_with_nothing_finished_and_with_scripted_searchers_alone(tmp_path):
    for values in ({"methods": ("aawr",), "scripted": ()}, {"methods": (), "scripted": ("coverage", "oracle")}):
        experiment = config(tmp_path / str(len(values["methods"])), **values)
        todo = experiment if values["scripted"] else dataclasses.replace(experiment, report_only=True)
        write_report(todo, running.run(todo, fake_work))
        assert (pathlib.Path(experiment.out) / HTML).is_file()


def test_pairs_use_the_training_seeds_that_both_have():
    experiment = config("x")
    setting = Setting("bookshelf_duck", demonstrations=50)
    rows = {name: tuple(row(seed) for seed in experiment.layout_seeds) for name in experiment.appearances}
    results = [CellResult(Cell(setting, name, seed), rows) for name, seed in (("aawr", 0), ("aawr", 1), ("bc", 1))]
    found = summarize(experiment, results)["comparisons"]
    assert [(item["first"], item["second"], item["seeds"]) for item in found] == [("aawr", "bc", 1)]


def test_an_insight_follows_the_scene_and_only_weighted_methods_weigh_every_open_view(tmp_path):
    train = TrainConfig(choices="open", search=SearchConfig(insight="insight-{scene}"))
    chosen = config(tmp_path, tasks=("bookshelf_duck", "shelf_cabinet"), methods=("aawr", "bc"), train=train)
    runs = [train_config(chosen, cell) for cell in cells(chosen) if cell.learned]
    assert {(run.collect.tasks[0], run.search.insight) for run in runs} == {
        ("bookshelf_duck", "insight-bookcase"),
        ("shelf_cabinet", "insight-cabinet"),
    }
    assert {(run.method, run.choices) for run in runs} == {("aawr", "open"), ("bc", "taken")}


def test_a_second_process_on_the_same_part_is_refused_and_another_part_is_not(tmp_path):
    experiment = config(tmp_path)
    with running.alone(experiment):
        with pytest.raises(UsageError, match=r"another process does part 1/1.*--shard"), running.alone(experiment):
            pass
        with running.alone(dataclasses.replace(experiment, shard="1/2")):
            pass
    with running.alone(experiment):
        pass


@pytest.mark.usefixtures("recorded_data")
def test_a_missing_insight_is_refused_before_anything_is_recorded_but_not_for_a_report(tmp_path):
    train = TrainConfig(search=SearchConfig(insight=str(tmp_path / "insight-{scene}")))
    experiment = config(tmp_path / "run", tasks=("shelf_cabinet",), train=train)
    with pytest.raises(UsageError, match=r"insight-cabinet holds no insight for shelf_cabinet; train one with"):
        running.run(experiment, fake_work)
    assert running.run(dataclasses.replace(experiment, report_only=True), fake_work) == []
    folder = tmp_path / "insight-cabinet"
    folder.mkdir()
    (folder / running.INSIGHT).write_text("{}")
    assert len(running.run(experiment, fake_work)) == 10
