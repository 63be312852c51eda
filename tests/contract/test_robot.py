"""The contract that every `Robot` keeps. A new robot joins by adding a factory to `ROBOTS`."""

import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
import pytest

from robots.errors import ActionRejectedError, RobotDisconnectedError
from robots.fake import FakeRobot
from robots.robot import Robot
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.types import Action, ActionSpace
from tests import robot_doubles


class Ticker:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def simulated(ticker, task="bookshelf_pineapple"):
    spec = sample_episode(task, 0)
    robot = MujocoRobot(SimConfig(wrist_px=(32, 32), scene=spec.scene), ticker)
    robot.reset(spec)
    return robot


def simulated_koch(ticker):
    return simulated(ticker, "koch_lift")


def over_lerobot(ticker):
    return robot_doubles.lerobot_arm(ticker)[0]


def over_lerobot_with_a_model(ticker):
    with tempfile.TemporaryDirectory() as folder:
        return robot_doubles.lerobot_arm(ticker, known=robot_doubles.modelled(pathlib.Path(folder)))[0]


def over_franky(ticker):
    return robot_doubles.franka_arm(ticker)[0]


ROBOTS: dict[str, Callable[[Ticker], Robot]] = {
    "fake": FakeRobot,
    "sim": simulated,
    "sim koch": simulated_koch,
    "lerobot": over_lerobot,
    "lerobot with a model": over_lerobot_with_a_model,
    "franka": over_franky,
}


@pytest.fixture
def ticker():
    return Ticker()


@pytest.fixture(params=sorted(ROBOTS))
def robot(request, ticker):
    with ROBOTS[request.param](ticker) as robot:
        yield robot


def advance(robot, ticker, action=None):
    sent = robot.hold() if action is None else robot.send_action(action)
    ticker.now_s += 1.0 / robot.description.control_hz
    return sent


def zeros(robot, space):
    return np.zeros(6 if space is ActionSpace.CARTESIAN_VELOCITY else len(robot.description.joint_names))


def test_it_satisfies_the_protocol(robot):
    assert isinstance(robot, Robot)


def test_observation_matches_the_description(robot, ticker):
    observation = robot.get_observation()
    description = robot.description
    joints = len(description.joint_names)
    assert observation.joint_positions_rad.shape == observation.joint_velocities_rad_s.shape == (joints,)
    assert len(description.home_rad) == joints
    assert set(observation.images) == set(description.cameras)
    for name, camera in description.cameras.items():
        assert observation.images[name].shape == (camera.height_px, camera.width_px, 3)
        assert observation.images[name].dtype == np.uint8
    assert observation.captured_at_s <= ticker()
    assert 0.0 <= observation.gripper <= 1.0


def test_capture_ids_and_times_rise(robot, ticker):
    first = robot.get_observation()
    advance(robot, ticker)
    second = robot.get_observation()
    assert second.capture_id > first.capture_id
    assert second.captured_at_s > first.captured_at_s


def test_camera_and_gripper_poses_are_rigid(robot):
    observation = robot.get_observation()
    for pose in (observation.gripper_to_world, *observation.camera_to_world.values()):
        assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-6)
        assert np.allclose(pose[3], [0, 0, 0, 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_and_nothing_moves(robot, bad):
    before = robot.get_observation().joint_positions_rad.copy()
    for space in robot.description.action_spaces:
        values = zeros(robot, space)
        values[0] = bad
        with pytest.raises(ActionRejectedError):
            robot.send_action(Action(space, values))
    assert np.allclose(robot.get_observation().joint_positions_rad, before)


def test_a_wrong_width_is_refused(robot):
    for space in robot.description.action_spaces:
        with pytest.raises(ActionRejectedError):
            robot.send_action(Action(space, np.zeros(3)))


def test_send_returns_a_finite_action_that_really_was_sent(robot, ticker):
    joints = len(robot.description.joint_names)
    sent = advance(robot, ticker, Action(ActionSpace.JOINT_POSITION, np.full(joints, 1e3)))
    assert np.isfinite(sent.values).all()
    assert np.abs(sent.values).max() < 10.0


def test_hold_comes_to_rest_and_keeps_the_gripper(robot, ticker):
    velocity = zeros(robot, ActionSpace.JOINT_VELOCITY)
    velocity[0] = 0.5
    for _ in range(5):
        advance(robot, ticker, Action(ActionSpace.JOINT_VELOCITY, velocity, gripper=0.0))
    gripper = robot.get_observation().gripper
    for _ in range(10):
        sent = advance(robot, ticker)
    rest = robot.get_observation()
    assert sent.gripper is None
    assert np.abs(rest.joint_velocities_rad_s).max() < 0.02
    assert rest.gripper == pytest.approx(gripper, abs=0.02)


def test_it_moves_where_it_is_told(robot, ticker):
    before = robot.get_observation().joint_positions_rad.copy()
    target = before.copy()
    target[0] += 0.1
    for _ in range(15):
        advance(robot, ticker, Action(ActionSpace.JOINT_POSITION, target))
    assert np.allclose(robot.get_observation().joint_positions_rad, target, atol=0.02)


def test_after_disconnect_nothing_is_sent_and_disconnect_may_repeat(robot):
    robot.disconnect()
    robot.disconnect()
    with pytest.raises(RobotDisconnectedError):
        robot.send_action(Action(ActionSpace.JOINT_POSITION, np.zeros(len(robot.description.joint_names))))
    with pytest.raises(RobotDisconnectedError):
        robot.get_observation()


def test_connect_may_repeat(robot):
    robot.connect()
    assert robot.get_observation() is not None
