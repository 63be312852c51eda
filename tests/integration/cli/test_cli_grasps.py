"""`baton collect-grasps` and `baton eval-grasps`: results, resuming, and mistakes in one sentence."""

import json

import pytest

from handoff.cli import main
from handoff.commands.collect_grasps import ROWS, CollectOptions, collect
from handoff.commands.eval_grasps import EvalOptions, evaluate
from handoff.commands.grasp_report import standalone, summarize, summary_lines, views_plot
from handoff.dataset.verify import verify
from robots.errors import UsageError


def options(tmp_path, **changes):
    return CollectOptions(**{"episodes": 2, "workers": 1, "out": str(tmp_path / "grasps"), "seed_base": 30, **changes})


def test_collecting_makes_one_whole_dataset_and_goes_on_where_it_stopped(tmp_path):
    first = collect(options(tmp_path, bins=("absent:1",)))
    assert (first.kept, first.bins["absent"]) == (2, 2)
    notebook = tmp_path / "grasps.collected" / ROWS
    lines = notebook.read_text().splitlines()
    notebook.write_text("\n".join(lines) + '\n{"seed": 3')
    more = collect(options(tmp_path, bins=("absent:1",), episodes=3))
    found = verify(tmp_path / "grasps")
    assert found.ok, found.findings
    assert more.kept == len(found.rows) == 3
    assert notebook.read_text().count('"outcome"') == 3
    assert found.notes[0]["bin"] == "absent"
    assert found.info["features"]["privileged.target_px"]["shape"] == [3]
    with pytest.raises(UsageError, match="distractors"):
        collect(options(tmp_path, bins=("absent:1",), distractors=0.5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--episodes", "0"], "episodes must be at least 1"),
        (["--beta", "2"], "beta must lie in"),
        (["--bins", "centerd:1"], "Did you mean 'centred'"),
        (["--bins", "centred:much"], "centred:SHARE"),
        (["--targets", "bowl"], "Unknown target 'bowl'"),
        (["--seed_base", "199999", "--episodes", "2"], "are for tests"),
    ],
)
def test_mistakes_in_collecting_are_one_sentence(tmp_path, capsys, given, message):
    assert main(["collect-grasps", "--out", str(tmp_path / "grasps"), "--workers", "1", *given]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "grasps").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--bins", "middle"], "Unknown bin 'middle'"),
        (["--policies", "expret"], "neither expert nor planned, nor a folder"),
        (["--policies", "expert,expert"], "different names"),
        (["--targets", "sofa"], "Unknown target 'sofa'"),
        (["--randomization", "strong"], "Unknown randomization"),
    ],
)
def test_mistakes_in_evaluating_are_one_sentence(tmp_path, capsys, given, message):
    assert main(["eval-grasps", "--out", str(tmp_path / "out"), *given]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_evaluation_runs_every_condition_and_goes_on_where_it_stopped(tmp_path):
    wanted = EvalOptions(
        bins=("centred",), episodes=1, workers=1, swap=True, absent=True, randomization="none", out=str(tmp_path)
    )
    summary = evaluate(wanted)
    cells = {cell["condition"]: cell for cell in summary["cells"] if cell["graspable"] or cell["condition"] == "absent"}
    assert cells["view"]["success"][0] == 1.0
    assert cells["paraphrase"]["outcomes"] == {"grasped": 1}
    assert cells["absent"]["outcomes"] == {"refused": 1}
    rows = (tmp_path / "rows.jsonl").read_text()
    assert evaluate(wanted) == summary
    assert (tmp_path / "rows.jsonl").read_text() == rows
    assert (tmp_path / "views.svg").read_text().startswith("<svg xmlns=")
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    with pytest.raises(UsageError, match="randomization"):
        evaluate(EvalOptions(bins=("centred",), episodes=1, workers=1, out=str(tmp_path)))


def row(policy, seed, outcome, view="centred", condition="view", graspable=True):
    return {
        "policy": policy, "seed": seed, "outcome": outcome, "bin": view, "condition": condition,
        "graspable": graspable, "contacts": 0, "knocked": [], "steps": 30,
    }  # fmt: skip


def test_the_summary_counts_by_policy_and_view_and_compares_in_pairs():
    rows = [row("expert", seed, "grasped") for seed in range(10)]
    rows += [row("mini", seed, "wrong_object" if seed < 8 else "grasped") for seed in range(10)]
    rows.append(row("mini", 3, "timeout", "far"))
    summary = summarize(rows, [r for r in rows if r["policy"] == "mini"], ["expert", "mini"])
    cell = next(cell for cell in summary["cells"] if cell["policy"] == "mini" and cell["bin"] == "centred")
    assert cell["success"][0] == pytest.approx(0.2)
    assert cell["success"][1] < 0.2 < cell["success"][2]
    assert cell["wrong_object"][0] == pytest.approx(0.8)
    assert summary["pairs"][0]["grasped"] == [10, 2]
    assert summary["pairs"][0]["p"] < 0.05
    assert len(summary_lines(summary)) == 4
    plot = views_plot(summary)
    assert plot.count("mini") >= 1
    assert "far" in plot


def test_a_plot_of_nothing_is_an_empty_picture():
    assert views_plot(summarize([], [], [])) == standalone("<svg></svg>")
