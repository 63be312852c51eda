import dataclasses
import math

import numpy as np
import pytest

from handoff.retreat import RetreatConfig, RetreatSkill, TracedSkill
from robots.fake import FakeRobot
from robots.types import Action, ActionSpace, Command, Holder, Lease, SkillHealth, SkillState, Task

TASK = Task("bookshelf", "pineapple", "pick up the pineapple")
DT_S = 1.0 / 15.0
GRASP, RETREAT = Lease(Holder.VLA, 4), Lease(Holder.SEARCH, 6)


class Wave:
    """Proposes a curved joint path with the gripper closing."""

    def __init__(self):
        self.calls, self.seq = [], 0

    def reset(self, task):
        self.calls.append("reset")

    def prepare(self, observation, lease):
        self.calls.append("prepare")
        return True

    def health(self):
        return SkillHealth(SkillState.READY, "wave")

    def propose(self, observation, frame, lease):
        self.seq += 1
        phase = self.seq * DT_S
        values = np.array([0.4 * phase, 0.3 * math.sin(2.0 * phase), 0, 0, 0, 0, 0])
        action = Action(ActionSpace.JOINT_POSITION, values, gripper=1.0)
        return Command(lease.holder, lease.epoch, self.seq, observation.captured_at_s, action)


class Bench:
    """A robot, a clock, and one skill at a time."""

    def __init__(self, **config):
        self.now = 0.0
        self.robot = FakeRobot(lambda: self.now)
        self.robot.connect()
        self.traced = TracedSkill(Wave())
        self.skill = RetreatSkill(self.traced, RetreatConfig(**config))
        self.joints = []

    def drive(self, skill, lease, periods):
        for _ in range(periods):
            observation = self.robot.get_observation()
            self.joints.append(observation.joint_positions_rad)
            command = skill.propose(observation, None, lease)
            self.robot.hold() if command is None else self.robot.send_action(command.action)
            self.now += DT_S


def test_the_traced_skill_is_the_wrapped_one_in_all_else():
    bench = Bench()
    observation = bench.robot.get_observation()
    assert bench.traced.prepare(observation, GRASP)
    assert bench.traced.health() == SkillHealth(SkillState.READY, "wave")
    assert bench.traced.path == ()
    assert bench.traced.propose(observation, None, GRASP).seq == 1
    bench.traced.reset(TASK)
    assert bench.traced.path == ()
    assert bench.traced._skill.calls == ["prepare", "reset"]


def test_the_way_back_is_the_way_in():
    bench = Bench()
    bench.drive(bench.traced, GRASP, 40)
    way_in = np.array(bench.joints)
    bench.joints.clear()
    bench.drive(bench.skill, RETREAT, 80)
    assert bench.skill.health().state is SkillState.DONE
    assert np.abs(bench.joints[-1] - way_in[0]).max() <= RetreatConfig().reached_rad
    # Every point of the way back lies near some point of the way in.
    distances = np.abs(np.array(bench.joints)[:, None] - way_in[None]).max(axis=2).min(axis=1)
    assert distances.max() <= 0.05
    assert bench.robot.get_observation().gripper == 0.0


def test_the_gripper_opens_before_the_arm_moves():
    bench = Bench()
    bench.drive(bench.traced, GRASP, 30)
    bench.drive(bench.traced, GRASP, 0)
    start = bench.robot.get_observation().joint_positions_rad
    command = bench.skill.propose(bench.robot.get_observation(), None, RETREAT)
    np.testing.assert_array_equal(command.action.values, start)
    assert command.action.gripper == 0.0


def test_a_stuck_gripper_delays_the_way_back_but_does_not_prevent_it():
    bench = Bench(gripper_timeout_s=0.5)
    bench.drive(bench.traced, GRASP, 30)
    bench.robot.faults.stuck_gripper = True
    bench.drive(bench.skill, RETREAT, 8)
    assert np.ptp(bench.joints[-6:], axis=0).max() < 1e-9
    bench.drive(bench.skill, RETREAT, 80)
    assert bench.skill.health().state is SkillState.DONE


def test_commands_are_bounded_steps_with_rising_sequence_under_the_lease():
    bench = Bench(max_step_rad=0.02)
    bench.drive(bench.traced, GRASP, 30)
    seqs = []
    for _ in range(30):
        observation = bench.robot.get_observation()
        command = bench.skill.propose(observation, None, RETREAT)
        assert (command.holder, command.epoch) == (Holder.SEARCH, 6)
        assert np.abs(command.action.values - observation.joint_positions_rad).max() <= 0.02 + 1e-12
        seqs.append(command.seq)
        bench.robot.send_action(command.action)
        bench.now += DT_S
    assert seqs == sorted(set(seqs))


def test_only_the_newest_grasp_is_driven_back():
    bench = Bench()
    bench.drive(bench.traced, GRASP, 20)
    middle = bench.robot.get_observation().joint_positions_rad
    bench.drive(bench.traced, dataclasses.replace(GRASP, epoch=8), 20)
    np.testing.assert_array_equal(bench.traced.path[0], middle)
    bench.drive(bench.skill, Lease(Holder.SEARCH, 10), 80)
    assert np.abs(bench.joints[-1] - middle).max() <= 0.03


@pytest.mark.parametrize("prepared", [True, False])
def test_without_a_path_there_is_nothing_to_do(prepared):
    bench = Bench()
    if prepared:
        assert bench.skill.prepare(bench.robot.get_observation(), RETREAT)
    bench.drive(bench.skill, RETREAT, 1)
    assert bench.skill.health().state is SkillState.DONE
    bench.skill.reset(TASK)
    assert bench.skill.health().state is SkillState.READY


def test_a_standing_arm_adds_nothing_to_the_path():
    bench = Bench()
    observation = bench.robot.get_observation()
    for _ in range(10):
        bench.traced.propose(observation, None, GRASP)
    assert len(bench.traced.path) == 1
