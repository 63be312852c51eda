"""Malformed actions never reach the servos; well-formed ones are clipped, and both are counted."""

import json

import mujoco
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robots.errors import ActionRejectedError, SpecError
from robots.sim.arms import ARMS
from robots.sim.koch import KOCH
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import CommandCounts, MujocoRobot, SimConfig
from robots.sim.touch import TouchJudge
from robots.types import Action, ActionSpace

TASKS = {"panda": "bookshelf_duck", "koch": "koch_lift"}
ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)


@pytest.fixture(scope="module")
def robots():
    made = {}
    for name, task in TASKS.items():
        spec = sample_episode(task, 1)
        made[name] = MujocoRobot(SimConfig(scene=spec.scene, wrist_px=(16, 16)), lambda: 0.0)
        made[name].connect()
        made[name].reset(spec)
    yield made
    for robot in made.values():
        robot.close()


@pytest.fixture
def robot(robots):
    robots["koch"].reset(robots["koch"].spec)
    return robots["koch"]


@pytest.mark.parametrize("space", list(ActionSpace))
@pytest.mark.parametrize("arm", ARMS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=st.lists(ANY, min_size=4, max_size=8), gripper=st.one_of(st.none(), ANY))
def test_whatever_is_sent_the_servos_get_finite_targets_within_the_limits(robots, arm, space, values, gripper):
    robot, limits = robots[arm], ARMS[arm].limits
    before, state = robot.counters, robot.data.qpos.copy()
    fine = len(values) == ARMS[arm].width(space) and np.isfinite([*values, gripper or 0.0]).all()
    try:
        sent = robot.send_action(Action(space, np.array(values), gripper))
    except ActionRejectedError:
        assert not fine
        assert robot.counters == CommandCounts(before.rejected + 1, before.clipped)
        np.testing.assert_array_equal(robot.data.qpos, state)
    else:
        assert fine
        assert robot.counters.rejected == before.rejected
        assert np.isfinite(sent.values).all()
    targets = robot.hold().values
    assert np.isfinite(robot.data.ctrl).all()
    assert np.all((targets >= np.array(limits.lower_rad) - 1e-9) & (targets <= np.array(limits.upper_rad) + 1e-9))


@pytest.mark.parametrize(
    "values", [np.array(["a"] * 5), np.zeros(5, dtype=complex), np.zeros(5, dtype=bool), np.array([None] * 5)]
)
def test_what_is_no_number_is_rejected(robot, values):
    with pytest.raises(ActionRejectedError, match="real numbers"):
        robot.send_action(Action(ActionSpace.JOINT_VELOCITY, values))
    assert robot.counters == CommandCounts(rejected=1)
    assert robot.steps == 0


def test_only_what_was_changed_counts_as_clipped(robot):
    home = np.array(robot.spec.home_rad)
    robot.send_action(Action(ActionSpace.JOINT_POSITION, home, gripper=0.5))
    assert robot.counters == CommandCounts()
    robot.send_action(Action(ActionSpace.JOINT_POSITION, home + 1.0))
    assert robot.counters == CommandCounts(clipped=1)
    sent = robot.send_action(Action(ActionSpace.JOINT_VELOCITY, np.full(5, 99.0), gripper=7.0))
    assert robot.counters == CommandCounts(clipped=2)
    assert np.all(sent.values <= KOCH.limits.velocity_rad_s)
    assert sent.gripper == 1.0
    robot.send_action(Action(ActionSpace.JOINT_POSITION, home, gripper=-1.0))
    assert robot.counters == CommandCounts(clipped=3)


def test_a_twist_beyond_the_largest_step_is_shortened_and_counted(robot):
    sent = robot.send_action(Action(ActionSpace.CARTESIAN_VELOCITY, np.array([0.0, 9.0, 0.0, 0.0, 0.0, 0.0])))
    assert robot.counters.clipped == 1
    assert np.linalg.norm(sent.values[:3]) <= KOCH.step_m / robot.dt_s + 1e-9


def test_counts_begin_anew_with_every_episode_and_travel_with_the_state(robot):
    with pytest.raises(ActionRejectedError):
        robot.send_action(Action(ActionSpace.JOINT_POSITION, np.zeros(4)))
    robot.send_action(Action(ActionSpace.JOINT_POSITION, np.full(5, 99.0)))
    state = json.loads(json.dumps(robot.state()))
    robot.reset(robot.spec)
    assert robot.counters == CommandCounts()
    robot.load_state(state)
    assert robot.counters == CommandCounts(1, 1)
    with pytest.raises(SpecError, match="counters"):
        robot.load_state({**state, "counters": [0.0]})


def test_an_episode_of_another_arm_is_refused(robots):
    with pytest.raises(SpecError, match="scene"):
        robots["panda"].reset(robots["koch"].spec)


def test_fingers_may_touch_handles_and_nothing_else_may():
    """Two balls on the hand and on a finger, each pressed into a handle or into furniture."""
    for place, handle, collides in (("finger", True, False), ("finger", False, True), ("hand", True, True)):
        spec = KOCH.alone()
        hand = spec.body(KOCH.fingers[0] if place == "finger" else KOCH.hand)
        hand.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.02, 0, 0], pos=[0.3, 0, 0], contype=2, conaffinity=1)
        model = spec.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        center = data.geom_xpos[np.flatnonzero(np.isclose(model.geom_size[:, 0], 0.02) & (model.geom_type == 2))[-1]]
        spec.worldbody.add_geom(
            name="door_handle_bar" if handle else "door_panel",
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=[0.03, 0, 0],
            pos=center.tolist(),
            contype=1,
            conaffinity=0xF,
        )
        model = spec.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        assert data.ncon
        assert TouchJudge(model, KOCH).collides(data) is collides
