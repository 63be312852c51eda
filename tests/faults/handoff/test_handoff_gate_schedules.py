"""Randomised schedules against the gate: whatever reaches it, only the owner's fresh commands move the robot.

Two skills answer every lease they are told of, on links that delay, repeat, reorder and drop, and they go on answering
after their lease has ended. A history checker, which shares no code with the gate, reads the log.
"""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.gate import Gate, GateConfig
from robots.types import Action, ActionSpace, Command, Holder, Lease, Observation

TICKS = 40
DT_S = 1.0 / 15.0
CONFIG = GateConfig(search_max_age_s=0.3, vla_max_age_s=0.5)
AGES = {Holder.SEARCH: 0.3, Holder.VLA: 0.5}


class TaggedRobot:
    """Remembers which command moved it: the tag is in the action's values."""

    def __init__(self):
        self.moved = []

    def send_action(self, action):
        self.moved.append(int(action.values[0]))
        return action

    def hold(self):
        self.moved.append(None)
        return Action(ActionSpace.JOINT_POSITION, np.zeros(7))


tick = st.fixed_dictionaries(
    {
        # Who the authority gives the robot to; None keeps the lease.
        "grant": st.sampled_from([None, None, None, None, Holder.GATE, Holder.SEARCH, Holder.VLA]),
        # For both skills: command, and the delays in ticks of its copies; an empty list drops it.
        "delays": st.tuples(*[st.lists(st.integers(0, 12), max_size=3)] * 2),
        # A forger or a confused skill: which field of a command it gets wrong.
        "confusion": st.sampled_from([None, None, "holder", "epoch", "seq", "captured_at_s"]),
        "order": st.randoms(use_true_random=False),
    }
)


def proposals(skill, lease, seq, tag, now, confusion):
    action = Action(ActionSpace.JOINT_POSITION, np.full(7, float(tag)))
    command = Command(skill, lease.epoch, seq, now, action)
    wrong = {"holder": Holder.HUMAN, "epoch": lease.epoch + 1, "seq": 0, "captured_at_s": now + 1.0}
    return dataclasses.replace(command, **{confusion: wrong[confusion]}) if confusion else command


@settings(max_examples=300, deadline=None)
@given(st.lists(tick, min_size=TICKS, max_size=TICKS))
def test_no_command_of_another_than_the_owner_and_no_stale_one_is_ever_executed(schedule):
    robot, log, sent = TaggedRobot(), [], {}
    gate = Gate(robot, CONFIG)
    lease = Lease(Holder.GATE, 0)
    known = {Holder.SEARCH: Lease(Holder.SEARCH, 0), Holder.VLA: Lease(Holder.VLA, 0)}
    in_flight = []
    for index, event in enumerate(schedule):
        now = index * DT_S
        if event["grant"] is not None:
            lease = Lease(event["grant"], lease.epoch + 1)
        if lease.holder in known:
            known[lease.holder] = lease
        for skill, delays in zip(known, event["delays"], strict=True):
            tag = len(sent) + 1
            sent[tag] = proposals(skill, known[skill], index + 1, tag, now, event["confusion"])
            in_flight += [(index + delay, tag) for delay in delays]
        arrived = [tag for due, tag in in_flight if due == index] or [None]
        event["order"].shuffle(arrived)
        for tag in arrived:  # several may arrive in one period; each is offered to the gate
            observation = Observation(now, index, {}, np.zeros(7), np.zeros(7), 0.0, np.eye(4), {})
            gate.apply(sent[tag] if tag else None, lease, observation, now)
            log.append((now, lease, robot.moved[-1]))
    check_history(log, sent)


def check_history(log, sent):
    """Every executed command had the live lease's holder and epoch, was fresh, and came in order."""
    last = {}
    for now, lease, tag in log:
        if tag is None:
            continue
        command = sent[tag]
        assert (command.holder, command.epoch) == (lease.holder, lease.epoch)
        assert lease.holder is not Holder.GATE
        assert 0.0 <= now - command.captured_at_s <= AGES[command.holder]
        assert command.seq > last.get(lease.epoch, -1)
        last[lease.epoch] = command.seq


def test_the_history_checker_can_fail():
    action = Action(ActionSpace.JOINT_POSITION, np.ones(7))
    command = Command(Holder.VLA, 1, 1, 0.0, action)
    for now, lease in [(0.0, Lease(Holder.SEARCH, 1)), (0.0, Lease(Holder.VLA, 2)), (9.0, Lease(Holder.VLA, 1))]:
        try:
            check_history([(now, lease, 1)], {1: command})
        except AssertionError:
            continue
        raise AssertionError("an invalid history passed")
