"""A policy's chunk becomes what the robot takes, or is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from robots.errors import PlanningError, SpecError
from robots.types import ActionSpace
from vla_bridge.backends.conversion import gripper_of, sources, state_of, to_prediction, to_world
from vla_bridge.conventions import ActionProfile, GripperAction, Part, Reference, StatePart, StateProfile, Unit, Units
from vla_bridge.profiles import GeneralistProfile, load_profile

JOINTS = np.array([0.1, -0.2, 0.3], np.float32)
FINITE = st.floats(-2.0, 2.0)


def arrays(rotation=None):
    pose = np.eye(4, dtype=np.float32)
    pose[:3, :3] = np.eye(3) if rotation is None else rotation.as_matrix()
    pose[:3, 3] = (0.4, -0.1, 0.6)
    return {
        "observation.state": np.append(JOINTS, 0.25).astype(np.float32),
        "observation.joint_positions": JOINTS,
        "observation.joint_velocities": np.array([1.0, 2.0, 3.0], np.float32),
        "observation.gripper": np.array([0.25], np.float32),
        "observation.gripper_to_world": pose,
    }


def joint_profile(space=ActionSpace.JOINT_POSITION, reference=Reference.ABSOLUTE, layout=(Part.MOTION,), **action):
    return GeneralistProfile("mine", 10.0, ActionProfile(space, layout=layout, reference=reference, **action))


def test_a_twist_that_does_not_turn_is_rotated_by_the_gripper_s_pose():
    turned = Rotation.from_euler("y", 90, degrees=True)  # the gripper's z points along the world's x
    twists = np.zeros((4, 6))
    twists[:, 2] = 0.1
    world = to_world(twists, turned.as_matrix(), 0.1)
    np.testing.assert_allclose(world[:, :3], np.tile([0.1, 0.0, 0.0], (4, 1)), atol=1e-12)


def test_a_turning_twist_takes_its_velocity_along():
    """Forward while turning about the own axis by 90 degrees per step goes round a square."""
    twists = np.zeros((4, 6))
    twists[:, 0], twists[:, 5] = 1.0, np.pi / 2
    world = to_world(twists, np.eye(3), 1.0)
    np.testing.assert_allclose(world[:, :2], [[1, 0], [0, 1], [-1, 0], [0, -1]], atol=1e-12)
    np.testing.assert_allclose(world[:, 5], np.pi / 2)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[FINITE] * 6), min_size=1, max_size=8), st.tuples(*[FINITE] * 3))
def test_executing_the_world_twists_leads_where_the_gripper_s_own_lead(twists, start):
    """Integrating either description step by step ends at the same pose (group action of SE(3), explicit Euler)."""
    twists, dt = np.array(twists), 1.0 / 15.0
    own, world = Rotation.from_rotvec(start), Rotation.from_rotvec(start)
    place, place_world = np.zeros(3), np.zeros(3)
    for body, outer in zip(twists, to_world(twists, own.as_matrix(), dt), strict=True):
        place = place + own.apply(body[:3]) * dt
        own = own * Rotation.from_rotvec(body[3:] * dt)
        place_world = place_world + outer[:3] * dt
        world = Rotation.from_rotvec(outer[3:] * dt) * world
    np.testing.assert_allclose(place_world, place, atol=1e-9)
    assert (own.inv() * world).magnitude() < 1e-6
    np.testing.assert_allclose(
        np.linalg.norm(to_world(twists, np.eye(3), dt)[:, :3], axis=1), np.linalg.norm(twists[:, :3], axis=1)
    )


def test_baton_s_own_chunk_becomes_a_world_twist_and_a_gripper():
    turned = Rotation.from_euler("x", 180, degrees=True)  # pointing down
    values = np.zeros((8, 8), np.float32)
    values[:, 2], values[:, 6] = 0.2, 0.75
    prediction = to_prediction(load_profile("baton_sim"), values, arrays(turned))
    np.testing.assert_allclose(prediction.actions[:, :3], np.tile([0.0, 0.0, -0.2], (8, 1)), atol=1e-6)
    assert prediction.actions.dtype == np.float32
    np.testing.assert_allclose(prediction.gripper, 0.75)


@pytest.mark.parametrize(("refusing", "refused"), [(8, True), (5, True), (4, False), (0, False)])
def test_a_chunk_that_mostly_refuses_is_a_refusal(refusing, refused):
    values = np.zeros((8, 8), np.float32)
    values[:refusing, 7] = 1.0
    if refused:
        with pytest.raises(PlanningError, match="refuses"):
            to_prediction(load_profile("baton_sim"), values, arrays())
    else:
        to_prediction(load_profile("baton_sim"), values, arrays())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("column", "named"), [(1, "value 1 (motion)"), (6, "(gripper)"), (7, "(refuse)")])
def test_a_value_that_is_not_finite_is_named_and_never_sent(bad, column, named):
    values = np.zeros((8, 8), np.float32)
    values[3, column] = bad
    with pytest.raises(SpecError, match="step 3, not finite") as caught:
        to_prediction(load_profile("baton_sim"), values, arrays())
    assert named in str(caught.value)


@pytest.mark.parametrize(("column", "value", "named"), [(0, 1.5, "x is 1.5"), (5, -4.5, "rz is -4.5")])
def test_a_value_out_of_bounds_is_named_with_the_bounds(column, value, named):
    values = np.zeros((8, 8), np.float32)
    values[2, column] = value
    with pytest.raises(SpecError, match=r"step 2, outside the -\d to \d of the profile baton_sim") as caught:
        to_prediction(load_profile("baton_sim"), values, arrays())
    assert named in str(caught.value)


def test_droid_is_scaled_clipped_and_its_gripper_rounded():
    values = np.zeros((2, 8), np.float32)
    values[:, 0], values[:, 1], values[:, 7] = 0.5, 1.7, (0.4, 0.6)
    prediction = to_prediction(load_profile("droid_joint_velocity"), values, {})
    np.testing.assert_allclose(prediction.actions[0], [1.5, 3.0, 0, 0, 0, 0, 0])
    assert prediction.gripper.tolist() == [0.0, 1.0]


def test_libero_s_displacements_become_velocities_in_world_axes():
    values = np.zeros((5, 7), np.float32)
    values[:, 0], values[:, 4], values[:, 6] = 0.1, -0.2, -1.0
    prediction = to_prediction(load_profile("libero"), values, arrays(Rotation.from_euler("x", 90, degrees=True)))
    np.testing.assert_allclose(prediction.actions[0], [0.1, 0, 0, 0, -2.0, 0], rtol=1e-6)  # 5 mm and 0.1 rad at 20 Hz
    np.testing.assert_allclose(prediction.gripper, 0.0)


def test_so101_is_turned_from_degrees_and_its_gripper_reversed():
    values = np.array([[90.0, -45.0, 0.0, 0.0, 180.0, 25.0]], np.float32)
    prediction = to_prediction(load_profile("so101"), values, {})
    np.testing.assert_allclose(prediction.actions, [[np.pi / 2, -np.pi / 4, 0, 0, np.pi]], rtol=1e-6)
    np.testing.assert_allclose(prediction.gripper, [0.75])


CHANGES = np.array([[0.1, 0.0, 0.0], [0.1, 0.0, -0.2]], np.float32)


@pytest.mark.parametrize(
    ("space", "reference", "expected"),
    [
        (ActionSpace.JOINT_POSITION, Reference.ABSOLUTE, CHANGES),
        (ActionSpace.JOINT_POSITION, Reference.OBSERVATION, JOINTS + CHANGES),
        (ActionSpace.JOINT_POSITION, Reference.STEP, JOINTS + np.cumsum(CHANGES, axis=0)),
        (ActionSpace.JOINT_VELOCITY, Reference.ABSOLUTE, CHANGES),
        (ActionSpace.JOINT_VELOCITY, Reference.STEP, CHANGES * 10.0),
    ],
)
def test_joint_motions_in_every_reference(space, reference, expected):
    prediction = to_prediction(joint_profile(space, reference), CHANGES, arrays())
    np.testing.assert_allclose(prediction.actions, expected, rtol=1e-6)
    assert prediction.gripper is None


def test_a_joint_out_of_its_bounds_is_named():
    profile = joint_profile(low=(-1.0, -1.0, -0.1), high=(1.0,))
    with pytest.raises(SpecError, match=r"joint 3 is -0\.2 at step 1, outside the -0\.1 to 1"):
        to_prediction(profile, CHANGES, {})


@pytest.mark.parametrize(
    ("reference", "expected"),
    [(Reference.ABSOLUTE, [0.9, 0.8]), (Reference.OBSERVATION, [0.15, 0.05]), (Reference.STEP, [0.15, 0.0])],
)
def test_grippers_in_every_reference(reference, expected):
    """Open is 100 and closed 0: a change of +10 opens by a tenth. Measured: a quarter closed."""
    np.testing.assert_allclose(
        gripper_of(GripperAction(100.0, 0.0, reference), np.array([10.0, 20.0]), 0.25), expected, atol=1e-6
    )


def test_a_gripper_in_another_unit_is_refused_and_a_slight_overshoot_is_not():
    np.testing.assert_allclose(gripper_of(GripperAction(), np.array([-0.2, 1.3]), 0.0), [0.0, 1.0])
    with pytest.raises(SpecError, match=r"gripper is 60 at step 1.*0 is open and 1 is closed"):
        gripper_of(GripperAction(), np.array([0.0, 60.0]), 0.0)


def test_the_order_of_the_groups_is_the_profile_s():
    profile = joint_profile(layout=(Part.GRIPPER, Part.MOTION))
    prediction = to_prediction(profile, np.array([[1.0, 0.1, 0.2]], np.float32), {})
    np.testing.assert_allclose(prediction.actions, [[0.1, 0.2]])
    assert prediction.gripper.tolist() == [1.0]


def test_a_state_in_any_order_and_unit():
    turned = Rotation.from_rotvec([0.0, 0.3, 0.0])
    profile = StateProfile(
        (
            StatePart.GRIPPER,
            StatePart.JOINT_VELOCITIES,
            StatePart.JOINT_POSITIONS,
            StatePart.GRIPPER_POSITION,
            StatePart.GRIPPER_ROTATION_VECTOR,
            StatePart.GRIPPER_QUATERNION,
        ),
        Units(Unit.SHARE, (0.1,), (0.05,)),
        gripper_open=(0.04, -0.04),
        gripper_closed=(0.0, 0.0),
    )
    expected = np.concatenate(
        [[0.03, -0.03], [10, 20, 30], (JOINTS - 0.05) / 0.1, [0.4, -0.1, 0.6], [0, 0.3, 0], turned.as_quat()]
    )
    state = state_of(profile, arrays(turned))
    assert state.dtype == np.float32
    np.testing.assert_allclose(state, expected, atol=1e-5)


def test_the_plain_state_is_the_one_that_is_sent():
    sent = arrays()
    assert np.shares_memory(state_of(load_profile("baton_sim").state, sent), sent["observation.state"])


def test_only_what_is_needed_is_asked_of_the_robot():
    assert sources(load_profile("baton_sim"), state=True) == ("observation.state", "observation.gripper_to_world")
    assert sources(load_profile("droid_joint_velocity"), state=True) == ("observation.state",)
    assert sources(load_profile("libero"), state=True) == ("observation.gripper_to_world", "observation.gripper")
    assert sources(load_profile("so101"), state=False) == ()
    moved = joint_profile(reference=Reference.STEP, layout=(Part.MOTION, Part.GRIPPER))
    moved = replace(moved, action=replace(moved.action, gripper=GripperAction(reference=Reference.STEP)))
    assert sources(moved, state=True) == ("observation.joint_positions", "observation.gripper")
