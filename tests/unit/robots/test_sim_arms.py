"""Every simulated arm: its description is consistent, its kinematics hold for any number of joints."""

import dataclasses

import mujoco
import numpy as np
import pytest

from robots.errors import UsageError
from robots.sim.arms import ARMS, arm_of
from robots.sim.config import SimConfig
from robots.sim.experts.collision import ArmIndices
from robots.sim.furniture import FURNITURE
from robots.sim.kinematics import ArmKinematics, robot_model, rotation_vector
from robots.sim.koch import KOCH
from robots.types import ActionSpace

ARM = pytest.mark.parametrize("arm", ARMS.values(), ids=list(ARMS))


@ARM
def test_every_name_is_in_the_model_and_in_the_order_of_the_limits(arm):
    model = robot_model(arm)
    for index, name in enumerate(arm.joint_names):
        joint, servo = model.joint(name), model.actuator(name)
        np.testing.assert_allclose(joint.range, [arm.limits.lower_rad[index], arm.limits.upper_rad[index]])
        assert servo.gainprm[0] == arm.stiffness[index]
        assert -servo.biasprm[2] == arm.damping[index]
    assert {model.body(body).id for body in arm.bodies} == set(range(1, model.nbody))
    for name in arm.finger_joints:
        assert model.joint(name).range[1] >= arm.finger_stroke
    assert model.site(arm.gripper_site).bodyid == model.body(arm.hand).id
    assert model.camera(arm.wrist_camera).bodyid == model.body(arm.hand).id


@ARM
def test_home_is_inside_limits_and_workspace(arm):
    home = np.array(arm.home_rad)
    assert np.all((home > arm.limits.lower_rad) & (home < arm.limits.upper_rad))
    point = ArmKinematics(home, arm).forward(home).gripper_to_world[:3, 3]
    assert np.all((point > arm.limits.workspace_min_m) & (point < arm.limits.workspace_max_m))


@ARM
def test_servos_do_not_chatter(arm):
    """Where a servo saturates its damping is integrated explicitly: stable while damping * timestep < 2 * inertia."""
    model = robot_model(arm)
    data, inertia = mujoco.MjData(model), np.empty((model.nv, model.nv))
    data.qpos[[model.joint(name).qposadr[0] for name in arm.joint_names]] = arm.home_rad
    mujoco.mj_forward(model, data)
    mujoco.mj_fullM(model, data, inertia)
    for name, damping in zip(arm.joint_names, arm.damping, strict=True):
        dof = model.joint(name).dofadr[0]
        assert damping * SimConfig().timestep_s < 2.0 * inertia[dof, dof]


@ARM
def test_jacobian_is_the_derivative_of_forward(arm):
    kinematics, rng = ArmKinematics(None, arm), np.random.default_rng(1)
    q = rng.uniform(kinematics.lower_rad, kinematics.upper_rad)
    step = 1e-6 * rng.standard_normal(len(q))
    before, after = kinematics.forward(q), kinematics.forward(q + step)
    moved = after.gripper_to_world[:3, 3] - before.gripper_to_world[:3, 3]
    turned = rotation_vector(after.gripper_to_world[:3, :3] @ before.gripper_to_world[:3, :3].T)
    np.testing.assert_allclose(kinematics.jacobian(q) @ step, np.concatenate([moved, turned]), atol=1e-10)


@ARM
def test_joint_velocities_respect_range_and_speed(arm):
    kinematics, rng = ArmKinematics(None, arm), np.random.default_rng(2)
    for _ in range(50):
        q = rng.uniform(kinematics.lower_rad, kinematics.upper_rad)
        velocity = kinematics.twist_to_joint_velocity(q, rng.normal(0.0, 2.0, 6), dt_s=0.1)
        assert np.all(np.abs(velocity) <= np.array(arm.limits.velocity_rad_s) + 1e-12)
        after = q + 0.1 * velocity
        assert np.all((after >= kinematics.lower_rad - 1e-12) & (after <= kinematics.upper_rad + 1e-12))


@ARM
def test_solve_finds_what_forward_reached(arm):
    kinematics, rng = ArmKinematics(np.array(arm.home_rad), arm), np.random.default_rng(3)
    for _ in range(5):
        wanted = np.array(arm.home_rad) + rng.uniform(-0.4, 0.4, len(arm.home_rad))
        pose = kinematics.forward(np.clip(wanted, kinematics.lower_rad, kinematics.upper_rad)).gripper_to_world
        found = kinematics.solve(pose, [np.array(arm.home_rad)], rng)
        assert found is not None
        np.testing.assert_allclose(kinematics.forward(found).gripper_to_world[:3, 3], pose[:3, 3], atol=1e-3)


def test_an_arm_of_five_joints_goes_where_it_is_told_and_turns_as_it_can():
    kinematics, q = ArmKinematics(np.array(KOCH.home_rad), KOCH), np.array(KOCH.home_rad)
    for linear in ([0.05, 0, 0], [0, 0.05, 0], [0, 0, -0.05]):
        velocity = kinematics.twist_to_joint_velocity(q, np.array([*linear, 0.0, 0.0, 0.0]))
        np.testing.assert_allclose((kinematics.jacobian(q) @ velocity)[:3], linear, atol=0.004)


def test_the_small_arm_reaches_about_280_mm_from_its_shoulder():
    stretched = ArmKinematics(None, KOCH).forward(np.array([0.0, 0.0, -np.pi / 2 + 0.08, 0.0, 0.0]))
    assert 0.27 < np.linalg.norm(stretched.gripper_to_world[:3, 3] - [0, 0, 0.075]) < 0.29


def test_widths_follow_the_number_of_joints():
    assert [KOCH.width(space) for space in ActionSpace] == [6, 5, 5]


def test_every_scene_names_an_arm_that_stands_in_it():
    assert {arm_of(scene).name for scene in FURNITURE} == set(ARMS)
    with pytest.raises(UsageError, match="koch"):
        arm_of("kohc")


@ARM
def test_indices_tell_arm_hand_and_fingers_apart(arm):
    indices = ArmIndices.of(robot_model(arm), arm)
    assert len(indices.joints) == len(arm.joint_names)
    assert indices.finger_geoms < indices.hand_geoms < indices.arm_geoms
    assert len(indices.arm_geoms) == robot_model(arm).ngeom


def test_an_inconsistent_arm_is_refused():
    with pytest.raises(UsageError, match="one value per joint"):
        dataclasses.replace(KOCH, home_rad=(0.0,) * 6)
    with pytest.raises(UsageError, match="positive"):
        dataclasses.replace(KOCH, step_m=0.0)
