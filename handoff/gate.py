"""The gate: the only writer to the robot. It executes a command only if every check passes, and holds otherwise.

It trusts nobody: not the skills, and not the order in which leases reach it. A lease that is older than the newest one
seen, or that names another holder for the same epoch, counts as nobody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from handoff.interfaces import Robotic
from robots.errors import ActionRejectedError, UsageError
from robots.types import Action, ActionSpace, Command, Holder, Lease, Observation

TWIST_WIDTH = 6


class Refusal(StrEnum):
    """Why the gate held instead of executing."""

    NO_COMMAND = "no_command"  # the holder proposed nothing
    STALE_LEASE = "stale_lease"  # the lease itself is older than one seen before, or contradicts it
    NOT_HOLDER = "not_holder"
    WRONG_EPOCH = "wrong_epoch"
    OLD_SEQUENCE = "old_sequence"  # repeated or overtaken
    FROM_FUTURE = "from_future"  # captured later than the newest observation
    TOO_OLD = "too_old"
    WRONG_SPACE = "wrong_space"
    WRONG_WIDTH = "wrong_width"
    NOT_FINITE = "not_finite"
    GRIPPER_RANGE = "gripper_range"
    ROBOT_REJECTED = "robot_rejected"  # the robot's own checks


@dataclass(frozen=True, slots=True)
class GateConfig:
    """What each holder may send.

    Attributes:
        search_max_age_s: Oldest observation that a search command may rest on [s].
        vla_max_age_s: The same for the generalist, whose chunks are executed over many control periods [s].
        human_max_age_s: The same for an operator [s].
        search_spaces: Action spaces that the search and retreat skills may use.
        vla_spaces: Action spaces that the generalist may use.
        human_spaces: Action spaces that an operator may use.
    """

    search_max_age_s: float = 0.3
    vla_max_age_s: float = 2.0
    human_max_age_s: float = 0.3
    search_spaces: tuple[ActionSpace, ...] = tuple(ActionSpace)
    vla_spaces: tuple[ActionSpace, ...] = tuple(ActionSpace)
    human_spaces: tuple[ActionSpace, ...] = tuple(ActionSpace)

    def __post_init__(self) -> None:
        if not min(self.search_max_age_s, self.vla_max_age_s, self.human_max_age_s) > 0.0:
            raise UsageError("gate: every max_age_s must be above 0.")

    def max_age_s(self, holder: Holder) -> float:
        """Return the oldest acceptable capture age for `holder` [s]; nothing is acceptable for the gate itself."""
        ages = {
            Holder.SEARCH: self.search_max_age_s,
            Holder.VLA: self.vla_max_age_s,
            Holder.HUMAN: self.human_max_age_s,
        }
        return ages.get(holder, -1.0)

    def spaces(self, holder: Holder) -> tuple[ActionSpace, ...]:
        """Return the action spaces that `holder` may use; none for the gate itself."""
        spaces = {
            Holder.SEARCH: self.search_spaces,
            Holder.VLA: self.vla_spaces,
            Holder.HUMAN: self.human_spaces,
        }
        return spaces.get(holder, ())


@dataclass(frozen=True, slots=True, eq=False)
class Executed:
    """What the robot really did in one control period.

    Attributes:
        sent: The action that the robot executed, after its safety limits.
        refusal: Why the gate held instead of the holder's command; empty when it did not, or when the gate is the
            holder and nobody else asked.
    """

    sent: Action
    refusal: str = ""


class Gate:
    """Checks proposals against the current lease and passes them to the robot.

    Args:
        robot: What is driven. Nothing else may call its `send_action` or `hold`.
        config: What each holder may send.
    """

    def __init__(self, robot: Robotic, config: GateConfig) -> None:
        self._robot = robot
        self._config = config
        self._newest: Lease | None = None
        self._last_seq: int | None = None
        self._executed_at_s: float | None = None
        self._refusals: Counter[str] = Counter()

    @property
    def refusals(self) -> Mapping[str, int]:
        """Control periods without an executed command although a skill held the lease, or asked for it; by reason."""
        return MappingProxyType(self._refusals)

    @property
    def executed_at_s(self) -> float | None:
        """When the last command under the newest lease was executed [s], or None."""
        return self._executed_at_s

    def apply(self, command: Command | None, lease: Lease, observation: Observation, now: float) -> Executed:
        """Execute `command` if it is valid under `lease`; otherwise bring the robot to rest and hold it.

        Args:
            command: The holder's proposal, or None.
            lease: Who may command the robot now.
            observation: The newest observation.
            now: Loop time [s].

        Raises:
            RobotDisconnectedError: The link is gone; nothing moved.
        """
        refusal = self._take_lease(lease) or self._refusal_of(command, lease, observation, now)
        if refusal is None and command is not None:
            try:
                sent = self._robot.send_action(command.action)
            except ActionRejectedError:
                refusal = Refusal.ROBOT_REJECTED
            else:
                self._last_seq, self._executed_at_s = command.seq, now
                return Executed(sent)
        if refusal is not None:
            self._refusals[refusal.value] += 1
        return Executed(self._robot.hold(), refusal.value if refusal is not None else "")

    def _take_lease(self, lease: Lease) -> Refusal | None:
        if self._newest is None or lease.epoch > self._newest.epoch:
            self._newest, self._last_seq, self._executed_at_s = lease, None, None
        return None if lease == self._newest else Refusal.STALE_LEASE

    def _refusal_of(
        self, command: Command | None, lease: Lease, observation: Observation, now: float
    ) -> Refusal | None:
        if command is None:
            return None if lease.holder is Holder.GATE else Refusal.NO_COMMAND
        return (
            self._wrong_owner(command, lease)
            or self._wrong_time(command, observation, now)
            or self._wrong_action(command, observation)
        )

    def _wrong_owner(self, command: Command, lease: Lease) -> Refusal | None:
        if command.holder is not lease.holder or lease.holder is Holder.GATE:
            return Refusal.NOT_HOLDER
        if command.epoch != lease.epoch:
            return Refusal.WRONG_EPOCH
        if self._last_seq is not None and command.seq <= self._last_seq:
            return Refusal.OLD_SEQUENCE
        return None

    def _wrong_time(self, command: Command, observation: Observation, now: float) -> Refusal | None:
        if command.captured_at_s > observation.captured_at_s:
            return Refusal.FROM_FUTURE
        # Written so that an age that is not a number is refused too.
        fresh = now - command.captured_at_s <= self._config.max_age_s(command.holder)
        return None if fresh else Refusal.TOO_OLD

    def _wrong_action(self, command: Command, observation: Observation) -> Refusal | None:
        action = command.action
        if action.space not in self._config.spaces(command.holder):
            return Refusal.WRONG_SPACE
        joints = observation.joint_positions_rad.shape[0]
        if action.values.shape != (TWIST_WIDTH if action.space is ActionSpace.CARTESIAN_VELOCITY else joints,):
            return Refusal.WRONG_WIDTH
        if not np.isfinite(action.values).all():
            return Refusal.NOT_FINITE
        in_range = action.gripper is None or 0.0 <= action.gripper <= 1.0
        return None if in_range else Refusal.GRIPPER_RANGE
