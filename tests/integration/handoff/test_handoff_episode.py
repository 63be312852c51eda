"""Whole episodes on the fake robot in simulated time: the real authority, gate, trigger, retreat and loop."""

import dataclasses

import numpy as np
import pytest

from handoff.authority import AuthorityConfig
from handoff.clock import SimulatedClock
from handoff.controller import ControllerConfig, run_episode
from handoff.phases import Phase, StopReason
from handoff.retreat import RetreatSkill, TracedSkill
from handoff.trigger import SequentialTrigger
from robots.errors import UsageError
from robots.fake import FakeRobot
from robots.types import (
    Action,
    ActionSpace,
    Command,
    Detection,
    DetectionFrame,
    Holder,
    SkillHealth,
    SkillState,
    Task,
)

TASK = Task("bookshelf", "pineapple", "pick up the pineapple")
DT_S = 1.0 / 15.0
TARGET_RAD = 0.5
READY = SkillHealth(SkillState.READY)
CONFIG = ControllerConfig(authority=AuthorityConfig(hold_timeout_s=4.0, no_progress_s=5.0, held_s=3.0))


class FakeSkill:
    """A skill that records what it is asked. Subclasses say where to move."""

    def __init__(self):
        self.resets = 0
        self.state = READY
        self.seq = 0
        self.leases = []

    def reset(self, task):
        self.resets += 1

    def prepare(self, observation, lease):
        return self.state.state is not SkillState.FAILED

    def health(self):
        return self.state

    def command(self, observation, lease, target, gripper=None):
        self.seq += 1
        self.leases.append(lease)
        action = Action(ActionSpace.JOINT_POSITION, target, gripper)
        return Command(lease.holder, lease.epoch, self.seq, observation.captured_at_s, action)


class Sweep(FakeSkill):
    """Turns the first joint to and fro between the ends of the shelf, then has nothing left."""

    def __init__(self, passes=4):
        super().__init__()
        self.ends_rad = [1.2, -0.2] * (passes // 2)

    def propose(self, observation, frame, lease):
        joints = observation.joint_positions_rad
        if self.ends_rad and abs(joints[0] - self.ends_rad[0]) < 0.05:
            self.ends_rad.pop(0)
        if not self.ends_rad:
            self.state = SkillHealth(SkillState.EXHAUSTED, "end of the shelf")
            return None
        step = np.eye(7)[0] * np.sign(self.ends_rad[0] - joints[0]) * 0.4 * DT_S
        return self.command(observation, lease, joints + step)


class Centre(FakeSkill):
    """Turns until the target is in the middle of the image."""

    def propose(self, observation, frame, lease):
        if frame is None or frame.best is None:
            return None
        off_rad = frame.best.center_px[0] / frame.width_px - 0.5
        step = np.eye(7)[0] * float(np.clip(-off_rad, -0.02, 0.02))
        return self.command(observation, lease, observation.joint_positions_rad + step)


class Grasp(FakeSkill):
    """Reaches with the second joint, closes the gripper, reports done."""

    def __init__(self):
        super().__init__()
        self.dies_after = None
        self.recovers = True
        self.reports_done = True

    def prepare(self, observation, lease):
        if self.recovers and self.state.state is SkillState.FAILED:
            self.dies_after = None
        self.state, self.count = (READY, 0) if self.dies_after is None else (self.state, 0)
        return super().prepare(observation, lease)

    def propose(self, observation, frame, lease):
        self.count += 1
        if self.dies_after is not None and self.count > self.dies_after:
            self.state = SkillHealth(SkillState.FAILED, "link lost")
            return None
        joints = observation.joint_positions_rad
        if joints[1] < 0.4:
            return self.command(observation, lease, joints + np.eye(7)[1] * 0.03, 0.0)
        if self.count > 60 and self.reports_done:
            self.state = SkillHealth(SkillState.DONE)
        return self.command(observation, lease, joints, 1.0)


class Spotter:
    """A detector that knows where the target is: its box slides through the image as the first joint turns."""

    def __init__(self):
        self.absent = self.stuck = False
        self.hidden = False
        self.frame = None

    def reset(self, task):
        self.frame = None

    def submit(self, observation):
        if self.stuck:
            return
        u = 42.0 + 84.0 * (observation.joint_positions_rad[0] - TARGET_RAD)
        seen = 12.0 < u < 72.0 and not self.absent and not self.hidden
        box = Detection((u - 10.0, 32.0, u + 10.0, 52.0), 0.95, "pineapple")
        self.frame = DetectionFrame(
            observation.capture_id, observation.captured_at_s, "wrist", 84, 84, (box,) if seen else ()
        )

    def latest(self):
        return self.frame


class Notes:
    """A recorder that keeps everything, and runs a script: a callable per step may inject a fault."""

    def __init__(self):
        self.steps, self.ended, self.begun = [], [], 0
        self.script = lambda step: None

    def begin(self, task):
        self.begun += 1

    def step(self, step):
        self.steps.append(step)
        self.script(step)

    def end(self, outcome):
        self.ended.append(outcome)

    @property
    def phases(self):
        return [step.status.phase for step in self.steps if step.cause]

    def of(self, phase):
        return [step for step in self.steps if step.status.phase is phase]


class House:
    """All parts, ready to run one episode."""

    def __init__(self, config=CONFIG, held_gripper=0.6):
        self.config = config
        self.clock = SimulatedClock(100.0)
        self.robot = FakeRobot(self.clock.now, held_gripper=held_gripper)
        self.search, self.verify, self.vla = Sweep(), Centre(), Grasp()
        traced = TracedSkill(self.vla)
        self.skills = {
            Phase.SEARCH: self.search,
            Phase.VERIFY: self.verify,
            Phase.GRASP: traced,
            Phase.RETREAT: RetreatSkill(traced, config.retreat),
        }
        self.detector, self.notes = Spotter(), Notes()
        self.trigger = SequentialTrigger(config.trigger, self.robot.description.cameras)
        self.interrupted = lambda: False

    def _asked(self):
        return self.interrupted()

    def run(self, **kwargs):
        self.outcome = run_episode(
            self.robot,
            self.skills,
            self.detector,
            self.trigger,
            self.notes,
            self.config,
            task=TASK,
            clock=self.clock,
            interrupted=self._asked,
            **kwargs,
        )
        return self.outcome


def with_authority(**changes):
    return dataclasses.replace(CONFIG, authority=dataclasses.replace(CONFIG.authority, **changes))


def test_search_to_a_held_target():
    house = House()
    outcome = house.run()
    assert outcome.stop_reason is StopReason.COMPLETED
    assert house.notes.phases == [
        Phase.SEARCH,
        Phase.VERIFY,
        Phase.SETTLE,
        Phase.PREFETCH,
        Phase.GRASP,
        Phase.CHECK,
        Phase.DONE,
    ]
    assert (outcome.handoffs, outcome.grasp_failures) == (1, 0)
    assert outcome.steps == len(house.notes.steps)
    assert house.notes.steps[outcome.steps_to_handoff].status.phase is Phase.GRASP
    assert house.notes.steps[outcome.steps_to_handoff - 1].status.phase is Phase.PREFETCH
    assert 0.0 < outcome.handoff_latency_s[0] < 1.0
    assert outcome.duration_s == pytest.approx((outcome.steps - 1) * DT_S)
    assert outcome.detail.startswith("grasp_held")
    assert house.notes.ended == [outcome]
    assert not house.robot.connected


def test_the_handoff_happens_at_rest_and_centred():
    house = House()
    outcome = house.run()
    step = house.notes.steps[outcome.steps_to_handoff]
    assert np.abs(step.observation.joint_velocities_rad_s).max() < CONFIG.rest_speed_rad_s
    assert abs(step.observation.joint_positions_rad[0] - TARGET_RAD) < 0.2


def test_every_command_was_made_under_the_lease_it_was_executed_under():
    house = House()
    house.run()
    epochs = [step.status.lease.epoch for step in house.notes.steps]
    assert epochs == sorted(epochs)
    assert {lease.holder for lease in house.vla.leases} == {Holder.VLA}
    assert {lease.holder for lease in house.search.leases} == {Holder.SEARCH}


def test_without_a_target_everything_is_searched_once():
    house = House()
    house.detector.absent = True
    outcome = house.run()
    assert outcome.stop_reason is StopReason.SEARCHED_EVERYWHERE
    assert "end of the shelf" in outcome.detail
    assert (outcome.handoffs, outcome.steps_to_handoff, outcome.handoff_latency_s) == (0, None, ())


def test_a_dead_generalist_means_hold_within_two_periods_and_then_a_new_search():
    house = House()
    house.vla.dies_after = 8
    outcome = house.run()
    steps = house.notes.steps
    grasp = [step for step in steps if step.status.lease == house.vla.leases[7]]
    last = grasp[-1].index
    executed = [not step.refusal for step in grasp]
    assert executed == [True] * 8 + [False] * (len(grasp) - 8)
    assert np.abs(steps[grasp[0].index + 10].observation.joint_velocities_rad_s).max() < 1e-6
    assert steps[last + 1].cause.startswith("vla_failed: link lost")
    assert house.notes.phases.count(Phase.SEARCH) == 2
    assert outcome.stop_reason is StopReason.COMPLETED
    assert (outcome.handoffs, outcome.grasp_failures) == (2, 1)
    assert outcome.refusals["no_command"] >= 2


def test_a_generalist_that_stays_dead_ends_the_episode():
    house = House()
    house.vla.dies_after, house.vla.recovers = 8, False
    outcome = house.run()
    assert outcome.stop_reason is StopReason.SKILL_FAULT
    assert outcome.detail.startswith("prefetch_attempts_used")


def test_a_silent_generalist_loses_the_robot():
    house = House()
    house.vla.propose = lambda observation, frame, lease: None
    house.run()
    causes = [step.cause for step in house.notes.steps if step.status.phase is Phase.CHECK and step.cause]
    assert causes[0].startswith("vla_silent")


def test_an_empty_gripper_is_tried_again_until_the_attempts_are_used():
    house = House(held_gripper=1.0)
    outcome = house.run()
    assert outcome.stop_reason is StopReason.GRASP_ATTEMPTS_USED
    assert (outcome.handoffs, outcome.grasp_failures) == (3, 3)
    retreats = house.notes.of(Phase.RETREAT)
    assert retreats[-1].observation.joint_positions_rad[1] < 0.05
    assert house.notes.steps[-1].observation.gripper == 0.0


def test_a_generalist_without_a_done_signal_ends_with_a_held_object():
    house = House()
    house.vla.reports_done = False
    outcome = house.run()
    assert outcome.stop_reason is StopReason.COMPLETED
    assert house.notes.of(Phase.CHECK)[0].cause.startswith("object_held")


def test_a_target_that_is_lost_from_afar_ends_the_grasp():
    house = House()
    house.vla.propose = lambda observation, frame, lease: FakeSkill.command(
        house.vla, observation, lease, observation.joint_positions_rad + np.eye(7)[2] * 0.01
    )

    def hide(step):
        house.detector.hidden = step.status.phase is Phase.GRASP

    house.notes.script = hide
    house.run()
    check = house.notes.of(Phase.CHECK)[0]
    assert check.cause.startswith("target_lost: 6.")
    assert house.notes.phases.count(Phase.SEARCH) >= 2


def test_a_frozen_detector_stops_the_search_and_a_living_one_resumes_it():
    house = House()

    def freeze(step):
        house.detector.stuck = 20 <= step.index < 75

    house.notes.script = freeze
    outcome = house.run()
    holds = house.notes.of(Phase.HOLD)
    assert any(step.cause.startswith("detector_stale") for step in holds)
    assert outcome.stop_reason is StopReason.COMPLETED


def test_a_detector_that_stays_frozen_ends_the_episode():
    house = House()
    house.notes.script = lambda step: setattr(house.detector, "stuck", step.index > 20)
    outcome = house.run()
    assert outcome.stop_reason is StopReason.SKILL_FAULT
    assert house.notes.steps[-1].status.phase is Phase.FAULT_HOLD


def test_a_failed_search_skill_is_given_time_and_then_ends_the_episode():
    house = House()
    house.search.propose = lambda observation, frame, lease: None
    house.notes.script = lambda step: setattr(
        house.search, "state", SkillHealth(SkillState.FAILED, "no plan") if step.index > 20 else READY
    )
    outcome = house.run()
    assert outcome.stop_reason is StopReason.SKILL_FAULT
    assert any(step.cause.startswith("search_failed: no plan") for step in house.notes.steps)


@pytest.mark.parametrize("phase", [Phase.SEARCH, Phase.VERIFY, Phase.PREFETCH, Phase.GRASP, Phase.CHECK])
def test_an_interrupt_ends_every_phase_at_once(phase):
    house = House()
    house.interrupted = lambda: bool(house.notes.steps) and house.notes.steps[-1].status.phase is phase
    outcome = house.run()
    assert outcome.stop_reason is StopReason.INTERRUPTED
    assert house.notes.steps[-2].status.phase is phase
    assert house.notes.steps[-1].status.lease.holder is Holder.GATE


@pytest.mark.parametrize("phase", [Phase.SEARCH, Phase.GRASP])
def test_a_lost_robot_is_an_outcome(phase):
    house = House()
    house.notes.script = lambda step: setattr(
        house.robot.faults, "disconnected", house.robot.faults.disconnected or step.status.phase is phase
    )
    outcome = house.run()
    assert outcome.stop_reason is StopReason.ROBOT_FAULT
    assert "link is closed" in outcome.detail
    assert outcome.grasp_failures == (phase is Phase.GRASP)
    assert house.notes.ended == [outcome]
    assert not house.robot.connected


def test_a_frozen_camera_stops_the_arm_and_then_the_episode():
    house = House()
    house.notes.script = lambda step: setattr(house.robot.faults, "frozen_camera", step.index > 20)
    outcome = house.run()
    assert outcome.stop_reason is StopReason.ROBOT_FAULT
    assert outcome.detail.startswith("observation_stale")
    assert outcome.refusals["too_old"] >= 10


def test_the_generalist_alone_needs_no_search_and_no_detector():
    house = House(with_authority(search=False))
    house.detector.stuck = True
    for phase in (Phase.SEARCH, Phase.VERIFY):
        del house.skills[phase]
    outcome = house.run()
    assert outcome.stop_reason is StopReason.COMPLETED
    assert house.notes.phases == [Phase.SETTLE, Phase.PREFETCH, Phase.GRASP, Phase.CHECK, Phase.DONE]


def test_the_generalist_alone_retries_from_where_it_started():
    house = House(with_authority(search=False), held_gripper=1.0)
    outcome = house.run()
    assert outcome.stop_reason is StopReason.GRASP_ATTEMPTS_USED
    assert house.notes.phases.count(Phase.RETREAT) == 3


def test_the_episode_ends_in_time():
    house = House(with_authority(episode_timeout_s=3.0))
    outcome = house.run()
    assert outcome.stop_reason is StopReason.EPISODE_TIMEOUT
    assert outcome.duration_s == pytest.approx(3.0, abs=DT_S)


def test_a_skill_that_serves_two_phases_is_reset_once():
    house = House()
    house.skills[Phase.VERIFY] = house.search
    house.detector.absent = True
    house.run()
    assert house.search.resets == 1


def test_first_epoch_continues_the_count():
    house = House()
    house.run(first_epoch=500)
    assert house.notes.steps[0].status.lease.epoch >= 500


class CrashError(Exception):
    """A defect somewhere in a part."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, CrashError])
def test_the_robot_stops_and_the_record_closes_whatever_happens(error):
    house = House()

    def crash(step):
        if step.index == 20:
            raise error

    house.notes.script = crash
    with pytest.raises(error):
        house.run()
    assert not house.robot.connected
    assert house.notes.ended == [None]


def test_a_wrong_control_rate_is_refused_before_anything_moves():
    house = House(dataclasses.replace(CONFIG, control_hz=30.0))
    with pytest.raises(UsageError, match="30"):
        house.run()
    assert not house.robot.sent
    assert house.notes.ended == [None]


def test_two_runs_are_the_same():
    def trace():
        house = House()
        house.run()
        return [(step.status, step.cause, step.sent.values.tolist()) for step in house.notes.steps]

    assert trace() == trace()
