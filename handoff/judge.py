"""Ground truth for evaluation. Only a simulation has a judge; a real robot runs without one."""

from __future__ import annotations

from typing import Protocol

from handoff.interfaces import Step
from handoff.outcome import Outcome
from handoff.phases import Phase, Status
from handoff.records import Verdict
from robots.types import Task

Box = tuple[float, float, float, float]


class Judge(Protocol):
    """Answers about the true state of the world right now. Nothing that controls the robot may hold one."""

    def target_seen(self, box_xyxy_px: Box | None) -> bool:
        """Whether the target is visible in the wrist image and `box_xyxy_px` overlaps its true mask.

        Without a box, whether it is visible at all.
        """
        ...

    def target_held(self) -> bool:
        """Whether the target is lifted at least 5 cm above its resting place and held by the gripper."""
        ...

    def collided(self) -> bool:
        """Whether the last control period had a forbidden contact of the robot."""
        ...

    def oracle_steps(self) -> int | None:
        """Control periods of the shortest search with full knowledge in this layout, or None where it is not known."""
        ...


class JudgingRecorder:
    """A recorder that asks the judge whenever the target is claimed to be found, and at the end.

    With a trigger the claim is its confirmation, not the later grant: a generalist that refuses, as the privileged
    stand-in does without a target, must not hide a false one. Without a trigger it is the grant.
    """

    def __init__(self, judge: Judge, *, triggered: bool = True) -> None:
        """Ask `judge`; a method without a trigger has no box to be right about, only a target in view or not."""
        self._judge = judge
        self._triggered = triggered
        self._handoffs = self._false_handoffs = self._collisions = 0
        self._phase: Phase | None = None
        self._steps_to_find: int | None = None
        self._oracle_steps: int | None = None
        self._completed = False
        self._box: Box | None = None

    def begin(self, task: Task) -> None:
        """Start a new episode."""
        self._handoffs = self._false_handoffs = self._collisions = 0
        self._steps_to_find = self._box = self._phase = None
        self._completed = False
        self._oracle_steps = self._judge.oracle_steps()

    def step(self, step: Step) -> None:
        """Judge the claims and contacts of this control period."""
        self._collisions += self._judge.collided()
        if step.decision.target is not None:
            self._box = step.decision.target.box_xyxy_px
        if not self._claimed(step.status):
            return
        if not self._right():
            self._false_handoffs += 1
        elif self._steps_to_find is None:
            self._steps_to_find = step.index

    def end(self, outcome: Outcome | None) -> None:
        """Judge the grasp."""
        self._completed = self._judge.target_held()

    @property
    def verdict(self) -> Verdict:
        """The finished episode's verdict."""
        return Verdict(
            found=self._steps_to_find is not None,
            steps_to_find=self._steps_to_find,
            false_handoffs=self._false_handoffs,
            completed=self._completed,
            collisions=self._collisions,
            oracle_steps=self._oracle_steps,
        )

    def _claimed(self, status: Status) -> bool:
        """Whether the target was claimed to be found in this control period."""
        confirmed = status.phase is Phase.SETTLE and self._phase is Phase.VERIFY
        granted = status.handoffs > self._handoffs
        self._phase, self._handoffs = status.phase, status.handoffs
        return confirmed if self._triggered else granted

    def _right(self) -> bool:
        if self._triggered and self._box is None:
            return False
        return self._judge.target_seen(self._box if self._triggered else None)
