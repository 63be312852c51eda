"""`baton doctor` compares a robot's features with a policy's, from config.json alone."""

import json

import pytest

from handoff.commands.doctor_checks.policy_features import Features, check_policy_features

OBSERVED = {"pan.pos": float, "lift.pos": float, "lift.effort": float, "wrist": (6, 8, 3)}
ROBOT = Features.of_robot(OBSERVED, {"pan.pos": float, "lift.pos": float})


def save(folder, inputs, actions=2):
    config = {
        "input_features": {name: {"type": "STATE", "shape": shape} for name, shape in inputs.items()},
        "output_features": {"action": {"type": "ACTION", "shape": [actions]}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


FITS = {"observation.images.wrist": [3, 6, 8], "observation.state": [2]}


def check(folder, **renamed):
    return [finding for finding in check_policy_features(ROBOT, folder, renamed) if not finding.passed]


def test_only_what_rollout_passes_on_counts():
    assert (ROBOT.states, ROBOT.actions, ROBOT.cameras) == (2, 2, {"wrist": (6, 8, 3)})


def test_a_fitting_policy_passes(tmp_path):
    assert not check(save(tmp_path, FITS))


@pytest.mark.parametrize(
    ("inputs", "actions", "detail", "remedy"),
    [
        (FITS | {"observation.images.top": [3, 6, 8]}, 2, "camera 'top'", "--vla.cameras top=CAMERA"),
        (FITS | {"observation.images.wrist": [3, 12, 16]}, 2, "(12, 16, 3)", "Set the camera to 16x12"),
        (FITS | {"observation.state": [7]}, 2, "7 state values, the robot 2", "trained on this robot"),
        (FITS, 6, "6 action values, the robot 2", "trained on this robot"),
        (FITS | {"observation.environment_state": [4]}, 2, "'observation.environment_state'", "joint states only"),
    ],
)
def test_what_does_not_fit_is_named_with_a_remedy(tmp_path, inputs, actions, detail, remedy):
    (found,) = check(save(tmp_path, inputs, actions))
    assert detail in found.detail
    assert remedy in found.remedy


def test_a_camera_of_another_name_can_be_mapped(tmp_path):
    folder = save(tmp_path, {"observation.images.top": [3, 6, 8], "observation.state": [2]})
    assert len(check(folder)) == 1
    assert not check(folder, top="wrist")


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"input_features": {"a": {}}, "output_features": {}}'])
def test_a_damaged_folder_is_one_finding(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    (found,) = check(tmp_path)
    assert "config.json" in found.detail
    assert "--vla.policy_path" in found.remedy
