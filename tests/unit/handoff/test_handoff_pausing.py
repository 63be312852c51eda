"""While the hand is busy nothing counts as evidence, and afterwards the trigger begins anew."""

import math

import numpy as np

from handoff.interfaces import TriggerDecision, TriggerState
from handoff.trigger.pausing import PausingTrigger
from robots.types import Observation, Task

TASK = Task("bookshelf_duck", "duck", "Pick up the duck.")
SEEN = Observation(0.0, 0, {}, np.zeros(7), np.zeros(7), 0.0, np.eye(4), {})


class CountingTrigger:
    """Becomes a candidate after two updates in a row."""

    def __init__(self):
        self.calls = []

    def reset(self, task):
        self.calls.append("reset")

    def verify(self):
        self.calls.append("verify")

    def search(self):
        self.calls.append("search")

    def update(self, frame, observation, now):
        self.calls.append("update")
        state = TriggerState.CANDIDATE if self.calls[-2:] == ["update"] * 2 else TriggerState.ABSENT
        return TriggerDecision(state, 1.0, None, visible=False, fixated=False, frame_age_s=0.0)


def test_paused_means_absent_and_the_evidence_starts_again():
    inner, busy = CountingTrigger(), [False, True, False, False]
    trigger = PausingTrigger(inner, lambda: busy[0])
    states = []
    while busy:
        states.append(trigger.update(None, SEEN, 0.0).state)
        busy.pop(0)
    absent = TriggerState.ABSENT
    assert states == [absent, absent, absent, TriggerState.CANDIDATE]
    assert inner.calls == ["update", "search", "update", "update"]


def test_a_paused_trigger_says_so():
    decision = PausingTrigger(CountingTrigger(), lambda: True).update(None, SEEN, 3.0)
    assert decision.detail == "paused"
    assert decision.frame_age_s == math.inf


def test_stages_pass_through():
    inner = CountingTrigger()
    trigger = PausingTrigger(inner, lambda: False)
    trigger.reset(TASK)
    trigger.verify()
    trigger.search()
    assert inner.calls == ["reset", "verify", "search"]
