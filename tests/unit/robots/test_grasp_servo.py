"""The law of the grasp: from anywhere it aligns before the shelf, closes around the object and carries it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.sim.experts.grasps import Grasp
from robots.sim.grasping.servo import Attempt, Gains, HandState, attempt_of, command, misalignment
from robots.sim.kinematics import rotation_of, rotation_vector

DT_S = 1 / 15
FRONT_X_M = 0.66


def grasp_pose():
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([[0, 0, 1], np.cross([1, 0, 0], [0, 0, 1]), [1, 0, 0]])
    pose[:3, 3] = (0.76, 0.05, 0.40)
    return pose


def attempt(headroom_m=0.15) -> Attempt:
    grasp = Grasp(grasp_pose(), np.array([1.0, 0.0, 0.0]))
    return attempt_of(grasp, front_x_m=FRONT_X_M, headroom_m=headroom_m, length_m=0.07)


def moved(pose, twist):
    """The pose after one control period of a twist in the gripper's frame."""
    after = pose.copy()
    after[:3, 3] += DT_S * pose[:3, :3] @ twist[:3]
    after[:3, :3] = pose[:3, :3] @ rotation_of(DT_S * twist[3:])
    return after


def start_at(x, y, z, turn):
    pose = grasp_pose()
    pose[:3, 3] = (x, y, z)
    pose[:3, :3] = pose[:3, :3] @ rotation_of(np.array(turn))
    return pose


angles = st.tuples(*[st.floats(-0.5, 0.5)] * 3)


@given(x=st.floats(0.25, 0.60), y=st.floats(-0.3, 0.4), z=st.floats(0.2, 0.6), turn=angles)
@settings(max_examples=40, deadline=None)
def test_from_anywhere_before_the_shelf_the_hand_aligns_before_it_enters_and_then_closes(x, y, z, turn):
    way, pose = attempt(), start_at(x, y, z, turn)
    for _ in range(150):
        wanted = command(way, HandState(pose, 0.0, held=False, lifted_m=0.0))
        if wanted.gripper == 1.0:
            break
        pose = moved(pose, wanted.twist)
        if pose[0, 3] > FRONT_X_M:
            offset, angle = misalignment(way, pose)
            assert np.hypot(*offset[:2]) < 0.045
            assert np.linalg.norm(angle) < 0.36
    assert wanted.gripper == 1.0
    assert np.linalg.norm(pose[:3, 3] - grasp_pose()[:3, 3]) < 0.011


@given(x=st.floats(0.2, 0.8), y=st.floats(-0.5, 0.5), z=st.floats(0.0, 0.9), turn=angles, held=st.booleans())
@settings(max_examples=80, deadline=None)
def test_no_state_asks_for_more_than_the_allowed_speed(x, y, z, turn, held):
    gains = Gains()
    state = HandState(start_at(x, y, z, turn), 0.4 if held else 0.0, held=held, lifted_m=0.01)
    twist = command(attempt(), state, gains).twist
    assert np.linalg.norm(twist[:3]) <= np.hypot(gains.free_m_s, gains.free_m_s) + 1e-9
    assert np.linalg.norm(twist[3:]) <= gains.turn_rad_s + 1e-9


def test_a_hand_that_was_pushed_aside_within_the_shelf_backs_out():
    state = HandState(start_at(0.72, 0.11, 0.40, (0, 0, 0)), 0.0, held=False, lifted_m=0.0)
    wanted = command(attempt(), state)
    assert wanted.twist[2] < -0.05
    assert wanted.gripper == 0.0


def test_the_fingers_stay_closed_once_they_have_begun_and_open_when_nothing_is_between_them():
    near = start_at(0.76 - 0.010, 0.05, 0.40, (0, 0, 0))
    assert command(attempt(), HandState(near, 0.0, held=False, lifted_m=0.0)).gripper == 0.0
    assert command(attempt(), HandState(near, 0.3, held=False, lifted_m=0.0)).gripper == 1.0
    assert command(attempt(), HandState(near, 0.99, held=False, lifted_m=0.0)).gripper == 0.0


@pytest.mark.parametrize("headroom_m", [0.15, 0.04, 0.008])
def test_what_is_held_is_lifted_as_far_as_there_is_room_and_higher_once_it_is_out(headroom_m):
    way, pose = attempt(headroom_m), grasp_pose()
    for _ in range(120):
        lifted = float(pose[2, 3]) - 0.40
        wanted = command(way, HandState(pose, 0.4, held=True, lifted_m=lifted))
        assert wanted.gripper == 1.0
        if pose[0, 3] > FRONT_X_M - 0.03:
            assert lifted < max(headroom_m, 0.004)
        if wanted.done:
            break
        pose = moved(pose, wanted.twist)
    assert wanted.done
    assert pose[0, 3] < FRONT_X_M
    assert lifted > 0.055


@given(vector=st.tuples(*[st.floats(-2.0, 2.0)] * 3))
@settings(max_examples=50, deadline=None)
def test_a_rotation_vector_survives_its_matrix(vector):
    matrix = rotation_of(np.array(vector))
    assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    if np.linalg.norm(vector) < 3.0:
        assert np.allclose(rotation_vector(matrix), vector, atol=1e-6)
