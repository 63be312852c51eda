"""Profiles: what is read, what is refused, and the way there and back of every unit."""

import math

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from robots.errors import SpecError, UsageError
from robots.real.profile import SHIPPED, GripperProfile, JointProfile, Pose, Profile, Unit, load_profile
from tests.robot_doubles import JOINTS, profile, profile_values


def written(tmp_path, values):
    path = tmp_path / "arm.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_profile_reads_and_has_limits_around_its_home(path):
    shipped = load_profile(path)
    limits = shipped.require_limits()
    assert shipped == load_profile(type(path)(path.stem))
    assert (np.array(limits.lower_rad) < shipped.home_rad).all()
    assert (np.array(limits.upper_rad) > shipped.home_rad).all()


@given(
    angle=st.floats(-3.0, 3.0),
    sign=st.sampled_from([1, -1]),
    offset=st.floats(-1.0, 1.0),
    unit=st.sampled_from(list(Unit)),
)
def test_every_unit_leads_there_and_back(angle, sign, offset, unit):
    span = (-1.2, 2.0) if unit is Unit.NORMALIZED else None
    joint = JointProfile("a", "a.pos", unit, sign, offset, span)
    assert joint.to_rad(joint.from_rad(angle)) == pytest.approx(angle, abs=1e-9)


def test_units_mean_what_they_say():
    assert JointProfile("a", "a", Unit.DEGREES, sign=-1, offset_rad=0.1).to_rad(90.0) == pytest.approx(
        0.1 - math.pi / 2
    )
    normal = JointProfile("a", "a", Unit.NORMALIZED, range_rad=(-1.0, 2.0))
    assert [normal.to_rad(value) for value in (-100.0, 0.0, 100.0)] == pytest.approx([-1.0, 0.5, 2.0])


@given(st.floats(0.0, 1.0))
def test_the_gripper_leads_there_and_back(value):
    gripper = GripperProfile("g", open=100.0, closed=3.0)
    assert gripper.to_ours(gripper.from_ours(value)) == pytest.approx(value, abs=1e-9)
    assert gripper.from_ours(0.0) == 100.0
    assert gripper.to_ours(120.0) == 0.0


def test_a_pose_turns_and_shifts():
    half = math.sqrt(0.5)
    pose = Pose((1.0, 2.0, 3.0), (2 * half, 0.0, 0.0, 2 * half)).matrix()
    assert pose @ [1.0, 0.0, 0.0, 1.0] == pytest.approx([1.0, 3.0, 3.0, 1.0])


def test_a_profile_without_limits_says_how_to_add_them():
    with pytest.raises(UsageError, match=r"no safety limits.*lower_rad.*workspace_max_m"):
        profile(limits=None).require_limits()


BAD = {
    "speling": ({"jionts": []}, "unknown field 'jionts'.*Did you mean 'joints'"),
    "missing gripper": ({"gripper": None}, "missing fields: gripper"),
    "not finite": ({"control_hz": float("nan")}, "control_hz: expected a finite number"),
    "no rate": ({"control_hz": 0.0}, "control_hz"),
    "driver": ({"driver": "ros"}, "one of lerobot, franka"),
    "home too short": ({"home_rad": [0.0] * 4}, "home_rad: 4 values for 5 joints"),
    "limits too short": (
        {"limits": profile_values()["limits"] | {k: [1.0] * 3 for k in ("upper_rad", "velocity_rad_s")}},
        "one value per joint",
    ),
    "key twice": ({"gripper": {"key": "pan.pos", "open": 1.0, "closed": 0.0}}, "every name and key"),
    "gripper flat": ({"gripper": {"key": "g", "open": 1.0, "closed": 1.0}}, "open and closed must differ"),
    "model without frame": ({"model": {"file": "x.xml", "joints": list(JOINTS)}}, "either the gripper's site"),
    "sign": ({"joints": [{"name": "a", "key": "a", "sign": 2}]}, "sign must be 1 or -1"),
    "range": ({"joints": [{"name": "a", "key": "a", "unit": "normalized"}]}, "range_rad belongs"),
    "camera": (
        {"cameras": {"wrist": {"key": "w", "width_px": 0, "height_px": 1, "focal_px": 1.0}}},
        "must be positive",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_sentence_that_names_it(name, tmp_path):
    changes, words = BAD[name]
    with pytest.raises(SpecError, match=words) as caught:
        load_profile(written(tmp_path, profile_values(**changes)))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_profiles(tmp_path):
    with pytest.raises(UsageError, match="Did you mean 'so101_follower'"):
        load_profile(type(tmp_path)("so101_folower"))
    with pytest.raises(UsageError, match="Cannot read"):
        load_profile(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1,")
    with pytest.raises(UsageError, match="not valid YAML"):
        load_profile(tmp_path / "bad.yaml")


def test_a_model_file_is_found_beside_the_profile(tmp_path):
    path = written(tmp_path, profile_values(model={"file": "arm.xml", "joints": list(JOINTS), "site": "tip"}))
    found = load_profile(path)
    assert isinstance(found, Profile)
    assert found.model.file == str(tmp_path / "arm.xml")
