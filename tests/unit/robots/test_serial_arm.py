"""Kinematics of an arm read from a file: the Jacobian is the derivative, and bounds hold wherever they lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robots.errors import UsageError
from robots.real.kinematics import SerialArm
from robots.real.profile import ModelProfile, Pose
from tests.robot_doubles import modelled

MASS = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>'
URDF = f"""<robot name="two"><link name="base"/><link name="arm">{MASS}</link><link name="hand">{MASS}</link>
<joint name="a" type="revolute"><parent link="base"/><child link="arm"/><axis xyz="0 0 1"/>
<limit lower="-2" upper="2" effort="1" velocity="1"/></joint>
<joint name="b" type="revolute"><parent link="arm"/><child link="hand"/><origin xyz="0.3 0 0"/><axis xyz="0 0 1"/>
<limit lower="-2" upper="2" effort="1" velocity="1"/></joint></robot>"""

joints = arrays(np.float64, 5, elements=st.floats(-1.4, 1.4))
twists = arrays(np.float64, 6, elements=st.floats(-2.0, 2.0))
bounds = arrays(np.float64, 5, elements=st.floats(0.0, 1.0))


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return SerialArm(modelled(tmp_path_factory.mktemp("arm")).model)


@settings(deadline=None, max_examples=30)
@given(q=joints)
def test_the_jacobian_is_the_derivative_of_the_gripper_point(arm, q):
    jacobian = arm.jacobian(q).copy()
    for index in range(5):
        step = np.eye(5)[index] * 1e-6
        difference = (arm.forward(q + step)[:3, 3] - arm.forward(q - step)[:3, 3]) / 2e-6
        assert jacobian[:3, index] == pytest.approx(difference, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    q=joints,
    twist=arrays(np.float64, 6, elements=st.floats(-2.0, 2.0)),
    bound=arrays(np.float64, 5, elements=st.floats(0.0, 1.0)),
)
def test_bounds_always_hold(arm, q, twist, bound):
    velocity = arm.joint_velocity(q, twist, -bound, bound)
    assert np.isfinite(velocity).all()
    assert (np.abs(velocity) <= bound + 1e-12).all()


def test_a_reachable_twist_is_realised(arm):
    q = np.array([0.2, -0.4, 0.9, 0.3, 0.5])
    twist = arm.jacobian(q) @ np.array([0.1, -0.2, 0.15, 0.05, 0.3])
    velocity = arm.joint_velocity(q, twist, np.full(5, -2.0), np.full(5, 2.0))
    assert arm.jacobian(q) @ velocity == pytest.approx(twist, abs=1e-6)


def test_a_locked_joint_is_made_good_by_the_others(arm):
    q = np.array([0.0, -0.4, 0.9, 0.3, 0.0])
    up = np.array([0.0, 0.0, 0.05, 0.0, 0.0, 0.0])
    free, bound = np.full(5, 2.0), np.array([2.0, 2.0, 0.0, 2.0, 2.0])
    assert arm.joint_velocity(q, up, -bound, bound)[2] == 0.0
    assert (arm.jacobian(q) @ arm.joint_velocity(q, up, -bound, bound))[2] > 0.01
    assert np.abs(arm.joint_velocity(q, up, -free, free)[2]) > 0.0


def test_a_urdf_file_and_a_body_with_an_offset_work_too(tmp_path):
    (tmp_path / "two.urdf").write_text(URDF)
    model = ModelProfile(str(tmp_path / "two.urdf"), ("a", "b"), body="hand", gripper=Pose((0.1, 0.0, 0.0)))
    pose = SerialArm(model).forward(np.array([np.pi / 2, 0.0]))
    assert pose[:3, 3] == pytest.approx([0.0, 0.4, 0.0], abs=1e-9)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "bad.xml").write_text("<mujoco><wordlbody/></mujoco>")
    with pytest.raises(UsageError, match="cannot be compiled") as caught:
        SerialArm(ModelProfile(str(tmp_path / "bad.xml"), ("a",), site="s"))
    assert "\n" not in str(caught.value)
