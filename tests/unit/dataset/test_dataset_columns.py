"""Columns and rows of a dataset, without LeRobot."""

import numpy as np
import pytest

from handoff.dataset.columns import HOLDER_CODES, PHASE_CODES, DatasetLayout, leaking_columns
from handoff.dataset.frames import RowBuilder, Sources, ended
from robots.errors import SpecError, UsageError
from robots.fake import FakeRobot
from robots.types import Action, ActionSpace, Holder, Privileged
from tests.dataset_fakes import JOINTS, layout, step, truth


def rows(count, sources=None, used=None, **options):
    builder = RowBuilder(used or layout(), sources or Sources())
    builder.begin()
    return [builder.row(step(index, **options), 0) for index in range(count)]


def test_state_and_action_name_every_position():
    features = layout().features()
    for name in ("observation.state", "action"):
        assert features[name]["names"] == [f"{joint}.pos" for joint in (*JOINTS, "gripper")]
        assert features[name]["shape"] == (4,)


def test_codes_are_kept_with_the_columns():
    features = layout().features()
    assert features["phase"]["info"]["codes"] == PHASE_CODES
    assert features["holder"]["info"]["codes"] == HOLDER_CODES
    assert len(set(PHASE_CODES.values())) == len(PHASE_CODES)


def test_privileged_values_never_take_a_name_that_a_policy_reads():
    names = list(layout(privileged={"target_position_m": (3,)}).features())
    assert "privileged.target_position_m" in names
    assert leaking_columns(names) == []
    assert leaking_columns(["observation.privileged.mask", "action.privileged", "privileged.x"]) == [
        "observation.privileged.mask",
        "action.privileged",
    ]


def test_a_row_holds_what_was_measured_and_what_was_sent():
    row = rows(3)[2]
    np.testing.assert_allclose(row["observation.state"], [0.2, 0.4, 0.6, 0.25], rtol=1e-6)
    np.testing.assert_allclose(row["action"], [0.3, 0.6, 0.9, 0.75], rtol=1e-6)
    assert row["action"].dtype == np.float32


def test_joint_velocities_become_the_target_they_lead_to():
    sent = Action(ActionSpace.JOINT_VELOCITY, np.array([1.5, 0.0, -1.5]))
    row = rows(2, sent=sent)[1]
    np.testing.assert_allclose(row["action"], [0.2, 0.2, 0.2, 0.25], rtol=1e-5)


def test_the_gripper_target_stays_until_another_is_sent():
    builder = RowBuilder(layout(), Sources())
    builder.begin()
    builder.row(step(0), 0)
    silent = Action(ActionSpace.JOINT_POSITION, np.zeros(3))
    assert builder.row(step(1, sent=silent), 0)["action"][3] == 0.75
    builder.begin()
    assert builder.row(step(0, sent=silent), 0)["action"][3] == 0.25


def test_a_twist_needs_a_source_of_joint_targets():
    sent = Action(ActionSpace.CARTESIAN_VELOCITY, np.zeros(6))
    with pytest.raises(SpecError, match="source of joint targets"):
        rows(1, sent=sent)
    given = rows(1, Sources(joint_target=lambda: np.ones(3)), sent=sent)[0]
    assert given["action"][:3].tolist() == [1.0, 1.0, 1.0]


def test_truth_and_rendered_images_are_those_of_the_observation_not_of_the_moved_robot():
    moved = iter(range(10))
    sources = Sources(privileged=lambda: Privileged({"count": np.array([next(moved)])}))
    used = layout(privileged={"count": (1,)})
    assert [row["privileged.count"].item() for row in rows(3, sources, used)] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("holder", "flag"), [(Holder.HUMAN, True), (Holder.VLA, False)])
def test_a_person_at_the_controls_is_an_intervention(holder, flag):
    row = rows(1, holder=holder)[0]
    assert row["intervention"].item() is flag
    assert row["holder"].item() == HOLDER_CODES[str(holder)]


def test_only_the_last_row_is_done_and_rewarded():
    row = rows(1)[0]
    assert not row["next.done"].item()
    assert ended(row, success=True)["next.reward"].item() == 1.0
    failed = ended(row, success=False)
    assert (failed["next.done"].item(), failed["next.success"].item(), failed["next.reward"].item()) == (True, False, 0)


def test_another_image_size_is_refused():
    with pytest.raises(SpecError, match="the dataset holds"):
        rows(1, px=18)


def test_a_layout_follows_the_robot():
    made = DatasetLayout.of_robot(FakeRobot(lambda: 0.0).description, privileged={"target_position_m": (3,)})
    assert (made.fps, made.cameras, len(made.position_names)) == (15, {"wrist": (84, 84)}, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cameras": {"a.b": (16, 16)}}, "cannot be named"),
        ({"cameras": {"wrist": (17, 16)}}, "even image sizes"),
        ({"fps": 0}, "positive whole frame rate"),
    ],
)
def test_a_layout_that_cannot_be_stored_is_refused(change, message):
    values = {"robot": "fake", "fps": 15, "joint_names": JOINTS, "cameras": {"wrist": (16, 16)}, **change}
    with pytest.raises(UsageError, match=message):
        DatasetLayout(**values)


def test_a_broken_control_rate_is_refused():
    with pytest.raises(UsageError, match="whole frame rates"):
        DatasetLayout.of_robot(FakeRobot(lambda: 0.0, control_hz=12.5).description)


def test_the_truth_of_the_fakes_fits_the_layout():
    used = layout(privileged={"target_position_m": (3,)})
    assert rows(1, Sources(privileged=truth), used)[0]["privileged.target_position_m"].shape == (3,)
