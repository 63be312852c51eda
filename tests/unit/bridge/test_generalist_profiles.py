"""Profiles say what a policy's numbers mean; every mistake in one is a sentence that names it."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from robots.errors import SchemaError, SpecError, UsageError
from robots.types import ActionSpace
from tests.bridge_fakes import DESCRIPTION, SCHEMA
from vla_bridge.backends.lerobot import LeRobotConfig
from vla_bridge.conventions import Part, Reference, StatePart, StateProfile, Unit, Units
from vla_bridge.observations import check_robot
from vla_bridge.profiles import SHIPPED, Resize, load_profile

NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def test_the_published_conventions_are_shipped():
    assert NAMES == ["baton_sim", "droid_joint_velocity", "libero", "so101"]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_is_read_by_its_name_and_by_its_path(name):
    profile = load_profile(name)
    assert profile == load_profile(str(SHIPPED / f"{name}.yaml"))
    assert profile.name == name


def test_baton_s_own_is_a_twist_in_the_gripper_s_frame_with_a_refusal():
    profile = load_profile("baton_sim")
    assert profile.action.layout == (Part.MOTION, Part.GRIPPER, Part.REFUSE)
    assert (profile.action.space, profile.action.frame) == (ActionSpace.CARTESIAN_VELOCITY, "gripper")
    assert (profile.control_hz, profile.execute, profile.joints) == (15.0, 4, 7)
    assert profile.state.as_sent
    assert {use.resize for use in profile.cameras.values()} == {Resize.CLIENT}


def test_droid_moves_a_fifth_of_a_radian_per_step_at_full_value():
    profile = load_profile("droid_joint_velocity")
    np.testing.assert_allclose(profile.action.units.physical(np.ones(7)) / profile.control_hz, 0.2)


def test_libero_is_a_displacement_per_step():
    profile = load_profile("libero")
    assert profile.action.reference is Reference.STEP
    np.testing.assert_allclose(profile.action.units.physical(np.ones(6)), [0.05] * 3 + [0.5] * 3)
    assert profile.state.joints(8) is None


def test_so101_is_in_degrees_with_an_open_gripper_at_100():
    profile = load_profile("so101")
    assert (profile.action.units.unit, profile.state.units.unit) == (Unit.DEG, Unit.DEG)
    assert (profile.action.gripper.open, profile.action.gripper.closed) == (100.0, 0.0)
    assert profile.state.joints(6) == profile.joints == 5


def changed(tmp_path, *path, value):
    """Write `baton_sim` with one field set to `value`, or removed for None, and return the file."""
    profile = copy.deepcopy(yaml.safe_load((SHIPPED / "baton_sim.yaml").read_text()))
    inner = profile
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(profile))
    return str(file)


MISTAKES = {
    "unknown field": (("acton",), {}, "Did you mean 'action'"),
    "missing field": (("control_hz",), None, "control_hz"),
    "rate": (("control_hz",), 0.0, "control_hz must be positive"),
    "not a number": (("control_hz",), "fast", "finite number"),
    "space": (("action", "space"), "joint_velocty", "joint_velocity"),
    "frame missing": (("action", "frame"), None, "frame"),
    "frame of joints": (("action", "space"), "joint_velocity", "frame"),
    "unit": (("action", "units"), {"unit": "rad"}, "unit rad does not fit space cartesian_velocity"),
    "share without scale": (("action", "units"), {"unit": "share"}, "scale"),
    "scale without share": (("action", "units"), {"unit": "m_rad", "scale": [2.0]}, "scale"),
    "zero scale": (("action", "units"), {"unit": "share", "scale": [0.0]}, "zeros"),
    "number of scales": (("action", "units"), {"unit": "share", "scale": [1.0] * 5}, "5 values for 6"),
    "offset of a speed": (("action", "units"), {"unit": "m_rad", "offset": [1.0]}, "offset"),
    "number of bounds": (("action", "low"), [0.0, 1.0], "2 values for 6"),
    "no motion": (("action", "layout"), ["gripper"], "motion"),
    "twice": (("action", "layout"), ["motion", "gripper", "gripper"], "at most once"),
    "reference": (("action", "reference"), "observation", "joint_position"),
    "gripper": (("action", "gripper"), {"open": 1.0, "closed": 1.0}, "differ"),
    "clip without bounds": (("action",), {"space": "joint_velocity", "clip": True}, "clip"),
    "state layout": (("state", "layout"), ["joint_position"], "joint_positions"),
    "empty state": (("state", "layout"), [], "at least one"),
    "state unit": (("state", "units"), {"unit": "m_rad"}, "m_rad"),
    "fingers": (("state", "gripper_open"), [0.0, 1.0], "same number"),
    "camera used twice": (("cameras", "third_person"), {"camera": "wrist"}, "twice"),
    "resize": (("cameras", "wrist"), {"camera": "wrist", "resize": "server"}, "client, policy"),
    "joints": (("joints",), 0, "at least 1"),
    "execute": (("execute",), 0, "at least 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_that_names_it(mistake, tmp_path):
    path, value, named = MISTAKES[mistake]
    with pytest.raises((SpecError, UsageError)) as caught:
        load_profile(changed(tmp_path, *path, value=value))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_profile_lists_the_shipped_ones_and_the_nearest():
    with pytest.raises(UsageError, match=r"so101.*Did you mean 'droid_joint_velocity'"):
        load_profile("droid_velocity")


def test_a_missing_or_broken_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the generalist profile"):
        load_profile(str(tmp_path / "none.yaml"))
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(UsageError, match="not valid YAML"):
        load_profile(str(tmp_path / "broken.yaml"))


@given(
    st.floats(-1e3, 1e3),
    st.sampled_from([Units(), Units(Unit.DEG), Units(Unit.SHARE, (0.019,), (0.4,)), Units(Unit.SHARE, (-3.0,))]),
)
def test_units_there_and_back_are_the_same_value(value, units):
    np.testing.assert_allclose(units.policy(units.physical(np.array([value]))), [value], rtol=1e-9, atol=1e-9)


@given(st.integers(1, 12), st.integers(1, 3), st.lists(st.sampled_from(list(StatePart)), unique=True, min_size=1))
def test_the_number_of_joints_is_recovered_from_the_size_of_a_state(joints, fingers, layout):
    profile = StateProfile(tuple(layout), gripper_open=(0.0,) * fingers, gripper_closed=(1.0,) * fingers)
    of_joints = {StatePart.JOINT_POSITIONS, StatePart.JOINT_VELOCITIES}
    width = {StatePart.GRIPPER: fingers, StatePart.GRIPPER_QUATERNION: 4}
    size = sum(joints if part in of_joints else width.get(part, 3) for part in layout)
    assert profile.joints(size) == (joints if of_joints & set(layout) else None)


def test_a_state_of_another_size_is_refused():
    with pytest.raises(UsageError, match=r"gripper_position.* 9 values"):
        load_profile("libero").state.joints(9)


def test_options_that_the_profile_declares_are_refused_beside_it(tmp_path):
    with pytest.raises(UsageError, match="control_hz is declared by the profile baton_sim"):
        LeRobotConfig(path=tmp_path, profile="baton_sim", control_hz=30.0)


def test_this_robot_s_camera_names_may_be_given_beside_a_profile(tmp_path):
    profile = LeRobotConfig(path=tmp_path, profile="droid_joint_velocity", cameras={"base_0_rgb": "left"}).declared()
    assert (profile.cameras["base_0_rgb"].camera, profile.cameras["base_0_rgb"].resize) == ("left", Resize.POLICY)
    assert profile.cameras["left_wrist_0_rgb"].camera == "wrist"


def test_the_options_without_a_profile_describe_one(tmp_path):
    options = LeRobotConfig(path=tmp_path, action_space="cartesian_velocity", gripper=False, control_hz=10.0)
    profile = options.declared()
    assert profile.action.frame == "world"
    assert (profile.action.layout, profile.control_hz, profile.state) == ((Part.MOTION,), 10.0, None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"action": replace(SCHEMA.action, unit="deg")}, "gives deg, fake-arm takes rad"),
        ({"action": replace(SCHEMA.action, shape=(8, 7))}, "gives 7 values, fake-arm takes 3"),
        ({"action_space": ActionSpace.CARTESIAN_VELOCITY}, "fake-arm takes joint_velocity, joint_position"),
    ],
)
def test_a_policy_whose_action_is_not_the_robot_s_is_refused_before_anything_moves(change, named):
    check_robot(DESCRIPTION, SCHEMA, privileged=False)
    with pytest.raises(SchemaError, match=named):
        check_robot(DESCRIPTION, replace(SCHEMA, **change), privileged=False)
