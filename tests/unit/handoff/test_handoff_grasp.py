"""The gripper's judgement, the watch on the target, and the arm's rest."""

import numpy as np
import pytest

from handoff.grasp_check import GraspCheck, GraspCheckConfig, GraspState
from handoff.interfaces import TriggerDecision, TriggerState
from handoff.stillness import Stillness
from handoff.visibility import TargetWatch, VisibilityConfig
from robots.types import Detection, DetectionFrame, Observation

DT_S = 0.1


def judge(measured, commanded):
    """Feed one measured gripper and command per period; return the last report."""
    check = GraspCheck(GraspCheckConfig(steady_s=0.3))
    for index, (gripper, command) in enumerate(zip(measured, commanded, strict=True)):
        report = check.update(gripper, command, index * DT_S)
    return report


@pytest.mark.parametrize(
    ("measured", "commanded", "state"),
    [
        ([0.0] * 8, [None] * 8, GraspState.OPEN),
        ([0.5] * 8, [0.5] * 8, GraspState.OPEN),  # half open because told so: nothing is held
        ([0.0, 0.3, 0.6, 0.9, 1.0, 1.0, 1.0, 1.0], [1.0] * 8, GraspState.EMPTY),
        ([0.0, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], [1.0] * 8, GraspState.HELD),
        ([0.0, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], [1.0] + [None] * 7, GraspState.HELD),  # a hold keeps the command
        ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [1.0] * 8, GraspState.MOVING),
        ([0.0] * 8, [1.0] * 8, GraspState.OPEN),  # the gripper is stuck
        ([0.6] * 7 + [0.6], [1.0] * 7 + [0.0], GraspState.OPEN),
    ],
)
def test_the_gripper_is_judged(measured, commanded, state):
    assert judge(measured, commanded).state is state


def test_the_judgement_counts_how_long_it_has_held():
    check = GraspCheck(GraspCheckConfig(steady_s=0.3))
    reports = [check.update(0.6, 1.0, index * DT_S) for index in range(11)]
    assert reports[-1].state is GraspState.HELD
    assert reports[-1].steady_s == pytest.approx(0.7)
    check.reset()
    assert check.update(0.6, None, 2.0).state is GraspState.OPEN


def decision(target=None, age_s=0.0):
    return TriggerDecision(TriggerState.CONFIRMED, 0.0, target, target is not None, True, age_s)


FRAME = DetectionFrame(1, 0.0, "wrist", 100, 100)
FAR = Detection((40.0, 40.0, 50.0, 50.0), 0.9, "x")
NEAR = Detection((20.0, 20.0, 80.0, 80.0), 0.9, "x")


def test_a_target_that_vanishes_from_afar_is_missing():
    watch = TargetWatch(VisibilityConfig())
    assert not watch.update(decision(FAR), FRAME, 0.0)
    assert watch.update(decision(), FRAME, 0.0)


@pytest.mark.parametrize(
    ("last", "gripper", "age_s"),
    [(NEAR, 0.0, 0.0), (FAR, 0.5, 0.0), (FAR, 0.0, 0.6)],
    ids=["between the fingers", "gripper closes", "no fresh frame"],
)
def test_a_plausible_reason_is_not_missing(last, gripper, age_s):
    watch = TargetWatch(VisibilityConfig())
    watch.update(decision(last), FRAME, 0.0)
    assert not watch.update(decision(age_s=age_s), FRAME, gripper)


def test_without_any_frame_nothing_is_missing():
    assert not TargetWatch(VisibilityConfig()).update(decision(), None, 0.0)


def observation(*speeds):
    return Observation(0.0, 1, {}, np.zeros(7), np.array(speeds), 0.0, np.eye(4), {})


def test_rest_begins_when_every_joint_is_slow_and_ends_with_one_fast_joint():
    stillness = Stillness(0.05)
    assert stillness.update(observation(0.0, 0.2), 0.0) == 0.0
    assert stillness.update(observation(0.0, -0.04), 1.0) == 0.0
    assert stillness.update(observation(0.0, 0.0), 1.5) == 0.5
    assert stillness.update(observation(0.0, -0.06), 2.0) == 0.0
    assert stillness.update(observation(0.0, np.nan), 2.5) == 0.0
    assert stillness.update(observation(0.0, 0.0), 3.0) == 0.0
