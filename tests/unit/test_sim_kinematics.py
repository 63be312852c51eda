"""The arm reaches what the tasks need: grasp poses on every shelf, and every view of every shelf cell."""

import numpy as np
import pytest

from robots.sim import arm
from robots.sim.kinematics import LOWER_RAD, UPPER_RAD, ArmKinematics, rotation_vector
from robots.sim.scene import HOME_RAD, REGION

DT_S = 1 / 15
HOME = np.array(HOME_RAD)


def looking(position, target):
    """Camera pose (OpenCV axes) at `position`, looking at `target`, upright."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = position
    return pose


def drive(kinematics, q, camera_to_world, periods=120):
    """Proportional control of the camera pose through gripper twists; returns final errors [m], [rad]."""
    for _ in range(periods):
        now = kinematics.forward(q)
        delta = camera_to_world[:3, 3] - now.camera_to_world[:3, 3]
        turn = rotation_vector(camera_to_world[:3, :3] @ now.camera_to_world[:3, :3].T)
        if np.linalg.norm(delta) < 0.005 and np.linalg.norm(turn) < 0.02:
            return q, np.linalg.norm(delta), np.linalg.norm(turn)
        spin = 3.0 * turn
        spin *= min(1.0, 1.0 / max(np.linalg.norm(spin), 1e-9))
        move = 3.0 * delta
        move *= min(1.0, 0.3 / max(np.linalg.norm(move), 1e-9))
        arm_to_gripper = now.gripper_to_world[:3, 3] - now.camera_to_world[:3, 3]
        twist = np.concatenate([move + np.cross(spin, arm_to_gripper), spin])
        q = q + DT_S * kinematics.twist_to_joint_velocity(q, twist, dt_s=DT_S)
    return q, np.linalg.norm(delta), np.linalg.norm(turn)


def grid_of_views():
    views = []
    for shelf in (compartment.floor_z_m for compartment in REGION.compartments):
        for y in (-0.34, -0.17, 0.0, 0.17, 0.34):
            cell = np.array([REGION.front_x_m + 0.10, y, shelf + 0.08])
            for distance, bearing, elevation in (
                (0.36, 0.0, 0.0),
                (0.40, 0.0, 0.15),
                (0.34, 0.35, 0.0),
                (0.34, -0.35, 0.0),
            ):
                offset = distance * np.array([np.cos(bearing) * np.cos(elevation), np.sin(bearing), np.sin(elevation)])
                views.append((cell - offset * [1, 1, -1], cell))
    return views


def test_camera_servo_converges_to_every_view_one_after_another():
    kinematics = ArmKinematics(HOME)
    stuck, q = [], HOME
    for position, cell in grid_of_views():
        q, meters, radians = drive(kinematics, q, looking(position, cell))
        assert np.all(q >= LOWER_RAD - 1e-9)
        assert np.all(q <= UPPER_RAD + 1e-9)
        if meters > 0.005 or radians > 0.02:
            stuck.append((position.round(2).tolist(), cell.round(2).tolist(), round(meters, 3), round(radians, 3)))
    assert stuck == []


@pytest.mark.parametrize("shelf", [compartment.floor_z_m for compartment in REGION.compartments])
def test_grasp_poses_are_reachable_over_the_whole_shelf(shelf):
    kinematics, rng = ArmKinematics(HOME), np.random.default_rng(0)
    for y in (-0.34, -0.2, 0.0, 0.2, 0.34):
        for depth in (0.06, 0.10, 0.14):
            point = np.array([REGION.front_x_m + depth, y, shelf + 0.05])
            assert any(
                kinematics.solve(_grasp(point, share * np.arctan2(point[1], point[0])), [HOME], rng, free_roll=True)
                is not None
                for share in (1.0, 0.5, 0.0)
            ), point


def _grasp(point, yaw):
    approach = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([[0, 0, 1.0], np.cross(approach, [0, 0, 1.0]), approach])
    pose[:3, 3] = point
    return pose


def test_jacobian_is_the_derivative_of_forward():
    kinematics, rng = ArmKinematics(), np.random.default_rng(1)
    q, step = rng.uniform(LOWER_RAD, UPPER_RAD), 1e-6 * rng.standard_normal(7)
    before, after = kinematics.forward(q), kinematics.forward(q + step)
    twist = kinematics.jacobian(q) @ step
    moved = after.gripper_to_world[:3, 3] - before.gripper_to_world[:3, 3]
    turned = rotation_vector(after.gripper_to_world[:3, :3] @ before.gripper_to_world[:3, :3].T)
    np.testing.assert_allclose(twist, np.concatenate([moved, turned]), atol=1e-10)


def test_twist_respects_speed_and_range_limits():
    kinematics = ArmKinematics(HOME)
    at_limit = UPPER_RAD.copy()
    velocity = kinematics.twist_to_joint_velocity(at_limit, np.array([5.0, 0, 0, 0, 0, 5.0]), dt_s=DT_S)
    assert np.all(velocity <= 1e-12)
    assert np.all(np.abs(velocity) <= np.array(arm.VELOCITY_RAD_S) + 1e-12)


def test_flange_follows_the_published_kinematics():
    # At q = 0 the published chain puts the flange at x = 0.088, z = 0.333 + 0.316 + 0.384 - 0.107.
    kinematics = ArmKinematics()
    flange_to_tip = np.array([0.088, 0.0, 0.926]) - kinematics.forward(np.zeros(7)).gripper_to_world[:3, 3]
    assert np.linalg.norm(flange_to_tip) < arm.BRACKET_M * 2 + arm.TIP_M
