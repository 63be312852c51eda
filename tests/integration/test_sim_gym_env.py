"""The Gymnasium face of the simulation: the checker's rules, seeds, replay, success, and no leak of the truth."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robots.errors import ActionRejectedError, SpecError, UsageError
from robots.sim import gym_env
from robots.sim.config import STEP_M, SimConfig
from robots.sim.layout import sample_episode

IDS = [
    "baton/bookshelf_pineapple-v0",
    "baton/bookshelf_pineapple_absent-v0",
    "baton/bookshelf_duck-v0",
    "baton/bookshelf_duck_absent-v0",
]
STILL = np.array([0, 0, 0, 0, 0, 0, -1], dtype=np.float32)


@pytest.fixture(scope="module")
def env():
    made = gymnasium.make("robots.sim.gym_env:baton/bookshelf_pineapple-v0")
    yield made
    made.close()


def arrays_of(observation):
    return {"agent_pos": observation["agent_pos"], **observation["pixels"]}


@pytest.mark.parametrize("name", IDS)
def test_every_id_is_registered_with_its_task(name):
    spec = gymnasium.spec(name)
    assert spec.max_episode_steps == gym_env.MAX_EPISODE_STEPS
    assert (spec.kwargs["variant"] == "absent") == ("_absent" in name)
    assert spec.kwargs["task"] in name


def test_gymnasium_finds_nothing_to_complain_about():
    env = gym_env.BookshelfEnv("bookshelf_duck", config=SimConfig(third_person_px=(64, 48)), render_mode="rgb_array")
    env.spec = gymnasium.spec("baton/bookshelf_duck-v0")
    check_env(env, skip_render_check=True)
    assert env.render().shape == (360, 480, 3)
    env.close()


def test_observation_holds_cameras_and_joints_and_nothing_else(env):
    observation, info = env.reset(seed=7)
    assert observation.keys() == {"pixels", "agent_pos"}
    assert observation["pixels"].keys() == {"wrist"}
    assert observation["pixels"]["wrist"].shape == (84, 84, 3)
    assert observation["agent_pos"].shape == (8,)
    assert not set(info["privileged"]) & (observation.keys() | observation["pixels"].keys())


def test_hiding_the_target_everywhere_but_in_the_image_changes_no_number(env):
    """The same layout without its target differs in pixels and in `info`, never in the joint vector."""
    present, truth = env.reset(seed=7)
    twin = sample_episode("bookshelf_pineapple", 7, variant="absent").to_dict()
    absent, lie = env.reset(options={"episode": twin})
    assert np.array_equal(present["agent_pos"], absent["agent_pos"])
    assert truth["privileged"]["target_present"] == 1.0
    assert lie["privileged"]["target_present"] == 0.0


def test_seed_chooses_the_episode_and_none_draws_a_new_one(env):
    first, info = env.reset(seed=11)
    again, _ = env.reset(seed=11)
    assert all(np.array_equal(a, b) for a, b in zip(arrays_of(first).values(), arrays_of(again).values(), strict=True))
    expected = sample_episode("bookshelf_pineapple", 11).objects[0].position_m
    assert np.allclose(info["privileged"]["target_position_m"][:2], expected[:2], atol=0.02)
    _, other = env.reset()
    assert not np.allclose(other["privileged"]["target_position_m"], info["privileged"]["target_position_m"])


def test_an_episode_that_went_through_json_is_replayed_with_its_own_task(env):
    episode = json.loads(json.dumps(sample_episode("bookshelf_duck", 5).to_dict()))
    env.reset(options={"episode": episode})
    assert env.unwrapped.task == "bookshelf_duck"
    assert env.unwrapped.task_description == "Pick up the rubber duck from the bookshelf."
    env.reset(seed=1)
    assert env.unwrapped.task == "bookshelf_pineapple"


def test_full_speed_is_the_largest_step_and_the_gripper_spans_open_to_closed(env):
    env.reset(seed=7)
    robot = env.unwrapped._robot
    start = robot.get_observation().gripper_to_world[:3, 3].copy()
    back = np.array([-1, 0, 0, 0, 0, 0, 1], dtype=np.float32)
    for _ in range(3):
        env.step(back)
    moved = start - robot.get_observation().gripper_to_world[:3, 3]
    assert 0.5 * STEP_M < moved[0] < 3 * STEP_M
    for _ in range(10):
        observation, *_ = env.step(np.append(np.zeros(6), 1).astype(np.float32))
    assert observation["agent_pos"][7] > 0.9
    for _ in range(10):
        observation, *_ = env.step(STILL)
    assert observation["agent_pos"][7] < 0.05


def test_lifting_the_target_pays_once_and_ends_the_episode(env):
    from robots.sim.experts.world import ExpertWorld
    from robots.types import Action, ActionSpace

    env.reset(seed=100_001)
    bare = env.unwrapped
    world = ExpertWorld(dt_s=1 / 15)
    plan = world.plan(
        bare._robot.spec.to_dict(), bare._robot.data.qpos.copy(), np.random.default_rng(0), min_visible_fraction=0.0
    )
    for joints, gripper in zip(plan.joints_rad, plan.gripper, strict=True):
        bare._robot.send_action(Action(ActionSpace.JOINT_POSITION, joints, float(gripper)))
    _, reward, terminated, truncated, info = env.step(np.append(np.zeros(6), 1).astype(np.float32))
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)


def test_without_success_the_reward_is_zero_and_the_limit_truncates():
    env = gymnasium.make("baton/bookshelf_duck_absent-v0", max_episode_steps=3)
    env.reset(seed=0)
    results = [env.step(STILL)[1:4] for _ in range(3)]
    assert results == [(0.0, False, False)] * 2 + [(0.0, False, True)]
    env.close()


def test_bad_input_is_named(env):
    with pytest.raises(UsageError, match="bookshelf_duck"):
        gym_env.BookshelfEnv("bookshelf_dck")
    with pytest.raises(UsageError, match="rgb_array"):
        gym_env.BookshelfEnv("bookshelf_duck", render_mode="human")
    with pytest.raises(UsageError, match="episode"):
        env.reset(options={"epsiode": {}})
    with pytest.raises(SpecError, match="version"):
        env.reset(options={"episode": {}})
    env.reset(seed=1)
    with pytest.raises(ActionRejectedError, match="shape"):
        env.unwrapped.step(np.zeros(6))
    with pytest.raises(ActionRejectedError, match="finite"):
        env.unwrapped.step(np.full(7, np.nan))
