"""Which action of a chunk is due now. Pure: the caller passes in the loop's time.

Action i of a chunk is meant for the time `origin + i * dt`, where the origin is the capture of its observation. What is
already past when the answer arrives is skipped, not executed late; what lies behind the chunk's end is never executed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.types import Action
from vla_bridge.messages import Chunk, GripperConvention, PolicySchema


@dataclass(frozen=True, slots=True, eq=False)
class DueAction:
    """The action for one control period, and the capture time of the observation behind it [s]."""

    action: Action
    captured_at_s: float


class ChunkQueue:
    """Holds at most one chunk, of the current epoch; a newer observation's chunk replaces an older one's.

    Args:
        schema: What the policy gives.
        max_age_s: A chunk whose observation is older than this when it arrives is refused [s].
    """

    def __init__(self, schema: PolicySchema, *, max_age_s: float) -> None:
        self._schema = schema
        self._max_age_s = max_age_s
        self._epoch: int | None = None
        self._chunk: Chunk | None = None
        self._origin_s = 0.0

    def flush(self, epoch: int | None) -> None:
        """Drop everything and accept only chunks of `epoch` from now on; none at all for None."""
        self._epoch = epoch
        self._chunk = None

    def accept(self, chunk: Chunk, now: float) -> str:
        """Take in `chunk`. Returns why it was refused, or an empty string."""
        reason = self._problem(chunk, now)
        if not reason:
            self._chunk, self._origin_s = chunk, chunk.captured_at_s
        return reason

    def anchor(self, now: float) -> None:
        """Let the held chunk begin now, or drop it when it is too old for that.

        Only right while the robot has kept its pose since the chunk's observation.
        """
        if self.fresh(now):
            self._origin_s = now
        else:
            self._chunk = None

    def fresh(self, now: float) -> bool:
        """Whether a chunk is held whose observation is at most `max_age_s` old."""
        return self._chunk is not None and now - self._chunk.captured_at_s <= self._max_age_s

    def due(self, now: float) -> DueAction | None:
        """Return the action meant for the time nearest to `now`, or None when there is none."""
        if self._chunk is None or not 0 <= (index := self._index(now)) < len(self._chunk.actions):
            return None
        gripper = None if self._chunk.gripper is None else float(self._chunk.gripper[index])
        action = Action(self._chunk.action_space, self._chunk.actions[index], gripper)
        return DueAction(action, self._chunk.captured_at_s)

    def remaining(self, now: float) -> int:
        """Return how many actions are left, the one due now included."""
        if self._chunk is None:
            return 0
        return max(len(self._chunk.actions) - max(self._index(now), 0), 0)

    @property
    def horizon(self) -> int:
        """Number of actions in a chunk, k."""
        return self._schema.horizon

    @property
    def captured_at_s(self) -> float:
        """Capture time of the held chunk's observation, minus infinity without one [s]."""
        return float("-inf") if self._chunk is None else self._chunk.captured_at_s

    def _index(self, now: float) -> int:
        assert self._chunk is not None
        return round((now - self._origin_s) / self._chunk.dt_s)

    def _problem(self, chunk: Chunk, now: float) -> str:
        schema = self._schema
        if chunk.epoch != self._epoch:
            return f"of epoch {chunk.epoch}, not {self._epoch}"
        if chunk.captured_at_s < self.captured_at_s:
            return "computed from an older observation than the chunk in use"
        if not 0.0 <= now - chunk.captured_at_s <= self._max_age_s:
            return f"its observation is {now - chunk.captured_at_s:.3f} s old; at most {self._max_age_s:g} s is allowed"
        if chunk.action_space is not schema.action_space:
            return f"in {chunk.action_space}, but {schema.action_space} was agreed"
        if chunk.actions.shape != schema.action.shape:
            return f"actions of shape {chunk.actions.shape}, but {schema.action.shape} was agreed"
        if not chunk.dt_s > 0.0:
            return "its time step is not positive"
        return _values_problem(chunk, schema)


def _values_problem(chunk: Chunk, schema: PolicySchema) -> str:
    if not np.isfinite(chunk.actions).all():
        return "its actions are not finite"
    if (chunk.gripper is None) != (schema.gripper is GripperConvention.NONE):
        return f"its gripper values do not fit the agreed convention {schema.gripper}"
    if chunk.gripper is None:
        return ""
    if chunk.gripper.shape != (len(chunk.actions),):
        return f"gripper values of shape {chunk.gripper.shape} for {len(chunk.actions)} actions"
    if not ((chunk.gripper >= 0.0) & (chunk.gripper <= 1.0)).all():
        return "its gripper values are outside 0.0 to 1.0"
    return ""
