import numpy as np
import pytest
from search_fixtures import DT_S, INTRINSICS, REGION, TASK, KinematicWorld, perfect_detector

from robots.types import Action, ActionSpace, DetectionFrame, Holder, Lease, SkillState
from search_policy.motion.geometry import look_at, pose_difference
from search_policy.motion.mover import Mover, MoverConfig, MoverState
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.searchers.choosers import CoverageChooser, RandomChooser, SweepChooser
from search_policy.servo import FixationConfig, FixationSkill
from search_policy.skill import SearchConfig, SearchSkill

VIEWS = candidate_views(REGION, ViewConfig())
LEASE = Lease(Holder.SEARCH, 1)


def drive(world, mover, steps=200):
    twists = []
    for _ in range(steps):
        twist = mover.twist(world.observe())
        if mover.state is not MoverState.MOVING:
            break
        twists.append(twist)
        world.act(Action(ActionSpace.CARTESIAN_VELOCITY, twist))
    return np.array(twists)


def new_mover():
    return Mover(REGION, MoverConfig(), control_hz=15.0, camera="wrist")


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_mover_reaches_every_view_within_its_limits(view):
    world, mover, config = KinematicWorld(), new_mover(), MoverConfig()
    mover.start(view.camera_to_world)
    twists = drive(world, mover)
    assert mover.state is MoverState.ARRIVED
    shift, turn = pose_difference(world.pose, view.camera_to_world)
    assert np.linalg.norm(shift) < 0.03
    assert np.linalg.norm(turn) < 0.1
    assert len(twists) < 40
    assert np.linalg.norm(twists[:, 3:], axis=1).max() <= config.angular_rad_s + 1e-9
    assert np.linalg.norm(twists[:, :3], axis=1).max() * DT_S <= 0.075
    assert np.linalg.norm(np.diff(twists[:, 3:], axis=0), axis=1).max() <= config.angular_rad_s2 * DT_S + 1e-9


def test_a_blocked_mover_reports_that_it_is_stuck():
    world, mover = KinematicWorld(walls=lambda pose: pose[1, 3] > 0.1), new_mover()
    mover.start(VIEWS[4].camera_to_world)
    drive(world, mover)
    assert mover.state is MoverState.STUCK


def test_tips_inside_the_bookcase_are_pulled_straight_back_first():
    world, mover = KinematicWorld(), new_mover()
    world.pose = look_at(np.array([0.60, 0.2, 0.5]), np.array([0.9, 0.2, 0.5]))
    start = world.pose.copy()
    mover.start(VIEWS[0].camera_to_world)
    for _ in range(100):
        tip_x = world.observe().gripper_to_world[0, 3]
        if tip_x <= REGION.front_x_m - MoverConfig().tip_margin_m:
            break
        np.testing.assert_allclose(world.pose[1:3, 3], start[1:3, 3], atol=1e-9)
        twist = mover.twist(world.observe())
        assert twist[0] < 0
        world.act(Action(ActionSpace.CARTESIAN_VELOCITY, twist))
    else:
        pytest.fail("never left the bookcase")
    drive(world, mover)
    assert mover.state is MoverState.ARRIVED


def test_a_mover_without_target_brakes():
    world, mover = KinematicWorld(), new_mover()
    mover.start(VIEWS[0].camera_to_world)
    drive(world, mover, steps=5)
    mover.stop()
    np.testing.assert_array_equal(mover.twist(world.observe()), np.zeros(6))


def search(chooser, config=None, seed=0, steps=1500):
    world = KinematicWorld()
    skill = SearchSkill(chooser, REGION, INTRINSICS, config=config, seed=seed)
    skill.reset(TASK)
    order, last = [], None
    for _ in range(steps):
        command = skill.propose(world.observe(), None, LEASE)
        if command is None:
            break
        if skill.decision is not last:
            last = skill.decision
            order.append(last.view)
        world.act(command.action)
    return skill, order


@pytest.mark.parametrize(
    "chooser", [SweepChooser(VIEWS), CoverageChooser(), RandomChooser()], ids=lambda c: type(c).__name__
)
def test_every_chooser_visits_every_view_once_a_pass_and_then_is_exhausted(chooser):
    skill, order = search(chooser, SearchConfig(passes=2))
    assert skill.health().state is SkillState.EXHAUSTED
    assert sorted(order[:21]) == list(range(21))
    assert sorted(order[21:]) == list(range(21))
    assert skill.seen_map.coverage == 1.0


def test_choices_are_deterministic_given_the_seed():
    config = SearchConfig(passes=1)
    assert search(RandomChooser(), config, seed=3)[1] == search(RandomChooser(), config, seed=3)[1]
    assert search(RandomChooser(), config, seed=3)[1] != search(RandomChooser(), config, seed=4)[1]


def test_the_sweep_is_a_raster_from_the_top():
    _, order = search(SweepChooser(VIEWS), SearchConfig(passes=1))
    straight = [VIEWS[i] for i in order[:15]]
    assert [view.shelf for view in straight] == [2] * 5 + [1] * 5 + [0] * 5
    assert all(view.yaw_rad == 0.0 for view in straight)


def test_memory_lasts_across_leases_and_ends_with_reset():
    world = KinematicWorld()
    skill = SearchSkill(SweepChooser(VIEWS), REGION, INTRINSICS)
    skill.reset(TASK)
    for _ in range(60):
        world.act(skill.propose(world.observe(), None, LEASE).action)
    visits, coverage = skill.visits, skill.seen_map.coverage
    assert visits.sum() > 2
    later = Lease(Holder.SEARCH, 5)
    assert skill.prepare(world.observe(), later)
    command = skill.propose(world.observe(), None, later)
    assert (command.epoch, command.seq) == (5, 1)
    assert skill.visits.sum() >= visits.sum()
    assert skill.seen_map.coverage >= coverage
    skill.reset(TASK)
    assert skill.visits.sum() == 0
    assert skill.seen_map.coverage == 0.0


def test_command_numbers_rise_within_an_epoch():
    world = KinematicWorld()
    skill = SearchSkill(SweepChooser(VIEWS), REGION, INTRINSICS)
    numbers = [skill.propose(world.observe(), None, LEASE).seq for _ in range(5)]
    assert numbers == [1, 2, 3, 4, 5]


def test_a_blocked_view_is_given_up_and_the_search_goes_on():
    world = KinematicWorld(walls=lambda pose: pose[1, 3] > 0.1)
    skill = SearchSkill(SweepChooser(VIEWS), REGION, INTRINSICS, config=SearchConfig(passes=1))
    for _ in range(1500):
        command = skill.propose(world.observe(), None, LEASE)
        if command is None:
            break
        world.act(command.action)
    assert skill.health().state is SkillState.EXHAUSTED


def fixate(offset, config=None, detector=perfect_detector, steps=120):
    world = KinematicWorld()
    world.target = np.array([0.78, 0.1, 0.42])
    world.pose = look_at(np.array([0.35, 0.1, 0.5]), world.target + offset)
    skill = FixationSkill(REGION, INTRINSICS, config=config)
    skill.reset(TASK)
    detect = detector(world, TASK, None)
    for step in range(steps):
        command = skill.propose(world.observe(), detect(world.observe()), LEASE)
        if skill.health().state in (SkillState.DONE, SkillState.FAILED):
            return world, skill, step
        world.act(command.action if command else None)
    return world, skill, steps


@pytest.mark.parametrize("offset", [(0, 0, 0), (0, 0.2, 0), (0, -0.2, 0.1), (0, 0.1, -0.15)])
def test_fixation_centres_the_target_and_stays_out_of_the_bookcase(offset):
    world, skill, steps = fixate(np.array(offset, dtype=float))
    assert skill.health().state is SkillState.DONE
    assert steps < 60
    left, top, right, bottom = world.box()
    assert np.hypot((left + right) / 2 - 42, (top + bottom) / 2 - 42) <= 0.1 * 84
    assert (right - left) / 84 >= FixationConfig().size_range[0] or steps >= FixationConfig().patience_steps
    assert world.pose[0, 3] <= REGION.front_x_m - 0.14


def test_fixation_keeps_its_bearing_through_missed_frames():
    def blinking(world, task, rng):
        detect = perfect_detector(world, task, rng)

        def sometimes(observation):
            frame = detect(observation)
            if observation.capture_id % 3 == 1:
                return DetectionFrame(frame.capture_id, frame.captured_at_s, frame.camera, 84, 84)
            return frame

        return sometimes

    config = FixationConfig(hold_frames=2)
    assert fixate(np.array([0, 0.15, 0]), config, blinking)[1].health().state is SkillState.DONE


def test_fixation_fails_when_the_target_is_lost():
    def vanishing(world, task, rng):
        detect = perfect_detector(world, task, rng)
        return lambda observation: (
            detect(observation)
            if observation.capture_id < 3
            else DetectionFrame(observation.capture_id, 0.0, "wrist", 84, 84)
        )

    _, skill, steps = fixate(np.array([0, 0.15, 0]), detector=vanishing)
    assert skill.health().state is SkillState.FAILED
    assert "lost" in skill.health().detail
    assert steps == 2 + FixationConfig().lost_frames


def test_fixation_waits_for_a_first_detection():
    world = KinematicWorld()
    skill = FixationSkill(REGION, INTRINSICS)
    assert skill.propose(world.observe(), None, LEASE) is None
    assert skill.health().state is SkillState.WARMING


def test_a_new_lease_starts_a_new_fixation():
    _, skill, _ = fixate(np.zeros(3))
    world = KinematicWorld()
    skill.propose(world.observe(), None, Lease(Holder.SEARCH, 9))
    assert skill.health().state is SkillState.WARMING


def test_a_fixated_camera_rests_until_the_target_moves_away():
    world, skill, _ = fixate(np.array([0, 0.15, 0]))
    detect = perfect_detector(world, TASK, None)

    def twist():
        return skill.propose(world.observe(), detect(world.observe()), LEASE).action.values

    for _ in range(10):
        assert not twist().any()
        world.act(None)
    world.target = world.target + np.array([0.0, 0.12, 0.0])
    world.act(None)
    assert twist().any()
