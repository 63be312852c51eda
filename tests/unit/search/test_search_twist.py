"""The twist action space: conversion, limits, the skill, and demonstrations as chunks."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_fixtures import DT_S, INTRINSICS, REGION, TASK, KinematicWorld, perfect_detector

from robots.errors import SpecError, UsageError
from robots.types import Action, ActionSpace, Holder, Lease, SkillState
from search_policy.episodes.dataset import frames_of, no_action
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.episodes.world import CAMERA
from search_policy.motion.geometry import look_at, pose_difference, rotation_of
from search_policy.motion.keepout import KeepOut
from search_policy.motion.mover import MoverConfig
from search_policy.motion.viewpoints import ViewConfig, camera_box
from search_policy.searchers.choosers import RandomChooser
from search_policy.servo import FixationConfig, FixationSkill
from search_policy.skill import SearchConfig, SearchSkill
from search_policy.twist.config import TwistConfig
from search_policy.twist.demonstrations import ChunkLog
from search_policy.twist.guard import moved
from search_policy.twist.levelled import (
    camera_twist,
    camera_twist_of,
    level_axes,
    levelled_twist,
    normalized,
    roll_rad,
    speed_limits,
)
from search_policy.twist.policies import WanderingPolicy
from search_policy.twist.skill import TwistSkill

LEASE = Lease(Holder.SEARCH, 1)
twists = st.lists(st.floats(-1.0, 1.0), min_size=5, max_size=5).map(np.array)
angles = st.floats(-1.2, 1.2)


class Fixed:
    """Always the same chunk."""

    def __init__(self, *rows):
        self.chunk = np.array(rows, dtype=np.float32)
        self.asked = 0

    def reset(self, rng):
        self.asked = 0

    def choose(self, state):
        self.asked += 1
        return self.chunk


def pose_of(yaw, pitch, roll=0.0):
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    pose = look_at(np.zeros(3), forward)
    pose[:3, :3] = rotation_of(roll * pose[:3, 2]) @ pose[:3, :3]
    return pose


@settings(deadline=None)
@given(levelled=twists, yaw=angles, pitch=angles, roll=st.floats(-0.5, 0.5))
def test_a_levelled_twist_survives_the_way_to_the_world_and_back(levelled, yaw, pitch, roll):
    pose = pose_of(yaw, pitch, roll)
    assert levelled_twist(camera_twist(levelled, pose, 3.0), pose) == pytest.approx(levelled, abs=1e-9)


@settings(deadline=None)
@given(yaw=angles, pitch=angles)
def test_the_levelled_frame_stands_upright_and_turns_with_the_camera(yaw, pitch):
    axes = level_axes(pose_of(yaw, pitch))
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-9)
    assert axes[:, 0] == pytest.approx([np.cos(yaw), np.sin(yaw), 0.0], abs=1e-9)


def test_a_camera_that_looks_straight_down_or_stands_on_edge_has_a_levelled_frame():
    down = np.eye(4)
    down[:3, :3] = np.stack([[0, -1, 0], [-1, 0, 0], [0, 0, -1]], axis=1)
    assert level_axes(down)[:, 0] == pytest.approx([1.0, 0.0, 0.0])
    assert np.isfinite(level_axes(pose_of(0.0, 0.0, np.pi / 2))).all()
    assert np.isfinite(levelled_twist(np.ones(6), down)).all()


@pytest.mark.parametrize(
    ("levelled", "moved_to", "turned_to"),
    [
        ((0.1, 0, 0, 0, 0), (0.1, 0.0, 0.0), (0.0, 0.0)),
        ((0, 0.1, 0, 0, 0), (0.0, 0.1, 0.0), (0.0, 0.0)),
        ((0, 0, 0.1, 0, 0), (0.0, 0.0, 0.1), (0.0, 0.0)),
        ((0, 0, 0, 0.3, 0), (0.0, 0.0, 0.0), (0.3, 0.0)),
        ((0, 0, 0, 0, 0.3), (0.0, 0.0, 0.0), (0.0, 0.3)),
    ],
)
def test_each_axis_moves_the_camera_as_its_name_says(levelled, moved_to, turned_to):
    """One second of a slow twist in the kinematic world; yaw is positive to the left, pitch upwards."""
    world = KinematicWorld()
    start = world.pose.copy()
    skill = TwistSkill(Fixed(np.array(levelled) / speed_limits(MoverConfig())), REGION, INTRINSICS)
    for _ in range(15):
        world.act(skill.propose(world.observe(), None, LEASE).action)
    assert world.pose[:3, 3] - start[:3, 3] == pytest.approx(moved_to, abs=0.004)
    forward = world.pose[:3, 2]
    assert (np.arctan2(forward[1], forward[0]), np.arcsin(forward[2])) == pytest.approx(turned_to, abs=0.01)


def test_the_conversion_from_the_gripper_is_the_camera_motion_of_the_world():
    world, twist = KinematicWorld(), np.array([0.1, -0.2, 0.05, 0.2, -0.1, 0.3])
    before = world.observe()
    world.act(Action(ActionSpace.CARTESIAN_VELOCITY, twist))
    shift, turn = pose_difference(before.camera_to_world[CAMERA], world.pose)
    camera = camera_twist_of(twist, before, CAMERA)
    assert turn / DT_S == pytest.approx(camera[3:], abs=1e-6)
    assert shift / DT_S == pytest.approx(camera[:3], abs=2e-3)  # first order in the period


def test_roll_is_taken_back_while_yaw_and_pitch_go_on():
    world = KinematicWorld()
    world.pose[:3, :3] = rotation_of(0.3 * world.pose[:3, 2]) @ world.pose[:3, :3]
    skill = TwistSkill(Fixed((0, 0, 0, 0.2, -0.2)), REGION, INTRINSICS)
    assert abs(roll_rad(world.pose)) == pytest.approx(0.3)
    for _ in range(20):
        world.act(skill.propose(world.observe(), None, LEASE).action)
    assert abs(roll_rad(world.pose)) < 0.01


def test_speeds_and_accelerations_keep_their_limits():
    world, config = KinematicWorld(), MoverConfig()
    skill = TwistSkill(WanderingPolicy(), REGION, INTRINSICS, seed=3)
    seen = []
    for _ in range(100):
        observation = world.observe()
        action = skill.propose(observation, None, LEASE).action
        seen.append(camera_twist_of(action.values, observation, CAMERA))
        world.act(action)
    speed, rate = np.linalg.norm(np.array(seen)[:, :3], axis=1), np.linalg.norm(np.array(seen)[:, 3:], axis=1)
    assert 0.1 < speed.max() <= config.linear_m_s + 1e-9
    assert 0.1 < rate.max() <= config.angular_rad_s + 1e-9


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), keep=st.floats(0.0, 0.99))
def test_no_random_policy_enters_the_furniture_or_leaves_the_box(seed, keep):
    world, margin = KinematicWorld(), TwistConfig().margin_m
    keep_out, box = KeepOut.of(REGION), camera_box(REGION, ViewConfig())
    skill = TwistSkill(WanderingPolicy(keep=keep), REGION, INTRINSICS, seed=seed)
    for _ in range(90):
        world.act(skill.propose(world.observe(), None, LEASE).action)
        assert keep_out.clearance_m(world.pose) >= 0.5 * margin - 1e-8
        assert world.pose[:3, 3] == pytest.approx(box.clip(world.pose[:3, 3]), abs=0.002 + 1e-9)


def test_a_push_into_the_furniture_slides_along_it():
    """Straight at the bookcase with the hand pitched down, and to the left: the way in stops, the way left does not."""
    world = KinematicWorld()
    skill = TwistSkill(Fixed((1, 0.3, 0, 0, -0.4)), REGION, INTRINSICS)
    start = world.pose[1, 3]
    for _ in range(15):
        world.act(skill.propose(world.observe(), None, LEASE).action)
    assert KeepOut.of(REGION).clearance_m(world.pose) >= 0.5 * TwistConfig().margin_m
    assert world.pose[1, 3] - start > 0.05


def test_a_hand_that_is_already_inside_can_come_out():
    world = KinematicWorld()
    world.pose = look_at(np.array([0.60, 0.2, 0.5]), np.array([0.9, 0.2, 0.5]))
    air = float(KeepOut.of(REGION).clearance_m(world.pose))
    skill = TwistSkill(Fixed((-0.5, 0, 0, 0, 0)), REGION, INTRINSICS)
    assert air < 0.0
    for _ in range(15):
        world.act(skill.propose(world.observe(), None, LEASE).action)
        now = float(KeepOut.of(REGION).clearance_m(world.pose))
        assert now >= air - 1e-9
        air = now
    assert air > 0.02


def test_a_chunk_lasts_its_horizon_and_a_new_lease_begins_a_new_one():
    world, policy = KinematicWorld(), Fixed(*np.zeros((4, 5)))
    skill = TwistSkill(policy, REGION, INTRINSICS)
    for _ in range(6):
        skill.propose(world.observe(), None, LEASE)
        world.act(None)
    assert policy.asked == 2
    skill.propose(world.observe(), None, Lease(Holder.SEARCH, 3))
    assert policy.asked == 3
    assert skill.decision.step == 6
    assert skill.decision.action.shape == (4, 5)


def test_the_search_is_exhausted_when_nothing_new_is_seen():
    world, config = KinematicWorld(), TwistConfig(patience_chunks=3)
    skill = TwistSkill(Fixed(*np.zeros((5, 5))), REGION, INTRINSICS, twist=config)
    proposed = 0
    while skill.propose(world.observe(), None, LEASE) is not None:
        proposed += 1
        world.act(None)
    assert skill.health().state is SkillState.EXHAUSTED
    assert proposed == 5 * 4  # the first chunk shows something new
    skill.reset(TASK)
    assert skill.health().state is SkillState.READY


def test_the_step_budget_ends_the_search():
    world, skill = KinematicWorld(), TwistSkill(WanderingPolicy(), REGION, INTRINSICS, twist=TwistConfig(max_steps=10))
    steps = 0
    while (command := skill.propose(world.observe(), None, LEASE)) is not None:
        world.act(command.action)
        steps += 1
    assert steps == 10


@pytest.mark.parametrize("chunk", [np.zeros(5), np.zeros((2, 4)), np.full((2, 5), np.nan), np.zeros((0, 5))])
def test_what_is_not_a_chunk_is_refused(chunk):
    policy = Fixed()
    policy.chunk = chunk
    with pytest.raises(SpecError, match="needs a chunk of finite numbers"):
        TwistSkill(policy, REGION, INTRINSICS).propose(KinematicWorld().observe(), None, LEASE)


def test_passed_views_count_as_visited():
    world = KinematicWorld()
    skill = TwistSkill(Fixed((0, 0, 0, 0, 0)), REGION, INTRINSICS)
    world.pose = skill.views[3].camera_to_world.copy()
    skill.propose(world.observe(), None, LEASE)
    visits = skill.state(world.observe()).views[:, 6]
    assert visits[3] > 0.0
    assert visits.sum() < 1.5


def test_moving_and_turning_a_pose_are_about_the_camera_itself():
    pose = pose_of(0.3, 0.2)
    shift, turn = pose_difference(pose, moved(pose, np.array([0.1, 0.0, -0.1, 0.0, 0.2, 0.1])))
    assert shift == pytest.approx([0.1, 0.0, -0.1])
    assert turn == pytest.approx([0.0, 0.2, 0.1])


@pytest.mark.parametrize("bad", [{"horizon": 0}, {"patience_chunks": 0}, {"margin_m": -0.1}, {"pass_m": 0.0}])
def test_bad_configurations_are_refused(bad):
    with pytest.raises(UsageError, match="twist:"):
        TwistConfig(**bad)


def test_the_agent_state_ends_with_the_last_commanded_motion():
    world, skill = KinematicWorld(), TwistSkill(Fixed((0, 0.4, 0, 0, 0)), REGION, INTRINSICS)
    skill.propose(world.observe(), None, LEASE)
    assert not skill.decision.state.proprioception[-5:].any()
    for _ in range(4):
        world.act(skill.propose(world.observe(), None, LEASE).action)
    assert skill.state(world.observe()).proprioception[-5:] == pytest.approx([0, 0.4, 0, 0, 0], abs=1e-6)


class Spy:
    """A skill that remembers what it commanded, as levelled twists."""

    def __init__(self, skill, said):
        self._skill, self._said = skill, said

    def __getattr__(self, name):
        return getattr(self._skill, name)

    def propose(self, observation, frame, lease):
        command = self._skill.propose(observation, frame, lease)
        twist = camera_twist_of(command.action.values, observation, CAMERA)
        levelled = levelled_twist(twist, observation.camera_to_world[CAMERA])
        self._said[observation.capture_id] = (type(self._skill), normalized(levelled, MoverConfig()))
        return command


def demonstrate(seed, *, centres=False, noise=0.05, max_steps=120, said=None):
    world, search = KinematicWorld(), SearchConfig()
    skill = SearchSkill(RandomChooser(), REGION, INTRINSICS, config=search, seed=seed)
    fixation = FixationSkill(REGION, INTRINSICS, config=FixationConfig(views=search.views))
    log = ChunkLog(skill, REGION, TwistConfig(centres=centres))
    said = {} if said is None else said
    spied = [Spy(part, said) for part in (skill, fixation)]
    limits = RolloutConfig(max_steps=max_steps, action_noise=noise)
    return Rollout(world, *spied, limits, log).run("bookshelf_duck", seed, perfect_detector)


@pytest.mark.parametrize("centres", [False, True])
def test_labels_are_what_was_commanded_before_noise(centres):
    said = {}
    episode = demonstrate(4, centres=centres, noise=0.3, said=said)
    assert len(episode.decisions) > 3
    servos = 0
    for record in episode.decisions[:-1]:
        speaker = said[record.step][0]
        steps = range(record.step, min(record.step + 5, episode.steps))
        own = list(itertools.takewhile(lambda step, speaker=speaker: said[step][0] is speaker, steps))
        assert record.action[: len(own)] == pytest.approx(np.array([said[step][1] for step in own]), abs=1e-6)
        assert (record.action[len(own) :] == record.action[len(own) - 1]).all(), "a cut chunk holds its last twist"
        assert np.abs(record.action).max() <= 1.0
        servos += speaker is FixationSkill
    assert (servos > 0) == centres


def test_durations_are_the_horizon_but_for_fixations_and_the_end():
    episode = next(e for e in (demonstrate(seed) for seed in range(20)) if e.found and len(e.decisions) > 4)
    durations = np.diff([record.step for record in episode.decisions])
    assert (durations[:-1] == 5).all()
    assert durations[-1] > 5  # the servo's own steps belong to the chunk that it interrupted
    assert episode.decisions[-1].step == episode.steps
    assert sum(durations) == episode.steps


def test_the_servos_motion_can_be_part_of_the_demonstration():
    with_servo = [demonstrate(seed, centres=True) for seed in range(12)]
    for episode in with_servo:
        durations = np.diff([record.step for record in episode.decisions])
        assert (durations >= 1).all()
        assert (durations <= 5).all()
        assert (durations != 5).sum() <= 2, "cut only where the servo takes over, and at the end"
    assert {int(np.diff([r.step for r in e.decisions])[-1]) for e in with_servo} - {5}, "no episode ended early"


def test_chunks_become_frames_with_nan_where_there_is_no_action():
    episodes = [demonstrate(seed, max_steps=33) for seed in range(3)]
    frames = frames_of(episodes)
    assert frames.action.shape == (len(frames), 5, 5)
    assert frames.action.dtype == np.float32
    last = np.append(frames.episode[1:] != frames.episode[:-1], True)
    assert np.isnan(frames.action[last]).all()
    assert np.isfinite(frames.action[~last]).all()
    assert (frames.steps[~last] > 0).all()
    ends = frames.terminated | frames.truncated
    assert (ends == np.append(last[1:], False)).all()


def test_views_and_chunks_do_not_mix(episodes):
    with pytest.raises(SpecError, match="column 'action'"):
        no_action([episodes[0], demonstrate(1)])


def test_the_same_seed_demonstrates_the_same():
    first, second = demonstrate(5), demonstrate(5)
    for a, b in zip(first.decisions, second.decisions, strict=True):
        np.testing.assert_array_equal(a.state.seen_map, b.state.seen_map)
        assert (a.action is None) == (b.action is None)
        if a.action is not None:
            np.testing.assert_array_equal(a.action, b.action)


def rollout_of(policy, **limits):
    world, search = KinematicWorld(), SearchConfig()
    skill = TwistSkill(policy, REGION, INTRINSICS, config=search, seed=1)
    fixation = FixationSkill(REGION, INTRINSICS, config=FixationConfig(views=search.views))
    return Rollout(world, skill, fixation, RolloutConfig(**limits))


def test_a_rollout_runs_the_twist_skill_and_records_its_chunks():
    found = 0
    for seed in range(6):
        episode = rollout_of(WanderingPolicy(), max_steps=150).run("bookshelf_duck", seed, perfect_detector)
        found += episode.found
        assert all(record.action.shape == (5, 5) for record in episode.decisions[:-1])
        steps = [record.step for record in episode.decisions]
        assert all(b - a > 0 for a, b in itertools.pairwise(steps))
    assert found > 0


def test_without_the_servo_the_policy_has_to_centre_by_itself():
    """A camera that only stands there sees the target off centre: the servo would finish, the policy does not."""
    still = Fixed(*np.zeros((5, 5)))
    outcomes = {}
    for servo in (True, False):
        rollout = rollout_of(still, max_steps=60, servo=servo)
        world = rollout._world
        reset = world.reset

        def beside(task, seed, world=world, reset=reset):
            described = reset(task, seed)
            world.target = np.array([0.76, 0.10, 0.40])
            return described

        world.reset = beside
        outcomes[servo] = rollout.run("bookshelf_duck", 0, perfect_detector).found
    assert outcomes == {True: True, False: False}


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TwistConfig().horizon = 3
