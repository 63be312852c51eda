"""What a rollout asks of a search skill, and of a log that cuts its episodes into decisions of another kind."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robots.types import Command, DetectionFrame, Lease, Observation, SkillHealth, Task
from search_policy.memory.seen_map import SeenMap
from search_policy.motion.viewpoints import View
from search_policy.observations import AgentState
from search_policy.skill import SearchConfig

SearchAction = int | NDArray[np.float32]  # a view's index, or a chunk of levelled twists (h, 5)


class Decided(Protocol):
    """A decision of a skill."""

    @property
    def state(self) -> AgentState:
        """What it was taken on."""
        ...

    @property
    def action(self) -> SearchAction:
        """What was chosen."""
        ...


class DecidingSkill(Protocol):
    """A `handoff.interfaces.Skill` that searches and tells what it decided: `SearchSkill` or `TwistSkill`."""

    @property
    def config(self) -> SearchConfig:
        """Views, map and limits of the motion."""
        ...

    @property
    def views(self) -> tuple[View, ...]:
        """Candidate views that the agent state describes."""
        ...

    @property
    def seen_map(self) -> SeenMap:
        """What was looked at."""
        ...

    @property
    def decision(self) -> Decided | None:
        """The newest decision of this episode; every decision is an object of its own."""
        ...

    def close(self, closed: Collection[str]) -> None:
        """Take in which doors and drawers are shut."""
        ...

    def reset(self, task: Task) -> None:
        """Forget the last episode."""
        ...

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the command for this period, or None."""
        ...

    def health(self) -> SkillHealth:
        """EXHAUSTED once there is nothing left to look at."""
        ...

    def state(self, observation: Observation) -> AgentState:
        """Return the agent state now."""
        ...


class DemonstrationLog(Protocol):
    """Cuts an episode into decisions other than the skill's own: twists out of a search that chooses views."""

    def begin(self) -> None:
        """Forget the last episode."""
        ...

    def note(self, observation: Observation, frame: DetectionFrame, command: Command | None, *, fixating: bool) -> bool:
        """Take in one control step before noise is added, and return whether a decision begins with it."""
        ...

    def state(self, observation: Observation) -> AgentState:
        """Return the agent state now."""
        ...

    def action(self, step: int) -> SearchAction:
        """Return the action of the decision that began with this control step."""
        ...
