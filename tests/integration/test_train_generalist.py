"""A generalist is trained, continued, exported and served; `lerobot-train` ends with the same weights."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from handoff.cli import main
from robots.curves import read_curves
from robots.errors import CheckpointError, UsageError
from tests.grasp_data import record
from vla_bridge.backends.lerobot import LeRobotBackend, LeRobotConfig
from vla_bridge.training import checkpoints, trainer
from vla_bridge.training.config import GeneralistConfig
from vla_bridge.training.policy_options import policy_config
from vla_bridge.training.trainer import train

TINY = {"type": "film", "width": 8, "instruction_width": 8, "hidden_width": 16}
STILL = {"shift_px": 0, "brightness": 0.0, "contrast": 0.0}
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return record(tmp_path_factory.mktemp("squares") / "data")


def config(data, out, **options):
    values = {"updates": 6, "batch_size": 8, "checkpoint_every": 2, "log_every": 2, "held_out": 1, "seed": 3, **options}
    return GeneralistConfig(dataset=(str(data),), out=str(out), **values)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    train(config(data, out), TINY, f"baton train-generalist --dataset {data},more/data --out={out} --seed 3")
    return out


def weights(folder):
    return (folder / WEIGHTS).read_bytes()


def stop_before(monkeypatch, call):
    """Let the run be interrupted before its update number `call`."""
    calls, update = iter(range(call)), trainer.update_policy

    def counted(*arguments, **options):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return update(*arguments, **options)

    monkeypatch.setattr(trainer, "update_policy", counted)


@pytest.mark.parametrize("done", [1, 4, 5])
def test_a_continued_run_ends_with_the_same_weights(data, finished, tmp_path, monkeypatch, done):
    with monkeypatch.context() as patch:
        stop_before(patch, done)
        with pytest.raises(KeyboardInterrupt):
            train(config(data, tmp_path), TINY)
    assert not (tmp_path / "policy").exists()
    folder = train(config(data, tmp_path), TINY)
    assert weights(folder) == weights(finished / "policy")
    rows = read_curves(tmp_path)
    assert [row["step"] for row in rows] == [2, 4, 6]
    for row, other in zip(rows, read_curves(finished), strict=True):
        if row["step"] > done:  # averages start anew where a run was continued
            assert row["validation_loss"] == other["validation_loss"]


def test_a_checkpoint_that_was_being_written_is_not_taken_for_one(data, finished, tmp_path, monkeypatch):
    save = checkpoints.save_checkpoint

    def killed(folder, step, *arguments, **options):
        save(folder, step, *arguments, **options)
        if step == 4:
            (folder / "pretrained_model" / WEIGHTS).write_bytes(b"half")
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config(data, tmp_path), TINY)
    assert [path.name for path in checkpoints.checkpoints(tmp_path)] == ["000002"]
    assert weights(train(config(data, tmp_path), TINY)) == weights(finished / "policy")


def test_a_finished_run_is_left_as_it_is(data, finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    assert train(config(data, finished), TINY) == finished / "policy"
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*")}


def test_a_damaged_checkpoint_is_named(data, tmp_path):
    shutil.rmtree(train(config(data, tmp_path, updates=2), TINY))
    state = tmp_path / "checkpoints" / "000002" / "training_state" / "optimizer_state.safetensors"
    state.write_bytes(state.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=r"000002 is damaged .* delete it"):
        train(config(data, tmp_path, updates=2), TINY)


def test_a_loss_that_is_not_finite_ends_the_run_before_a_checkpoint(data, tmp_path):
    with pytest.raises(UsageError, match="diverged at update"):
        train(config(data, tmp_path, updates=30, checkpoint_every=30), {**TINY, "optimizer_lr": 1e30})
    assert not checkpoints.checkpoints(tmp_path)


def test_a_dataset_without_its_frames_is_refused_without_asking_the_hub(data, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    shutil.rmtree(copy / "data")
    with pytest.raises(UsageError, match="copy cannot be read"):
        train(config(copy, tmp_path / "run"), TINY)


def test_the_policy_folder_is_served_and_says_where_it_comes_from(finished):
    folder = finished / "policy"
    backend = LeRobotBackend(LeRobotConfig(folder, profile="baton_sim"))
    backend.load()
    backend.warm()
    card = json.loads((folder / "card.json").read_text())
    assert card["data"] | {"tasks": 2} == {"names": ["data"], "episodes": 2, "frames": 21, "tasks": 2, "hz": 15}
    assert card["training"]["seed"] == 3
    assert card["training"]["cpu_s"] > 0.0
    assert card["sha256"] in (folder / "CARD.md").read_text()
    named = {line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert named == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}


def test_nothing_in_the_policy_folder_names_a_place_on_this_machine(data, finished):
    for path in (finished / "policy").iterdir():
        if path.suffix in (".json", ".md"):
            assert str(data.parent) not in path.read_text(), path
    command = json.loads((finished / "policy" / "card.json").read_text())["training"]["command"]
    assert command == "baton train-generalist --dataset data,more/data --out=run --seed 3"


def test_a_changed_byte_of_the_exported_weights_is_noticed(finished, tmp_path):
    for path in (finished / "policy").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = bytearray(weights(tmp_path))
    damaged[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(damaged)
    with pytest.raises(CheckpointError, match="SHA-256"):
        LeRobotBackend(LeRobotConfig(tmp_path, profile="baton_sim")).load()


def test_privileged_columns_are_no_inputs_of_the_saved_policy(finished):
    saved = json.loads((finished / "policy" / "config.json").read_text())
    assert sorted(saved["input_features"]) == sorted(GeneralistConfig(dataset=("x",)).inputs)


def test_the_configuration_that_was_kept_runs_again(finished, tmp_path):
    again = tmp_path / "again"
    assert main(["train-generalist", "--config", str(finished / "config.yaml"), "--out", str(again)]) == 0
    assert weights(again / "policy") == weights(finished / "policy")
    kept = [yaml.safe_load((out / "config.yaml").read_text()) for out in (finished, again)]
    assert kept[0] | {"out": ""} == kept[1] | {"out": ""}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seed", "4"], "holds a run with another configuration: seed is 3 there, but 4 here"),
        (["--policy.width", "9"], "policy.width is 8 there, but 9 here"),
        (["--policy.type", "flim"], "Unknown policy type 'flim'"),
        (["--policy.widht", "9"], "Unknown option '--policy.widht'"),
        (["--policy.width", "wide"], "--policy:"),
        (["--policy.width"], "Option --policy.width needs a value"),
        (["--dataset", "nowhere", "--out", "elsewhere"], "nowhere holds no LeRobot dataset"),
        (["--inputs", "observation.state", "--out", "elsewhere"], "needs an image"),
        (["--fps", "30", "--out", "elsewhere"], "was recorded at 15 Hz instead of 30 Hz"),
        (["--upadtes", "3"], "Unknown option '--upadtes'"),
    ],
)
def test_a_mistake_is_one_sentence(finished, capsys, monkeypatch, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["train-generalist", "--config", str(finished / "config.yaml"), *arguments]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert sentence in said[0]
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_of_the_file_is_named(tmp_path, capsys):
    path = tmp_path / "train.yaml"
    path.write_text("bathc_size: 3\n")
    assert main(["train-generalist", "--config", str(path)]) == 2
    assert "Unknown key 'bathc_size'" in capsys.readouterr().err


def test_the_learning_rate_and_the_optimiser_are_the_policys_presets():
    chosen = policy_config({**TINY, "optimizer_lr": 0.002}, "cpu")
    assert chosen.get_optimizer_preset().lr == 0.002
    assert not chosen.push_to_hub


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(900)  # a process that imports LeRobot takes minutes on a busy machine
def test_lerobot_train_ends_with_the_same_weights(data, tmp_path):
    policy = {**TINY, **STILL}
    ours = train(config(data, tmp_path / "ours", held_out=0), policy)
    options = {
        "policy.discover_packages_path": "vla_bridge.policies",
        **{f"policy.{name}": value for name, value in policy.items()},
        "policy.device": "cpu",
        "policy.push_to_hub": "false",
        "dataset.repo_id": "local/data",
        "dataset.root": data,
        "dataset.video_backend": "pyav",
        "steps": 6,
        "batch_size": 8,
        "seed": 3,
        "num_workers": 0,
        "env_eval_freq": 0,
        "output_dir": tmp_path / "theirs",
    }
    command = Path(sys.executable).parent / "lerobot-train"
    subprocess.run([command, *(f"--{name}={value}" for name, value in options.items())], env=offline(), check=True)
    assert weights(tmp_path / "theirs/checkpoints/000006/pretrained_model") == weights(ours)


def offline():
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(900)  # a process that imports LeRobot takes minutes on a busy machine
def test_a_run_that_is_killed_ends_with_the_same_weights(data, tmp_path):
    out, options = tmp_path / "killed", {"updates": 60, "checkpoint_every": 5, "held_out": 0}
    arguments = ["--dataset", data, "--out", out, "--batch_size", "8", "--seed", "3", "--log_every", "2"]
    arguments += [part for name, value in options.items() for part in (f"--{name}", value)]
    arguments += [part for name, value in TINY.items() for part in (f"--policy.{name}", value)]
    command = [Path(sys.executable).parent / "baton", "train-generalist", *map(str, arguments)]
    running = subprocess.Popen(command, env=offline())
    deadline = time.monotonic() + 600
    while len(checkpoints.checkpoints(out)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert not (out / "policy").exists()
    whole = train(config(data, tmp_path / "whole", **options), TINY)
    assert weights(train(config(data, out, **options), TINY)) == weights(whole)
