"""The small arm at its table: the cube is never in view at the start, and can be found, taken and lifted."""

import dataclasses
import json

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robots.errors import PlanningError
from robots.sim import gym_env
from robots.sim.config import SimConfig
from robots.sim.episode import EpisodeSpec, Variant
from robots.sim.experts.lift import LiftExpert
from robots.sim.experts.world import ExpertWorld
from robots.sim.koch import KOCH
from robots.sim.layout import sample_episode
from robots.sim.layout_table import out_of_view, sample_lift
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.objects import TABLE_CLASSES
from robots.sim.privileged import PrivilegedView
from robots.sim.randomization import find_randomization
from robots.types import Action, ActionSpace

TASK = "koch_lift"
PLAIN = find_randomization("none")
FIRST = 100_000


@pytest.fixture(scope="module")
def robot():
    made = MujocoRobot(SimConfig(scene="koch", wrist_px=(96, 72)), lambda: 0.0)
    made.connect()
    yield made
    made.close()


def drive(robot, seed, spec, periods=450):
    """Let the expert act until the cube is lifted."""
    robot.reset(spec)
    expert, truth = LiftExpert(robot, np.random.default_rng(seed)), PrivilegedView(robot)
    for _ in range(periods):
        robot.send_action(expert.act())
        if truth.judge().success:
            break
    return truth.judge()


@pytest.mark.parametrize("preset", ["none", "train", "shifted", "extreme"])
def test_the_cube_is_out_of_view_at_the_start(robot, preset):
    truth, randomization = PrivilegedView(robot), find_randomization(preset)
    for seed in range(FIRST, FIRST + 60):
        spec = sample_lift(seed, Variant.DISTRACTOR if seed % 2 else Variant.STANDARD, randomization)
        robot.reset(spec)
        assert truth.visibility().alone_px == 0, seed


def test_the_same_cube_would_be_seen_in_the_middle(robot):
    """What the test above would look like if it failed."""
    spec = sample_lift(FIRST, Variant.STANDARD, PLAIN)
    middle = dataclasses.replace(spec.objects[0], position_m=(0.16, 0.0, 0.0))
    robot.reset(dataclasses.replace(spec, objects=(middle,)))
    assert PrivilegedView(robot).visibility().alone_px > 20
    assert not out_of_view(np.array([0.16, 0.0, 0.0]), 0.018)


@pytest.mark.parametrize("variant", [Variant.STANDARD, Variant.DISTRACTOR])
def test_layouts_lie_on_the_table_and_apart(variant):
    for seed in range(FIRST, FIRST + 100):
        spec = sample_lift(seed, variant, PLAIN)
        assert EpisodeSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
        assert spec.objects[0].kind == "cube"
        assert len(spec.objects) >= 4
        for index, one in enumerate(spec.objects):
            assert spec.region.index_of(np.array(one.position_m)) is not None or one.kind != "cube"
            for other in spec.objects[:index]:
                apart = np.hypot(*(np.array(one.position_m) - other.position_m)[:2])
                assert apart > TABLE_CLASSES[one.kind].radius_m + TABLE_CLASSES[other.kind].radius_m


def test_cubes_lie_on_both_sides_and_the_variants_share_them():
    specs = [sample_lift(seed, Variant.STANDARD, PLAIN) for seed in range(FIRST, FIRST + 100)]
    left = sum(spec.objects[0].position_m[1] > 0 for spec in specs)
    assert 30 <= left <= 70
    for spec in specs[:10]:
        absent = sample_lift(spec.seed, Variant.ABSENT, PLAIN)
        assert absent.objects == spec.objects[1:]
        assert not absent.target_present
        lures = sample_lift(spec.seed, Variant.DISTRACTOR, PLAIN)
        assert lures.objects[0] == spec.objects[0]


def test_distractors_are_alike_by_colour_and_by_shape():
    found = [sample_lift(seed, Variant.DISTRACTOR, PLAIN).objects for seed in range(FIRST, FIRST + 50)]
    reds = sum(
        any(item.kind in ("brick", "peg") and item.tint_rgb[0] > 3 * item.tint_rgb[1] for item in o) for o in found
    )
    assert reds >= 48  # where the table is full, one of them may find no place
    standard = [sample_lift(seed, Variant.STANDARD, PLAIN).objects[1:] for seed in range(FIRST, FIRST + 50)]
    assert not any(item.tint_rgb[0] > 3 * item.tint_rgb[1] for objects in standard for item in objects)


def test_nothing_moves_by_itself(robot):
    spec = sample_episode(TASK, FIRST)
    robot.reset(spec)
    for _ in range(30):
        robot.hold()
    for item in spec.objects:
        assert np.linalg.norm(robot.data.xpos[robot.model.body(item.name).id] - item.position_m) < 1e-3
    np.testing.assert_allclose(robot.get_observation().joint_positions_rad, KOCH.home_rad, atol=2e-3)
    assert robot.collision_steps == 0


def test_the_expert_finds_and_lifts(robot):
    judgements = [drive(robot, seed, sample_episode(TASK, seed)) for seed in range(FIRST, FIRST + 10)]
    assert sum(judgement.success for judgement in judgements) >= 9
    assert sum(judgement.collision_steps for judgement in judgements) <= 2


def test_without_a_cube_the_expert_gives_up(robot):
    with pytest.raises(PlanningError, match="not seen"):
        drive(robot, 0, sample_lift(FIRST, Variant.ABSENT, PLAIN))


def test_the_planner_for_generalists_lifts_too(robot):
    spec = sample_episode(TASK, FIRST)
    robot.reset(spec)
    plan = ExpertWorld(dt_s=robot.dt_s).plan(
        spec.to_dict(), robot.data.qpos.copy(), np.random.default_rng(0), min_visible_fraction=0.0
    )
    for joints, gripper in zip(plan.joints_rad, plan.gripper, strict=True):
        robot.send_action(Action(ActionSpace.JOINT_POSITION, joints, float(gripper)))
    assert PrivilegedView(robot).judge().success


@pytest.mark.parametrize("direction", np.eye(3).tolist())
def test_the_gripper_goes_where_a_twist_says(robot, direction):
    robot.reset(sample_lift(FIRST, Variant.STANDARD, PLAIN))
    start = robot.get_observation().gripper_to_world[:3, 3].copy()
    velocity = 0.06 * np.array([*direction, 0.0, 0.0, 0.0])
    for _ in range(10):
        robot.send_action(Action(ActionSpace.CARTESIAN_VELOCITY, velocity))
    for _ in range(10):
        robot.hold()
    moved = robot.get_observation().gripper_to_world[:3, 3] - start
    np.testing.assert_allclose(moved, 0.04 * np.array(direction), atol=0.005)


@pytest.mark.parametrize("space", list(ActionSpace))
def test_its_environments_keep_gymnasiums_rules(space):
    env = gym_env.BookshelfEnv(TASK, control=space)
    env.spec = gymnasium.spec("baton/koch_lift-v0")
    check_env(env, skip_render_check=True)
    assert env.action_space.shape == (KOCH.width(space) + 1,)
    assert env.observation_space["agent_pos"].shape == (6,)
    env.close()


def test_joint_positions_span_the_whole_range_in_the_environment():
    env = gymnasium.make("robots.sim.gym_env:baton/koch_lift-v0", control="joint_position")
    env.reset(seed=FIRST)
    upper, lower = np.array(KOCH.limits.upper_rad), np.array(KOCH.limits.lower_rad)
    wanted = np.array([0.5, -0.5, 0.2, 0.9, -1.0])
    action = np.append((2 * wanted - upper - lower) / (upper - lower), -1.0).astype(np.float32)
    for _ in range(30):
        observation, *_ = env.step(action)
    np.testing.assert_allclose(observation["agent_pos"][:5], wanted, atol=0.02)
    env.close()
