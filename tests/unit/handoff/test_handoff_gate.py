"""Each check of the gate alone: a command that is valid but for one thing is refused for that thing."""

import dataclasses
import math

import numpy as np
import pytest

from handoff.gate import Gate, GateConfig, Refusal
from robots.errors import ActionRejectedError, RobotDisconnectedError
from robots.fake import FakeRobot
from robots.types import Action, ActionSpace, Command, Holder, Lease, Observation

NOW = 10.0
LEASE = Lease(Holder.SEARCH, 5)
TARGET = np.full(7, 0.01)
ACTION = Action(ActionSpace.JOINT_POSITION, TARGET, gripper=0.5)
VALID = Command(Holder.SEARCH, 5, 3, NOW, ACTION)


def observation(captured_at_s=NOW):
    return Observation(captured_at_s, 1, {}, np.zeros(7), np.zeros(7), 0.0, np.eye(4), {})


@pytest.fixture
def robot():
    robot = FakeRobot(lambda: NOW)
    robot.connect()
    return robot


@pytest.fixture
def gate(robot):
    return Gate(robot, GateConfig())


def action(**changes):
    return dataclasses.replace(VALID, action=dataclasses.replace(ACTION, **changes))


def test_a_valid_command_is_executed_and_what_was_sent_is_returned(gate, robot):
    executed = gate.apply(VALID, LEASE, observation(), NOW)
    assert executed.refusal == ""
    assert executed.sent is robot.sent[-1]
    assert executed.sent.gripper == 0.5
    np.testing.assert_allclose(executed.sent.values, TARGET)
    assert gate.executed_at_s == NOW
    assert not gate.refusals


@pytest.mark.parametrize("gripper", [None, 0.0, 1.0])
def test_every_gripper_target_in_range_is_executed(gate, gripper):
    executed = gate.apply(action(gripper=gripper), LEASE, observation(), NOW)
    assert (executed.refusal, executed.sent.gripper) == ("", gripper)


def test_a_command_of_exactly_the_largest_age_is_executed(robot):
    gate = Gate(robot, GateConfig(search_max_age_s=0.25))
    command = dataclasses.replace(VALID, captured_at_s=NOW - 0.25)
    assert gate.apply(command, LEASE, observation(), NOW).refusal == ""


INVALID = {
    Refusal.NO_COMMAND: None,
    Refusal.NOT_HOLDER: dataclasses.replace(VALID, holder=Holder.VLA),
    Refusal.WRONG_EPOCH: dataclasses.replace(VALID, epoch=4),
    Refusal.FROM_FUTURE: dataclasses.replace(VALID, captured_at_s=NOW + 0.001),
    Refusal.TOO_OLD: dataclasses.replace(VALID, captured_at_s=NOW - 0.31),
    Refusal.WRONG_WIDTH: action(values=np.zeros(6)),
    Refusal.NOT_FINITE: action(values=np.array([0, 0, 0, 0, 0, 0, np.nan])),
    Refusal.GRIPPER_RANGE: action(gripper=1.01),
}


@pytest.mark.parametrize("reason", INVALID)
def test_one_fault_is_one_refusal_and_the_gate_holds(gate, robot, reason):
    executed = gate.apply(INVALID[reason], LEASE, observation(), NOW)
    assert executed.refusal == reason
    assert gate.refusals == {reason: 1}
    assert gate.executed_at_s is None
    np.testing.assert_array_equal(executed.sent.values, np.zeros(7))
    assert executed.sent.gripper is None
    assert robot.sent == [executed.sent]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (dataclasses.replace(VALID, epoch=6), Refusal.WRONG_EPOCH),
        (dataclasses.replace(VALID, captured_at_s=math.nan), Refusal.TOO_OLD),
        (dataclasses.replace(VALID, captured_at_s=-math.inf), Refusal.TOO_OLD),
        (action(values=np.full(7, np.inf)), Refusal.NOT_FINITE),
        (action(values=np.zeros((1, 7))), Refusal.WRONG_WIDTH),
        (action(values=np.zeros(7), space=ActionSpace.CARTESIAN_VELOCITY), Refusal.WRONG_WIDTH),
        (action(values=np.zeros(8), space=ActionSpace.JOINT_VELOCITY), Refusal.WRONG_WIDTH),
        (action(gripper=math.nan), Refusal.GRIPPER_RANGE),
        (action(gripper=-0.01), Refusal.GRIPPER_RANGE),
    ],
)
def test_variants(gate, command, reason):
    assert gate.apply(command, LEASE, observation(), NOW).refusal == reason


@pytest.mark.parametrize("seq", [2, 3])
def test_a_repeated_or_overtaken_command_is_refused(gate, seq):
    gate.apply(VALID, LEASE, observation(), NOW)
    again = dataclasses.replace(VALID, seq=seq)
    assert gate.apply(again, LEASE, observation(), NOW).refusal == Refusal.OLD_SEQUENCE
    newer = dataclasses.replace(VALID, seq=4)
    assert gate.apply(newer, LEASE, observation(), NOW).refusal == ""


def test_sequences_start_anew_with_an_epoch(gate):
    gate.apply(VALID, LEASE, observation(), NOW)
    command = dataclasses.replace(VALID, epoch=6, seq=0)
    assert gate.apply(command, Lease(Holder.SEARCH, 6), observation(), NOW).refusal == ""


@pytest.mark.parametrize("lease", [Lease(Holder.SEARCH, 4), Lease(Holder.VLA, 5)])
def test_a_lease_that_is_older_or_contradicts_is_nobodys(gate, lease):
    gate.apply(VALID, LEASE, observation(), NOW)
    command = dataclasses.replace(VALID, holder=lease.holder, epoch=lease.epoch, seq=9)
    assert gate.apply(command, lease, observation(), NOW).refusal == Refusal.STALE_LEASE


@pytest.mark.parametrize("holder", [Holder.SEARCH, Holder.VLA, Holder.HUMAN])
def test_spaces_are_checked_for_each_holder(robot, holder):
    field = {Holder.SEARCH: "search_spaces", Holder.VLA: "vla_spaces", Holder.HUMAN: "human_spaces"}[holder]
    gate = Gate(robot, GateConfig(**{field: (ActionSpace.JOINT_VELOCITY,)}))
    lease, command = Lease(holder, 5), dataclasses.replace(VALID, holder=holder)
    assert gate.apply(command, lease, observation(), NOW).refusal == Refusal.WRONG_SPACE
    other = dataclasses.replace(action(space=ActionSpace.JOINT_VELOCITY), holder=holder)
    assert gate.apply(other, lease, observation(), NOW).refusal == ""


@pytest.mark.parametrize(("holder", "age_s"), [(Holder.SEARCH, 0.3), (Holder.VLA, 2.0), (Holder.HUMAN, 0.3)])
def test_ages_are_checked_for_each_holder(gate, holder, age_s):
    for seq, (extra_s, refusal) in enumerate([(-0.01, ""), (0.01, Refusal.TOO_OLD)]):
        command = dataclasses.replace(VALID, holder=holder, seq=seq, captured_at_s=NOW - age_s - extra_s)
        assert gate.apply(command, Lease(holder, 5), observation(), NOW).refusal == refusal


def test_the_gate_itself_holds_without_a_refusal_and_lets_nobody_pass(gate, robot):
    lease = Lease(Holder.GATE, 5)
    assert gate.apply(None, lease, observation(), NOW).refusal == ""
    assert not gate.refusals
    assert gate.apply(VALID, lease, observation(), NOW).refusal == Refusal.NOT_HOLDER
    own = dataclasses.replace(VALID, holder=Holder.GATE)
    assert gate.apply(own, lease, observation(), NOW).refusal == Refusal.NOT_HOLDER
    assert all(sent.gripper is None for sent in robot.sent)


def test_holding_never_touches_the_gripper(gate, robot):
    gate.apply(action(gripper=1.0), LEASE, observation(), NOW)
    gate.apply(None, LEASE, observation(), NOW)
    assert robot.get_observation().gripper == 1.0


class StrictRobot(FakeRobot):
    """Rejects everything that the gate lets through, as a robot with tighter checks would."""

    def send_action(self, action):
        if action.gripper is not None:
            raise ActionRejectedError("strict robot: no.")
        return super().send_action(action)


def test_a_rejection_by_the_robot_ends_in_a_hold():
    robot = StrictRobot(lambda: NOW)
    robot.connect()
    gate = Gate(robot, GateConfig())
    executed = gate.apply(VALID, LEASE, observation(), NOW)
    assert executed.refusal == Refusal.ROBOT_REJECTED
    assert gate.executed_at_s is None
    assert gate.apply(VALID, LEASE, observation(), NOW).refusal == Refusal.ROBOT_REJECTED


def test_a_lost_link_is_not_hidden(gate, robot):
    robot.faults.disconnected = True
    with pytest.raises(RobotDisconnectedError):
        gate.apply(VALID, LEASE, observation(), NOW)


def test_the_time_of_the_last_execution_belongs_to_the_lease(gate):
    gate.apply(VALID, LEASE, observation(), NOW)
    gate.apply(None, Lease(Holder.GATE, 6), observation(), NOW)
    assert gate.executed_at_s is None
