"""Safety limits hold for every state and every target."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robots.errors import UsageError
from robots.safety import SafetyLimits, limit_joint_target, limit_twist, limit_workspace_velocity

DT_S = 1 / 15
LIMITS = SafetyLimits(
    lower_rad=(-1.0, -2.0),
    upper_rad=(1.0, 0.5),
    velocity_rad_s=(1.5, 2.0),
    acceleration_rad_s2=(10.0, 8.0),
    workspace_min_m=(0.0, -0.5, 0.1),
    workspace_max_m=(0.8, 0.5, 1.0),
)
joint_targets = arrays(np.float64, (40, 2), elements=st.floats(-50.0, 50.0))
vectors = arrays(np.float64, 3, elements=st.floats(-5.0, 5.0))


@settings(deadline=None)
@given(targets=joint_targets)
def test_any_sequence_of_targets_keeps_position_velocity_and_acceleration(targets):
    position, velocity = np.array([0.2, -0.3]), np.zeros(2)
    for target in targets:
        limited = limit_joint_target(LIMITS, position, velocity, target, DT_S)
        new_velocity = (limited - position) / DT_S
        assert (limited >= LIMITS.lower_rad).all()
        assert (limited <= LIMITS.upper_rad).all()
        assert (np.abs(new_velocity) <= np.array(LIMITS.velocity_rad_s) + 1e-9).all()
        assert (np.abs(new_velocity - velocity) <= np.array(LIMITS.acceleration_rad_s2) * DT_S + 1e-9).all()
        position, velocity = limited, new_velocity


def test_a_target_within_all_limits_is_left_alone():
    target = np.array([0.21, -0.32])
    assert np.allclose(limit_joint_target(LIMITS, np.array([0.2, -0.3]), np.zeros(2), target, DT_S), target)


def test_too_fast_a_joint_brakes_at_the_acceleration_limit():
    velocity = np.array([5.0, 0.0])
    limited = limit_joint_target(LIMITS, np.array([-0.9, -0.3]), velocity, np.array([9.0, -0.3]), DT_S)
    assert (limited[0] + 0.9) / DT_S == pytest.approx(5.0 - 10.0 * DT_S)


@given(point=vectors, velocity=vectors)
def test_workspace_velocity_never_leads_further_out(point, velocity):
    low, high = np.array(LIMITS.workspace_min_m), np.array(LIMITS.workspace_max_m)
    after = point + limit_workspace_velocity(LIMITS, point, velocity, DT_S) * DT_S
    assert (after >= np.minimum(point, low) - 1e-9).all()
    assert (after <= np.maximum(point, high) + 1e-9).all()


def test_workspace_leaves_inner_motion_alone():
    velocity = np.array([0.1, -0.2, 0.3])
    assert np.allclose(limit_workspace_velocity(LIMITS, np.array([0.4, 0.0, 0.5]), velocity, DT_S), velocity)


@given(twist=arrays(np.float64, 6, elements=st.floats(-9.0, 9.0)))
def test_twist_is_bounded_and_keeps_its_direction(twist):
    limited = limit_twist(twist, 1.0, 2.0)
    assert np.linalg.norm(limited[:3]) <= 1.0 + 1e-9
    assert np.linalg.norm(limited[3:]) <= 2.0 + 1e-9
    assert limited @ twist >= 0.0
    assert np.linalg.norm(np.outer(limited, twist) - np.outer(twist, limited)) < 1e-6


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("upper_rad", (1.0,), "one value per joint"),
        ("upper_rad", (-3.0, 0.5), "lower joint limit"),
        ("velocity_rad_s", (0.0, 1.0), "positive"),
        ("workspace_max_m", (-1.0, 0.5, 1.0), "workspace"),
    ],
)
def test_impossible_limits_are_refused(field, value, word):
    import dataclasses

    with pytest.raises(UsageError, match=word):
        dataclasses.replace(LIMITS, **{field: value})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["lower_rad", "upper_rad", "velocity_rad_s", "acceleration_rad_s2"])
def test_limits_that_are_not_finite_are_refused(field, bad):
    with pytest.raises(UsageError, match="finite"):
        dataclasses.replace(LIMITS, **{field: (bad, 1.9)})


@settings(deadline=None)
@given(targets=joint_targets, start=st.floats(-1.6, 1.6))
def test_a_joint_outside_its_range_returns_without_a_jump(targets, start):
    position, velocity = np.array([start, 0.0]), np.zeros(2)
    for target in targets:
        limited = limit_joint_target(LIMITS, position, velocity, target, DT_S)
        new_velocity = (limited - position) / DT_S
        assert (np.abs(new_velocity - velocity) <= np.array(LIMITS.acceleration_rad_s2) * DT_S + 1e-9).all()
        assert abs(limited[0]) <= max(1.0, abs(start)) + 1e-9
        position, velocity = limited, new_velocity


def test_speed_scales_velocity_and_acceleration_only():
    slow = LIMITS.scaled(0.2)
    assert slow.velocity_rad_s == pytest.approx((0.3, 0.4))
    assert slow.acceleration_rad_s2 == pytest.approx((2.0, 1.6))
    assert (slow.lower_rad, slow.workspace_max_m) == (LIMITS.lower_rad, LIMITS.workspace_max_m)


@pytest.mark.parametrize("speed", [0.0, -0.2, 1.01, np.nan])
def test_a_speed_outside_its_range_is_refused(speed):
    with pytest.raises(UsageError, match="speed"):
        LIMITS.scaled(speed)
