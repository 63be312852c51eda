"""Corrections by people as data: whoever watches an episode may take any decision, and the decision is marked.

HG-DAgger (arXiv 1810.02890) and RLIF (arXiv 2311.12996) learn from the moments at which a person takes over. Here such
a decision is one more decision of the episode, of the person's choice, with a larger weight in the actor's loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from robots.errors import UsageError
from robots.types import DetectionFrame, Observation, Task
from search_policy.episodes.rollout import SearchEpisode
from search_policy.episodes.world import Detect, DetectorFactory, SearchWorld
from search_policy.motion.viewpoints import View
from search_policy.observations import AgentState
from search_policy.skill import Insightful

if TYPE_CHECKING:
    from search_policy.semantics.insight import Insight


class Policy[A](Protocol):
    """Takes decisions: a chooser of views (A is int) or of chunks of twists (A is float32 (h, 5))."""

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode; all randomness of the episode comes from `rng`."""
        ...

    def choose(self, state: AgentState) -> A:
        """Return the decision on this state."""
        ...


class Intervention[A](Protocol):
    """Somebody who may take decisions instead of the policy: a person with a joystick, or a script in a simulation."""

    def begin(self, task: Task) -> None:
        """An episode begins."""
        ...

    def override(self, observation: Observation, state: AgentState) -> A | None:
        """Return a decision, or None to leave it to the policy. Asked once per decision; answers at once.

        Args:
            observation: What the robot measured now.
            state: What the policy would decide on.
        """
        ...


InterventionFactory = Callable[[SearchWorld, Sequence[View]], Intervention[Any]]


@runtime_checkable
class Remembering(Protocol):
    """A policy that remembers what was decided on."""

    def remember(self, state: AgentState) -> None:
        """Take in a state that somebody else decided on."""
        ...


class Supervised[A]:
    """A policy that somebody watches.

    Args:
        policy: Decides where nobody takes over.
        intervention: May take over.
    """

    def __init__(self, policy: Policy[A], intervention: Intervention[A]) -> None:
        self._policy, self._intervention = policy, intervention
        self._observation: Observation | None = None
        self._taken: list[AgentState] = []

    @property
    def insight(self) -> Insight | None:
        """What the policy was trained with, see `skill.Insightful`."""
        return self._policy.insight if isinstance(self._policy, Insightful) else None

    def watch(self, detector: DetectorFactory) -> DetectorFactory:
        """Return the same detector; what passes through it is what the watcher sees."""

        def watched(world: SearchWorld, task: Task, rng: np.random.Generator) -> Detect:
            detect = detector(world, task, rng)
            self._intervention.begin(task)

            def seen(observation: Observation) -> DetectionFrame:
                self._observation = observation
                return detect(observation)

            return seen

        return watched

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode."""
        self._taken = []
        self._policy.reset(rng)

    def choose(self, state: AgentState) -> A:
        """Return the watcher's decision, or else the policy's.

        Raises:
            UsageError: The watcher chose a view that is not open.
        """
        assert self._observation is not None, "the detector is not the watched one"
        taken = self._intervention.override(self._observation, state)
        if taken is None:
            return self._policy.choose(state)
        if isinstance(taken, int) and not (0 <= taken < len(state.mask) and state.mask[taken]):
            raise UsageError(f"intervention: view {taken} is not open; {np.flatnonzero(state.mask).tolist()} are.")
        self._taken.append(state)
        if isinstance(self._policy, Remembering):
            self._policy.remember(state)
        return taken

    def mark(self, episode: SearchEpisode) -> SearchEpisode:
        """Return the episode that just ended, the decisions that were taken over marked as such."""
        taken = {id(state) for state in self._taken}
        decisions = tuple(replace(record, intervened=id(record.state) in taken) for record in episode.decisions)
        return replace(episode, decisions=decisions)


class OracleTakeover:
    """Stands in for a person in simulation: after so many fruitless decisions it names the view nearest to the target.

    Args:
        world: Knows where the target is.
        views: The candidate views.
        after: Decisions that the policy has in each episode before it is taken over.
    """

    def __init__(self, world: SearchWorld, views: Sequence[View], after: int) -> None:
        self._world, self._after = world, after
        self._aims = np.stack([view.aim_m for view in views])
        self._decisions = 0

    def begin(self, task: Task) -> None:
        """Leave the first decisions to the policy."""
        self._decisions = 0

    def override(self, observation: Observation, state: AgentState) -> int | None:
        """Return the open view that aims nearest to the target, or None while the policy has its turn."""
        self._decisions += 1
        target = self._world.truth().position_m
        if self._decisions <= self._after or target is None:
            return None
        distance_m = np.linalg.norm(self._aims - target, axis=1)
        return int(np.argmin(np.where(state.mask, distance_m, np.inf)))


@dataclass(frozen=True, slots=True)
class OracleTakeovers:
    """Makes an `OracleTakeover` for each world; a value, so that it can be sent to workers.

    Attributes:
        after: See `OracleTakeover`.
    """

    after: int

    def __call__(self, world: SearchWorld, views: Sequence[View]) -> OracleTakeover:
        """Return the stand-in for one world."""
        return OracleTakeover(world, views, self.after)
