"""LeRobot's own commands, as real processes without any network, on the simulated arm and its tasks."""

import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from robots.sim.layouts.starts import STARTS
from tests.lerobot_policies import IMAGE_PX, save_tiny_policy

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]
ROOT = pathlib.Path(__file__).parents[3]
DEADLINE_S = 110.0
PLUGIN = "robots.lerobot_plugin"
WRIST = f"--robot.wrist_px=[{IMAGE_PX},{IMAGE_PX}]"
JOINTS = [*(f"joint{index}.pos" for index in range(1, 8)), "gripper.pos"]
OFFLINE = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "MUJOCO_GL": "egl"}


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policies")
    return {
        "robot": save_tiny_policy(folder / "robot", actions=8, spread=0.1),
        "env": save_tiny_policy(folder / "env", actions=7, spread=0.3),
    }


def run(home, name, *arguments):
    """Run one of LeRobot's commands with an empty home folder; returns everything that it wrote to the terminal."""
    command = pathlib.Path(sys.executable).with_name(name)
    done = subprocess.run(
        [str(command), *arguments],
        cwd=ROOT,
        env={**os.environ, **OFFLINE, "HOME": str(home), "HF_HOME": str(home / "hf"), "HF_LEROBOT_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def read_dataset(root, repo_id):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from lerobot.datasets import LeRobotDataset

    return LeRobotDataset(repo_id, root=root)


def no_name_is_privileged(names):
    return not [name for name in names if "privileged" in name or "target" in name or "qpos" in name]


def test_eval_runs_a_policy_in_a_task(policies, tmp_path):
    out = tmp_path / "eval"
    run(
        tmp_path,
        "lerobot-eval",
        f"--env.discover_packages_path={PLUGIN}",
        "--env.type=baton",
        "--env.task=bookshelf_duck_absent",
        f"--env.wrist_px=[{IMAGE_PX},{IMAGE_PX}]",
        "--env.episode_length=8",
        f"--policy.path={policies['env']}",
        "--policy.device=cpu",
        "--eval.n_episodes=2",
        "--eval.batch_size=1",
        "--seed=100000",
        f"--output_dir={out}",
    )
    overall = json.loads((out / "eval_info.json").read_text())["overall"]
    assert overall["n_episodes"] == 2
    assert overall["pc_success"] == 0.0  # nothing can be lifted in 8 steps
    assert math.isfinite(overall["avg_sum_reward"])
    assert sorted(path.name for path in out.rglob("*.mp4")) == ["eval_episode_0.mp4", "eval_episode_1.mp4"]


def test_rollout_drives_the_arm_through_two_episodes(policies, tmp_path):
    root = tmp_path / "data"
    said = run(
        tmp_path,
        "lerobot-rollout",
        f"--robot.discover_packages_path={PLUGIN}",
        "--robot.type=baton_sim",
        "--robot.seed=100000",
        WRIST,
        "--robot.third_person_px=null",
        "--robot.episode_time_s=1",
        "--robot.reset_time_s=2",
        f"--policy.path={policies['robot']}",
        "--policy.device=cpu",
        "--device=cpu",
        "--strategy.type=episodic",
        "--fps=15",
        "--dataset.repo_id=local/rollout_tiny",
        f"--dataset.root={root}",
        "--dataset.single_task=Pick up the pineapple.",
        "--dataset.fps=15",
        "--dataset.num_episodes=2",
        "--dataset.episode_time_s=1",
        "--dataset.reset_time_s=2",
        "--dataset.push_to_hub=false",
        "--dataset.no_stamp=true",
        "--return_to_initial_position=false",
        "--play_sounds=false",
    )
    assert "seed 100000 ended" in said
    assert "seed 100001 ended" in said
    data = read_dataset(root, "local/rollout_tiny")
    assert data.num_episodes == 2
    assert data.features["action"]["names"] == JOINTS
    assert data.features["observation.images.wrist"]["shape"] == (IMAGE_PX, IMAGE_PX, 3)
    first, last = data[0]["observation.images.wrist"], data[len(data) - 1]["observation.images.wrist"]
    assert float((first - last).abs().mean()) > 0.02  # the second episode shows another scene


def test_record_stores_the_expert_s_demonstrations(tmp_path):
    root = tmp_path / "data"
    said = run(
        tmp_path,
        "lerobot-record",
        f"--robot.discover_packages_path={PLUGIN}",
        "--robot.type=baton_sim",
        "--robot.seed=100000",
        WRIST,
        "--robot.third_person_px=[96,64]",
        "--robot.episode_time_s=2",
        "--robot.reset_time_s=2",
        "--teleop.type=baton_expert",
        "--dataset.repo_id=local/demos",
        f"--dataset.root={root}",
        "--dataset.single_task=Pick up the pineapple.",
        "--dataset.fps=15",
        "--dataset.num_episodes=2",
        "--dataset.episode_time_s=2",
        "--dataset.reset_time_s=2",
        "--dataset.push_to_hub=false",
        "--dataset.no_stamp=true",
        "--play_sounds=false",
    )
    assert said.count("a pick of") == 2
    data = read_dataset(root, "local/demos")
    assert (data.num_episodes, data.fps) == (2, 15)
    assert 10 <= len(data) <= 62
    assert data.features["observation.state"]["names"] == JOINTS
    assert data.features["observation.images.third_person"]["shape"] == (64, 96, 3)
    assert no_name_is_privileged(data.features)
    frame = data[len(data) // 4]
    assert frame["task"] == "Pick up the pineapple."
    moved = (data[0]["observation.state"] - frame["observation.state"]).abs().max()
    assert float(moved) > 0.05  # [rad]: the expert drives
    starts = [data[0]["observation.state"], data[int(data.meta.episodes["dataset_from_index"][1])]["observation.state"]]
    for start in starts:  # every episode begins at a posture of the bank
        assert np.abs(np.array(STARTS) - start[:7].numpy()).max(axis=1).min() < 0.02
