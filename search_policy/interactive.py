"""Interactive perception: look at everything that is open first, then open doors and drawers, and look inside."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from robots.errors import PlanningError
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
from search_policy.skill import SearchSkill

TRAILING_RAD = 0.2  # the arm may trail its target by this much before the next one is sent
PATIENCE_STEPS = 45  # control steps at one target before an opening is given up


class JointMotion(Protocol):
    """Joint targets, one per control period."""

    @property
    def joints_rad(self) -> Float:
        """(k, n) [rad]."""
        ...

    @property
    def gripper(self) -> Float:
        """(k,) 0.0 open to 1.0 closed."""
        ...


class Opener(Protocol):
    """Knows how doors and drawers are opened."""

    def closed(self) -> tuple[str, ...]:
        """Return the names of the closures that are shut now, the most promising one first."""
        ...

    def plan(self, closure: str, observation: Observation) -> JointMotion:
        """Return a motion that opens a closure, lets go and comes back.

        Raises:
            PlanningError: It cannot be opened from here.
        """
        ...


class InteractiveSearchSkill:
    """Wraps a search skill. Satisfies `handoff.interfaces.Skill`.

    While `busy`, the hand holds on to the furniture: what the camera sees must not start a fixation.

    Args:
        search: Looks into what is open.
        opener: Opens the rest.
    """

    def __init__(self, search: SearchSkill, opener: Opener) -> None:
        self._search = search
        self._opener = opener
        self._epoch: int | None = None
        self._shut: list[str] = []
        self._opened: list[str] = []
        self._forget()

    @property
    def busy(self) -> bool:
        """Whether a door or drawer is being opened."""
        return self._motion is not None

    @property
    def opened(self) -> tuple[str, ...]:
        """Closures that were opened in this episode, in order."""
        return tuple(self._opened)

    def reset(self, task: Task) -> None:
        """Forget the last episode, and find out what is shut."""
        self._forget()
        self._search.reset(task)
        self._shut = list(self._opener.closed())
        self._search.close(self._shut)

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Let the search prepare. An opening that was interrupted starts again from where the arm is then."""
        self._drop()
        return self._search.prepare(observation, lease)

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the next step of an opening, or of the search while something open is still to be looked at."""
        if lease.epoch != self._epoch:
            self._epoch, self._seq = lease.epoch, 0
            self._drop()
        action = self._follow(observation) or self._look(observation, frame, lease)
        if not self.busy and self._shut and self._search.looked_everywhere:
            self._begin(observation)
            action = self._follow(observation) or action
        if action is None:
            return None
        self._seq += 1
        return Command(lease.holder, lease.epoch, self._seq, observation.captured_at_s, action)

    def health(self) -> SkillHealth:
        """READY while opening or while something is shut; otherwise the search's own health."""
        return SkillHealth(SkillState.READY, "opening") if self.busy or self._shut else self._search.health()

    def _look(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Action | None:
        command = self._search.propose(observation, frame, lease)
        return None if command is None else command.action

    def _forget(self) -> None:
        self._shut, self._opened = [], []
        self._epoch = None
        self._seq = 0
        self._drop()

    def _drop(self) -> None:
        self._motion: JointMotion | None = None
        self._index = self._waited = 0

    def _begin(self, observation: Observation) -> None:
        """Plan the next opening; what cannot be opened is given up and stays shut in the seen-map."""
        try:
            self._motion = self._opener.plan(self._shut[0], observation)
        except PlanningError:
            self._shut.pop(0)
        self._index = self._waited = 0

    def _follow(self, observation: Observation) -> Action | None:
        """Return the next joint target, waiting for an arm that trails; None at the end."""
        motion = self._motion
        if motion is None:
            return None
        last = motion.joints_rad[max(self._index - 1, 0)]
        trailing = float(np.abs(last - observation.joint_positions_rad).max())
        waits = self._index > 0 and trailing > TRAILING_RAD
        self._waited = self._waited + 1 if waits else 0
        if self._waited > PATIENCE_STEPS or (not waits and self._index == len(motion.gripper)):
            self._finish()
            return None
        self._index += not waits
        target = self._index - 1
        return Action(ActionSpace.JOINT_POSITION, motion.joints_rad[target], float(motion.gripper[target]))

    def _finish(self) -> None:
        """Believe what the opener says is shut now, and look into the rest."""
        name = self._shut.pop(0)
        shut = set(self._opener.closed())
        if name not in shut:
            self._opened.append(name)
        self._search.close(sorted(shut))
        self._drop()
