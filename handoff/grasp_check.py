"""Judges from the gripper alone whether something is held: no privileged measurement, no force sensor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from robots.errors import UsageError


class GraspState(StrEnum):
    """What the gripper says about the grasp."""

    OPEN = "open"  # not closed since the reset, or open again
    MOVING = "moving"  # closing or opening; no judgement yet
    HELD = "held"  # told to close, stopped on the way, steady
    EMPTY = "empty"  # closed all the way, steady


@dataclass(frozen=True, slots=True)
class GraspReport:
    """The judgement and for how long it has been the same [s]."""

    state: GraspState
    steady_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GraspCheckConfig:
    """When a gripper counts as holding something.

    Attributes:
        close_command: A commanded gripper at or above this means "close".
        open_below: A measured gripper below this is open.
        closed_above: A measured gripper above this has closed on nothing.
        steady_change: Largest change between two control periods that still counts as steady.
        steady_s: How long the gripper must be steady before it is judged [s].
    """

    close_command: float = 0.6
    open_below: float = 0.05
    closed_above: float = 0.95
    steady_change: float = 0.02
    steady_s: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 <= self.open_below < self.closed_above <= 1.0:
            raise UsageError("grasp_check: open_below must be below closed_above, both within 0 and 1.")
        if not (0.0 < self.close_command <= 1.0 and self.steady_change > 0.0 and self.steady_s >= 0.0):
            raise UsageError("grasp_check: close_command, steady_change and steady_s must be positive.")


class GraspCheck:
    """Follows the commanded and the measured gripper through a grasp. Call `update` once per control period."""

    def __init__(self, config: GraspCheckConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the last grasp."""
        self._closing = False
        self._last: float | None = None
        self._steady_since_s = 0.0
        self._judged: tuple[GraspState, float] | None = None

    def update(self, gripper: float, commanded: float | None, now: float) -> GraspReport:
        """Take in one control period.

        Args:
            gripper: Measured gripper, 0.0 open to 1.0 closed.
            commanded: The gripper target that was executed last; None leaves the earlier one in force.
            now: Loop time [s].
        """
        if commanded is not None:
            self._closing = commanded >= self._config.close_command
        if self._last is None or abs(gripper - self._last) > self._config.steady_change:
            self._steady_since_s = now
        self._last = gripper
        state = self._judge(gripper, now - self._steady_since_s)
        if self._judged is None or self._judged[0] is not state:
            self._judged = (state, now)
        return GraspReport(state, now - self._judged[1])

    def _judge(self, gripper: float, steady_s: float) -> GraspState:
        if not self._closing:
            return GraspState.OPEN
        if steady_s < self._config.steady_s:
            return GraspState.MOVING
        if gripper < self._config.open_below:
            return GraspState.OPEN
        return GraspState.EMPTY if gripper > self._config.closed_above else GraspState.HELD
