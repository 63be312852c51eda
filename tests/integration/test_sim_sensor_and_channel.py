"""Camera errors, image effects, dropped frames, late and noisy control: exact on replay, gone with the next episode."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import SpecError
from robots.safety import SafetyLimits
from robots.sim import arm
from robots.sim.appearance import Appearance, CameraSpec, ControlSpec, LightSpec, SensorSpec, SurfaceSpec
from robots.sim.channel import Channel
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.scene import HOME_RAD
from robots.sim.sensor import degrade, is_dropped
from robots.types import Action, ActionSpace

SPEC = dataclasses.replace(sample_episode("bookshelf_pineapple", 100_003, randomization="none"), home_rad=HOME_RAD)
EVERYTHING = Appearance(
    camera=CameraSpec((0.01, -0.005, 0.002), (0.03, -0.02, 0.04), 0.04),
    sensor=SensorSpec(exposure=1.1, noise=4.0, blur_px=0.5, jpeg_quality=70),
    control=ControlSpec(latency_steps=2, dropped_frames=0.4, action_noise=0.02),
)


def under(**parts):
    return dataclasses.replace(SPEC, appearance=Appearance(**parts))


@pytest.fixture(scope="module")
def robot():
    robot = MujocoRobot(SimConfig(third_person_px=(84, 84)), lambda: 0.0)
    robot.connect()
    yield robot
    robot.close()


def twist(*values, gripper=None):
    return Action(ActionSpace.CARTESIAN_VELOCITY, np.array(values, dtype=float), gripper=gripper)


def actions(count=16):
    rng = np.random.default_rng(0)
    return [twist(*rng.uniform(-0.4, 0.4, 6), gripper=rng.random()) for _ in range(count)]


def run(robot, commands):
    """Drive and return everything that was seen and where the arm went."""
    rows = []
    for action in commands:
        robot.send_action(action)
        seen = robot.get_observation()
        rows.append((seen.images["wrist"].copy(), seen.joint_positions_rad.copy(), seen.camera_to_world["wrist"]))
    return rows


def assert_same(one, two):
    assert len(one) == len(two)
    for first, second in zip(one, two, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def image(robot, spec):
    robot.reset(spec)
    return robot.get_observation().images["wrist"].astype(float)


# Replay


def test_replay_with_every_effect_is_byte_exact(robot):
    spec = dataclasses.replace(SPEC, appearance=EVERYTHING)
    robot.reset(spec)
    first = run(robot, actions())
    robot.reset(sample_episode("bookshelf_duck", 100_001, randomization="extreme"))
    run(robot, actions(3))
    robot.reset(spec)
    assert_same(run(robot, actions()), first)


@pytest.mark.parametrize("look_first", [True, False])
@pytest.mark.parametrize("cut", [1, 4, 5, 9])
def test_a_restored_run_continues_byte_exactly_in_another_robot(robot, cut, look_first):
    spec = dataclasses.replace(SPEC, appearance=EVERYTHING)
    robot.reset(spec)
    for action in actions()[:cut]:
        robot.send_action(action)
        if look_first:
            robot.get_observation()
    state = json.loads(json.dumps(robot.state()))
    now = robot.get_observation().images["wrist"].copy()
    first = run(robot, actions()[cut:])
    with MujocoRobot(SimConfig(third_person_px=(84, 84)), lambda: 5.0) as other:
        other.reset(spec)
        run(other, actions(3))
        other.load_state(state)
        np.testing.assert_array_equal(other.get_observation().images["wrist"], now)
        assert_same(run(other, actions()[cut:]), first)
        other.close()


def test_the_cuts_above_lie_before_on_and_after_a_dropped_frame():
    drops = [is_dropped(0.4, SPEC.seed, step) for step in (1, 4, 5, 9)]
    assert set(drops) == {True, False}


@pytest.mark.parametrize("entry", ["channel", "cameras"])
def test_a_state_of_another_episode_is_refused(robot, entry):
    robot.reset(dataclasses.replace(SPEC, appearance=EVERYTHING))
    state = robot.state()
    with pytest.raises(SpecError, match=entry):
        robot.load_state({**state, entry: [0.0, 1.0, 2.0]})


# Camera


def test_camera_errors_are_gone_with_the_next_episode(robot):
    robot.reset(SPEC)
    model, before = robot.model, robot.get_observation()
    kept = {name: getattr(model, name).copy() for name in ("cam_pos", "cam_quat", "cam_fovy")}
    moved = image(robot, under(camera=EVERYTHING.camera))
    assert np.abs(moved - before.images["wrist"]).mean() > 5.0
    assert not np.array_equal(model.cam_pos, kept["cam_pos"])
    robot.reset(SPEC)
    for name, values in kept.items():
        np.testing.assert_array_equal(getattr(model, name), values)
    np.testing.assert_array_equal(robot.get_observation().images["wrist"], before.images["wrist"])


def test_the_robot_goes_on_reporting_the_nominal_calibration(robot):
    robot.reset(SPEC)
    pose, cameras = robot.get_observation().camera_to_world, robot.description.cameras
    np.testing.assert_array_equal(pose["wrist"][:3, 3], robot.data.cam_xpos[robot.model.camera("wrist").id])
    third = robot.get_observation().images["third_person"].copy()
    robot.reset(under(camera=EVERYTHING.camera))
    assert robot.description.cameras == cameras
    for name, nominal in pose.items():
        np.testing.assert_array_equal(robot.get_observation().camera_to_world[name], nominal)
    np.testing.assert_array_equal(robot.get_observation().images["third_person"], third)


def test_a_shift_forward_in_the_camera_frame_goes_where_the_camera_looks(robot):
    robot.reset(SPEC)
    pose = robot.get_observation().camera_to_world["wrist"]
    robot.reset(under(camera=CameraSpec(shift_m=(0.0, 0.0, 0.02))))
    true = robot.data.cam_xpos[robot.model.camera("wrist").id]
    np.testing.assert_allclose(true - pose[:3, 3], 0.02 * pose[:3, 2], atol=1e-12)


# Images


def test_pixels_follow_tint_in_the_darkest_and_the_brightest_light(robot):
    target = SPEC.objects[0]
    for name in ("train", "shifted", "extreme"):
        for seed in range(3):
            light = sample_episode("bookshelf_pineapple", seed, randomization=name).appearance.light
            near = dataclasses.replace(target, position_m=(0.70, 0.0, 0.33), scale=1.5)
            seen = []
            for tint in (0.45, 1.0):
                item = dataclasses.replace(near, tint_rgb=(tint, tint, tint))
                spec = dataclasses.replace(SPEC, objects=(item,), appearance=Appearance(light=light))
                picture = image(robot, spec)
                mask = robot.renderer.geom_ids(robot.data, "wrist", (84, 84))
                mine = (mask >= 0) & (robot.model.geom_bodyid[mask] == robot.model.body(item.name).id)
                seen.append(picture[mine].mean())
            assert seen[1] > 1.2 * seen[0], (name, seed, seen)


def test_surfaces_change_the_image_and_the_held_out_ones_differ_from_all_others(robot):
    pictures = [image(robot, under(surfaces=SurfaceSpec(k, k, k))) for k in range(8)]
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            assert np.abs(one - other).mean() > 1.0


def test_an_ideal_sensor_costs_no_copy():
    picture = np.zeros((8, 8, 3), np.uint8)
    assert degrade(picture, SensorSpec(), (0,)) is picture


def test_each_effect_does_what_it_says():
    flat = np.full((120, 120, 3), 100, np.uint8)
    assert degrade(flat, SensorSpec(exposure=1.2), (0,)).mean() == 120.0
    assert degrade(flat, SensorSpec(exposure=9.0), (0,)).min() == 255
    noisy = degrade(flat, SensorSpec(noise=6.0), (0,)).astype(float)
    assert noisy.mean() == pytest.approx(100.0, abs=0.2)
    assert noisy.std() == pytest.approx(6.0, abs=0.2)
    step = flat.copy()
    step[:, 60:] = 200
    blurred = degrade(step, SensorSpec(blur_px=1.0), (0,)).astype(float)
    assert np.abs(np.diff(blurred[60, :, 0])).max() < 50
    pressed = degrade(noisy.astype(np.uint8), SensorSpec(jpeg_quality=20), (0,)).astype(float)
    assert 0.5 < np.abs(pressed - noisy).mean() < 10.0
    red = flat * np.array([2, 0, 0], np.uint8)
    assert degrade(red, SensorSpec(jpeg_quality=90), (0,)).mean(axis=(0, 1))[0] > 180  # channels stay in order


def test_noise_differs_between_steps_and_repeats_for_the_same_one():
    flat = np.full((40, 40, 3), 100, np.uint8)
    sensor = SensorSpec(noise=5.0)
    np.testing.assert_array_equal(degrade(flat, sensor, (1, 2)), degrade(flat, sensor, (1, 2)))
    assert not np.array_equal(degrade(flat, sensor, (1, 2)), degrade(flat, sensor, (1, 3)))


# Dropped frames


def test_dropped_frames_repeat_the_image_its_id_and_its_pose_while_the_joints_are_fresh(robot):
    robot.reset(under(control=ControlSpec(dropped_frames=0.5)))
    seen = [robot.get_observation()]
    for action in actions():
        robot.send_action(action)
        seen.append(robot.get_observation())
    drops = 0
    for step, (before, after) in enumerate(pairwise(seen), start=1):
        repeated = after.capture_id == before.capture_id
        assert repeated == is_dropped(0.5, SPEC.seed, step)
        assert np.array_equal(after.images["wrist"], before.images["wrist"]) == repeated
        assert np.array_equal(after.camera_to_world["wrist"], before.camera_to_world["wrist"]) == repeated
        assert not np.array_equal(after.joint_positions_rad, before.joint_positions_rad)
        drops += repeated
    assert 3 <= drops <= 13


def test_what_is_repeated_does_not_depend_on_who_looked(robot):
    spec = under(control=ControlSpec(dropped_frames=0.5))
    pictures = []
    for look in (True, False):
        robot.reset(spec)
        for action in actions(12):
            robot.send_action(action)
            if look:
                robot.get_observation()
        pictures.append(robot.get_observation().images["wrist"])
    np.testing.assert_array_equal(*pictures)


@given(st.floats(0.01, 0.5), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_frames_are_dropped_at_their_share_and_never_first(share, seed):
    drops = [is_dropped(share, seed, step) for step in range(1500)]
    assert not drops[0]
    assert np.mean(drops) == pytest.approx(share, abs=0.07)


# Control


def joints(robot, spec, commands):
    robot.reset(spec)
    rows = []
    for command in commands:
        robot.hold() if command is None else robot.send_action(command)
        rows.append(robot.get_observation().joint_positions_rad)
    return np.array(rows)


def test_latency_delays_the_motion_by_whole_periods_and_loses_none(robot):
    commands = [twist(0.0, 0.1, 0.05, 0, 0, 0)] * 8 + [None] * 12
    plain = joints(robot, under(control=ControlSpec()), commands)
    late = joints(robot, under(control=ControlSpec(latency_steps=3)), commands)
    np.testing.assert_allclose(late[3:], plain[:-3], atol=1e-3)
    assert np.abs(late[2] - SPEC.home_rad).max() < 2e-3
    np.testing.assert_allclose(late[-1], plain[-1], atol=1e-3)


def test_the_gripper_is_late_too(robot):
    robot.reset(under(control=ControlSpec(latency_steps=2)))
    closing = []
    for _ in range(4):
        robot.send_action(twist(0, 0, 0, 0, 0, 0, gripper=1.0))
        closing.append(robot.get_observation().gripper)
    assert closing[1] < 0.02 < closing[3]


def test_noise_shakes_the_arm_and_holding_is_still(robot):
    commands = [twist(0, 0, 0, 0, 0, 0)] * 12 + [None] * 20
    shaken = joints(robot, under(control=ControlSpec(action_noise=0.05)), commands)
    still = joints(robot, under(), commands)
    assert np.abs(np.diff(shaken[:12], axis=0)).max() > 20 * np.abs(np.diff(still[:12], axis=0)).max()
    assert np.abs(np.diff(shaken[-5:], axis=0)).max() < 1e-4
    np.testing.assert_allclose(shaken[-1], still[-1], atol=1e-3)


LIMITS = SafetyLimits(
    lower_rad=arm.LOWER_RAD,
    upper_rad=arm.UPPER_RAD,
    velocity_rad_s=arm.VELOCITY_RAD_S,
    acceleration_rad_s2=arm.ACCELERATION_RAD_S2,
    workspace_min_m=(-1.0, -1.0, -1.0),
    workspace_max_m=(1.0, 1.0, 1.0),
)


@given(st.integers(0, 10_000), st.integers(0, 5), st.floats(0.0, 1.0), st.floats(0.0, 8.0))
@settings(max_examples=60, deadline=None)
def test_the_arm_never_leaves_its_limits(seed, latency, noise, reach):
    rng, dt = np.random.default_rng(seed), 1 / 15
    middle = 0.5 * (np.array(LIMITS.lower_rad) + LIMITS.upper_rad)
    channel = Channel(ControlSpec(latency, 0.0, noise), seed, LIMITS, middle, dt)
    for step in range(60):
        before = channel.arrived
        channel.carry(middle + reach * rng.standard_normal(7), None, step, noisy=rng.random() < 0.8)
        after = channel.arrived
        assert (after.target_rad >= LIMITS.lower_rad).all()
        assert (after.target_rad <= LIMITS.upper_rad).all()
        assert (np.abs(after.velocity_rad_s) <= np.array(LIMITS.velocity_rad_s) + 1e-9).all()
        change = np.abs(after.velocity_rad_s - before.velocity_rad_s) / dt
        assert (change <= np.array(LIMITS.acceleration_rad_s2) + 1e-6).all()


def test_light_reaches_the_picture_but_never_clips(robot):
    dim = image(robot, under(light=LightSpec((0.1,) * 3, (0.05,) * 3, (0.05,) * 3)))
    bright = image(robot, under(light=LightSpec((0.5,) * 3, (0.29,) * 3, (0.2,) * 3)))
    assert bright.mean() > 2.5 * dim.mean()
    assert (bright == 255).mean() < 0.05
