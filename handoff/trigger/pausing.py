"""A trigger that sees nothing while something else keeps the hand busy. Same interface out."""

from __future__ import annotations

import math
from collections.abc import Callable

from handoff.interfaces import Trigger, TriggerDecision, TriggerState
from robots.types import DetectionFrame, Observation, Task


class PausingTrigger:
    """Wraps a trigger: while `paused()`, no evidence counts, and afterwards it begins anew.

    A hand that pulls a drawer must not let go of it to look at what came into view.

    Args:
        trigger: The wrapped trigger.
        paused: Whether to see nothing now.
    """

    def __init__(self, trigger: Trigger, paused: Callable[[], bool]) -> None:
        self._trigger = trigger
        self._paused = paused
        self._was_paused = False

    def reset(self, task: Task) -> None:
        """Forget all evidence."""
        self._was_paused = False
        self._trigger.reset(task)

    def verify(self) -> None:
        """Begin the second stage."""
        self._trigger.verify()

    def search(self) -> None:
        """Go back to the first stage."""
        self._trigger.search()

    def update(self, frame: DetectionFrame | None, observation: Observation, now: float) -> TriggerDecision:
        """Return the wrapped trigger's decision, or ABSENT while paused."""
        if self._paused():
            self._was_paused = True
            age_s = math.inf if frame is None else now - frame.captured_at_s
            return TriggerDecision(
                TriggerState.ABSENT, 0.0, None, visible=False, fixated=False, frame_age_s=age_s, detail="paused"
            )
        if self._was_paused:
            self._was_paused = False
            self._trigger.search()
        return self._trigger.update(frame, observation, now)
