"""`--randomization`: refused by name before anything starts, and kept with the run."""

import json

import pytest
import yaml
from cli_fakes import open_scripted

from handoff import cli
from handoff.commands.evaluate import evaluate, result_lines
from handoff.commands.options import parse_options
from handoff.config import EvalConfig


@pytest.mark.parametrize(
    "arguments",
    [["demo", "--randomization", "trian"], ["eval", "--randomization", "trian"]],
)
def test_an_unknown_preset_is_one_sentence_and_exit_code_2(capsys, arguments):
    assert cli.main(arguments) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


def test_training_refuses_an_unknown_preset_too(capsys):
    assert cli.main(["train", "--collect.randomization", "shiftd"]) == 2
    assert "Did you mean 'shifted'?" in capsys.readouterr().err


def test_a_bad_file_is_refused_by_the_name_of_its_field(capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("noise: {levels: [3, 1]}\n")
    assert cli.main(["eval", "--randomization", str(path)]) == 2
    assert "noise: levels needs its lower end first" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train", "none"])
def test_the_run_keeps_its_randomization(tmp_path, name):
    out = tmp_path / "run"
    config = parse_options(EvalConfig, ["--randomization", name, "--episodes", "1", "--videos", "0", "--out", str(out)])
    evaluate(config, open_scripted())
    summary = json.loads((out / "summary.json").read_text())
    assert yaml.safe_load((out / "config.yaml").read_text())["randomization"] == name
    assert summary["randomization"] == name
    assert (f"randomization {name}" in result_lines(config, summary)[0]) == (name != "train")
