"""The simulated robot: exact replay, control, limits, privileged truth, and the traps of the scene."""

import dataclasses
import json

import mujoco
import numpy as np
import pytest

from robots.errors import ActionRejectedError, RobotDisconnectedError, SpecError
from robots.sim import arm
from robots.sim.appearance import Appearance, SurfaceSpec
from robots.sim.config import LIMITS
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import HOME_RAD
from robots.types import Action, ActionSpace

SPEC = dataclasses.replace(sample_episode("bookshelf_pineapple", 3), home_rad=HOME_RAD)


def new_robot(**settings):
    robot = MujocoRobot(SimConfig(**settings), lambda: 0.0)
    robot.connect()
    robot.reset(SPEC)
    return robot


@pytest.fixture(scope="module")
def shared():
    robot = new_robot()
    yield robot
    robot.close()


@pytest.fixture
def robot(shared):
    shared.connect()
    shared.reset(SPEC)
    return shared


def twist(*values, gripper=None):
    return Action(ActionSpace.CARTESIAN_VELOCITY, np.array(values, dtype=float), gripper=gripper)


def rough_actions(count=30):
    """Pushes into the shelf, so that objects wake and get hit."""
    rng = np.random.default_rng(0)
    return [twist(0.3, *rng.normal(0, 0.3, 2), *rng.uniform(-0.5, 0.5, 3), gripper=rng.random()) for _ in range(count)]


def run(robot, actions):
    return [(robot.send_action(action), robot.data.qpos.copy())[1] for action in actions]


def test_replay_is_bit_exact_after_another_episode(robot):
    first, image = run(robot, rough_actions()), robot.get_observation().images["wrist"].copy()
    robot.reset(sample_episode("bookshelf_duck", 9))
    run(robot, rough_actions(5))
    robot.reset(SPEC)
    np.testing.assert_array_equal(run(robot, rough_actions()), first)
    np.testing.assert_array_equal(robot.get_observation().images["wrist"], image)
    assert robot.collision_steps > 0


@pytest.mark.parametrize("cut", [0, 12, 25])
def test_state_continues_exactly_in_another_scene(robot, cut):
    actions = rough_actions()
    run(robot, actions[:cut])
    state = json.loads(json.dumps(robot.state()))
    rest = run(robot, actions[cut:])
    other = new_robot()
    other.load_state(state)
    np.testing.assert_array_equal(run(other, actions[cut:]), rest)


def test_state_of_another_shape_is_refused(robot):
    with pytest.raises(SpecError, match="physics"):
        robot.load_state({**robot.state(), "physics": [0.0]})


def test_joints_are_addressed_by_name_and_in_radians(robot):
    model = robot.model
    np.testing.assert_allclose(robot.get_observation().joint_positions_rad, HOME_RAD, atol=1e-9)
    assert model.joint(arm.JOINT_NAMES[0]).qposadr[0] != 0  # the arm is attached last
    ranges = np.array([model.joint(name).range for name in arm.JOINT_NAMES])
    np.testing.assert_allclose(ranges, np.column_stack([arm.LOWER_RAD, arm.UPPER_RAD]))


def test_nothing_moves_by_itself(robot):
    placed = {item.name for item in SPEC.objects}
    for _ in range(30):
        robot.hold()
    for name, body in robot.scene.objects.items():
        address = robot.model.joint(name).qposadr[0]
        moved = np.linalg.norm(robot.data.xpos[body] - robot.model.qpos0[address : address + 3])
        assert moved < 1e-3, name
        assert (robot.data.xpos[body][0] > 0) == (name in placed)
    assert robot.collision_steps == 0


def test_scales_take_effect_and_are_undone(robot):
    body = robot.scene.objects[SPEC.target_name]
    mass = robot.model.body_mass[body]
    half = dataclasses.replace(SPEC.objects[0], scale=0.5 * SPEC.objects[0].scale)
    robot.reset(dataclasses.replace(SPEC, objects=(half, *SPEC.objects[1:])))
    assert robot.model.body_mass[body] == pytest.approx(mass / 8)
    robot.reset(SPEC)
    assert robot.model.body_mass[body] == mass


def test_tint_and_light_reach_the_image(robot):
    before = robot.get_observation().images["wrist"].astype(float)
    tinted = tuple(dataclasses.replace(item, tint_rgb=(0.1, 0.1, 0.1)) for item in SPEC.objects)
    robot.reset(dataclasses.replace(SPEC, objects=tinted))
    assert np.abs(robot.get_observation().images["wrist"] - before).max() > 40
    light = SPEC.appearance.light
    dim = dataclasses.replace(light, ambient=tuple(0.5 * value for value in light.ambient))
    robot.reset(dataclasses.replace(SPEC, appearance=dataclasses.replace(SPEC.appearance, light=dim)))
    assert robot.get_observation().images["wrist"].mean() < 0.85 * before.mean()


def test_surfaces_follow_the_episode(robot):
    images = []
    for wood in (0, 2):
        robot.reset(dataclasses.replace(SPEC, appearance=Appearance(surfaces=SurfaceSpec(wood=wood))))
        images.append(robot.get_observation().images["wrist"].astype(float))
    assert np.abs(images[0] - images[1]).mean() > 5


def test_observation_is_captured_once_per_period(robot):
    first = robot.get_observation()
    assert robot.get_observation() is first
    robot.hold()
    assert robot.get_observation().capture_id > first.capture_id


def test_cartesian_velocity_moves_as_told(robot):
    start = robot.get_observation().gripper_to_world
    for _ in range(30):
        sent = robot.send_action(twist(0.0, 0.06, 0.03, 0, 0, 0))
    for _ in range(15):
        robot.hold()
    end = robot.get_observation().gripper_to_world
    np.testing.assert_allclose(end[:3, 3] - start[:3, 3], [0.0, 0.12, 0.06], atol=0.006)
    np.testing.assert_allclose(end[:3, :3], start[:3, :3], atol=0.01)
    np.testing.assert_allclose(sent.values, [0, 0.06, 0.03, 0, 0, 0], atol=2e-3)


def test_joint_targets_are_tracked(robot):
    goal = np.array(HOME_RAD) + np.array([0.3, -0.3, -0.2, 0.1, 0.2, -0.3, 0.4])
    for _ in range(45):
        robot.send_action(Action(ActionSpace.JOINT_POSITION, goal))
    np.testing.assert_allclose(robot.get_observation().joint_positions_rad, goal, atol=0.003)
    assert robot.collision_steps == 0


def test_wild_actions_stay_within_the_limits(robot):
    rng = np.random.default_rng(5)
    previous = np.zeros(7)
    for _ in range(60):
        sent = robot.send_action(Action(ActionSpace.JOINT_VELOCITY, rng.uniform(-20, 20, 7))).values
        assert np.all(np.abs(sent) <= np.array(LIMITS.velocity_rad_s) + 1e-9)
        slack = np.array(LIMITS.acceleration_rad_s2) * robot.dt_s + 1e-9
        assert np.all(np.abs(sent - previous) <= slack)
        previous = sent


def test_hold_brakes_to_rest(robot):
    for _ in range(5):
        robot.send_action(Action(ActionSpace.JOINT_VELOCITY, np.array([0.8, -0.8, 0.0, 0.0, 0.8, 0.0, 0.8])))
    for _ in range(12):
        robot.hold()
    assert np.abs(robot.get_observation().joint_velocities_rad_s).max() < 0.02


def test_gripper_opens_and_closes(robot):
    for command in (1.0, 0.0):
        for _ in range(20):
            robot.send_action(twist(0, 0, 0, 0, 0, 0, gripper=command))
        assert robot.get_observation().gripper == pytest.approx(command, abs=0.05)


@pytest.mark.parametrize(
    "action",
    [
        twist(np.nan, 0, 0, 0, 0, 0),
        twist(0, 0, 0),
        Action(ActionSpace.JOINT_POSITION, np.zeros(6)),
        twist(0, 0, 0, 0, 0, 0, gripper=np.inf),
        Action("telepathy", np.zeros(7)),  # type: ignore[arg-type]
    ],
)
def test_bad_actions_are_rejected_and_nothing_moves(robot, action):
    before = robot.data.qpos.copy()
    with pytest.raises(ActionRejectedError):
        robot.send_action(action)
    np.testing.assert_array_equal(robot.data.qpos, before)
    assert robot.steps == 0


def test_a_disconnected_robot_refuses(robot):
    robot.disconnect()
    with pytest.raises(RobotDisconnectedError):
        robot.get_observation()


def test_third_person_camera_is_rendered_only_when_asked_for(robot):
    assert set(robot.description.cameras) == {"wrist"}
    watched = new_robot(third_person_px=(60, 48))
    observation = watched.get_observation()
    assert observation.images["third_person"].shape == (48, 60, 3)
    assert set(observation.camera_to_world) == {"wrist", "third_person"}
    watched.close()


def test_the_target_projects_to_where_its_mask_is(robot):
    truth, camera = PrivilegedView(robot), robot.description.cameras["wrist"]
    shown = [seed for seed in range(12) if _reset(robot, seed) and truth.visibility().fraction > 0.95]
    assert shown
    for seed in shown:
        _reset(robot, seed)
        left, top, right, bottom = truth.target_box()
        if min(left, top) < 1 or max(right, bottom) > 83:
            continue
        pose = robot.get_observation().camera_to_world["wrist"]
        x, y, z = pose[:3, :3].T @ (truth.target_position() - pose[:3, 3])
        assert left - 1 <= 42 + camera.focal_px * x / z <= right + 1
        assert top - 1 <= 42 + camera.focal_px * y / z <= bottom + 1


def _reset(robot, seed):
    robot.reset(dataclasses.replace(sample_episode("bookshelf_pineapple", seed), home_rad=HOME_RAD))
    return True


def test_absent_target_is_nowhere(robot):
    robot.reset(sample_episode("bookshelf_pineapple", 3, variant="absent"))
    truth = PrivilegedView(robot)
    values = truth.observe().values
    assert truth.target_position() is None
    assert not truth.target_mask().any()
    assert (values["target_present"], values["target_alone_px"]) == (0.0, 0.0)
    assert not truth.judge().success


def test_out_of_view_is_told_from_occluded(robot):
    truth = PrivilegedView(robot)
    target = SPEC.objects[0]
    away = dataclasses.replace(target, position_m=(-1.0, 0.0, 0.0))
    robot.reset(dataclasses.replace(SPEC, objects=(away, *SPEC.objects[1:])))
    assert (truth.visibility().visible_px, truth.visibility().alone_px) == (0, 0)
    behind = dataclasses.replace(target, position_m=(1.3, 0.0, 0.35))  # behind the bookcase's back panel
    robot.reset(dataclasses.replace(SPEC, objects=(behind, *SPEC.objects[1:])))
    assert truth.visibility().visible_px == 0
    assert truth.visibility().alone_px > 10


def test_a_lifted_target_counts_only_when_held(robot):
    truth = PrivilegedView(robot)
    address = robot.model.joint(SPEC.target_name).qposadr[0]
    robot.data.qpos[address + 2] += 0.10
    mujoco.mj_forward(robot.model, robot.data)
    judgement = truth.judge()
    assert judgement.lifted_m == pytest.approx(0.10, abs=1e-6)
    assert not judgement.held
    assert not judgement.success
