"""The way back: record the joint path while the generalist acts, then drive it in reverse.

Where the generalist came in without touching anything, the same path leads out; planning would need a map of the shelf.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handoff.interfaces import Skill
from robots.errors import UsageError
from robots.types import (
    Action,
    ActionSpace,
    Command,
    DetectionFrame,
    Float,
    Lease,
    Observation,
    SkillHealth,
    SkillState,
    Task,
)


@dataclass(frozen=True, slots=True)
class RetreatConfig:
    """How the arm drives back.

    Attributes:
        spacing_rad: Two recorded positions differ by at least this in some joint [rad].
        max_step_rad: Largest joint step per control period [rad].
        reached_rad: A position counts as reached when every joint is this near [rad].
        gripper_open_below: The gripper counts as open below this measured value.
        gripper_timeout_s: Drive back after this long even if the gripper does not open [s].
    """

    spacing_rad: float = 0.02
    max_step_rad: float = 0.05
    reached_rad: float = 0.03
    gripper_open_below: float = 0.1
    gripper_timeout_s: float = 1.0

    def __post_init__(self) -> None:
        if not min(self.spacing_rad, self.max_step_rad, self.reached_rad) > 0.0:
            raise UsageError("retreat: spacing_rad, max_step_rad and reached_rad must be above 0.")


class TracedSkill:
    """Wraps a skill and remembers the joint path of its newest lease. Same interface out.

    Args:
        skill: The wrapped skill, normally the generalist.
        spacing_rad: See `RetreatConfig`.
    """

    def __init__(self, skill: Skill, spacing_rad: float = RetreatConfig().spacing_rad) -> None:
        self._skill = skill
        self._spacing_rad = spacing_rad
        self._epoch: int | None = None
        self._path: list[Float] = []

    @property
    def path(self) -> tuple[Float, ...]:
        """Joint positions since the newest lease was granted, first to last, (n,) each [rad]."""
        return tuple(self._path)

    def reset(self, task: Task) -> None:
        """Forget the path and reset the wrapped skill."""
        self._epoch, self._path = None, []
        self._skill.reset(task)

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Let the wrapped skill prepare."""
        return self._skill.prepare(observation, lease)

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Note where the arm is, and pass the wrapped skill's command on."""
        if lease.epoch != self._epoch:
            self._epoch, self._path = lease.epoch, []
        joints = observation.joint_positions_rad
        if not self._path or np.abs(joints - self._path[-1]).max() >= self._spacing_rad:
            self._path.append(joints)
        return self._skill.propose(observation, frame, lease)

    def health(self) -> SkillHealth:
        """Return the wrapped skill's health."""
        return self._skill.health()


class RetreatSkill:
    """Opens the gripper where it is, then drives the traced path back to its start. Done there.

    Args:
        traced: Whose path to drive back.
        config: How to drive.
    """

    def __init__(self, traced: TracedSkill, config: RetreatConfig) -> None:
        self._traced = traced
        self._config = config
        self._forget()

    def reset(self, task: Task) -> None:
        """Forget the last way back."""
        self._forget()

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Ready at once: the path is already known."""
        return True

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the next joint target on the way back, or None once the start of the path is reached."""
        if lease.epoch != self._epoch:
            self._begin(observation, lease)
        joints = observation.joint_positions_rad
        if self._must_open(observation):
            return self._command(observation, lease, joints)
        while self._left and np.abs(joints - self._left[-1]).max() <= self._config.reached_rad:
            self._left.pop()
        if not self._left:
            self._health = SkillHealth(SkillState.DONE)
            return None
        error = self._left[-1] - joints
        scale = max(float(np.abs(error).max()) / self._config.max_step_rad, 1.0)
        return self._command(observation, lease, joints + error / scale)

    def health(self) -> SkillHealth:
        """Ready while driving, done at the start of the path."""
        return self._health

    def _forget(self) -> None:
        self._epoch: int | None = None
        self._left: list[Float] = []
        self._seq = 0
        self._opening_since_s: float | None = None
        self._health = SkillHealth(SkillState.READY)

    def _begin(self, observation: Observation, lease: Lease) -> None:
        self._forget()
        self._epoch = lease.epoch
        self._left = list(self._traced.path)
        self._opening_since_s = observation.captured_at_s

    def _must_open(self, observation: Observation) -> bool:
        if self._opening_since_s is None:
            return False
        waited_s = observation.captured_at_s - self._opening_since_s
        if observation.gripper < self._config.gripper_open_below or waited_s >= self._config.gripper_timeout_s:
            self._opening_since_s = None
        return self._opening_since_s is not None

    def _command(self, observation: Observation, lease: Lease, target_rad: Float) -> Command:
        self._seq += 1
        action = Action(ActionSpace.JOINT_POSITION, target_rad, gripper=0.0)
        return Command(lease.holder, lease.epoch, self._seq, observation.captured_at_s, action)
