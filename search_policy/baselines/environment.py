"""What PPO and SAC ask of an environment: episodes of decisions, and no way for the actor to see privileged values.

The policy is *called* within an episode with the agent state alone; privileged values come out afterwards, in the
`Experience` of each decision, for the critic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from robots.types import Privileged
from search_policy.episodes.protocols import SearchAction
from search_policy.learning.networks import InputSizes
from search_policy.observations import AgentState, ObsGroups, privileged_vector

Choose = Callable[[AgentState], SearchAction]


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """One decision and what came of it.

    Attributes:
        state: Agent state z that the policy was called with.
        action: What it chose: a view, or a chunk (h, 5).
        privileged: What only the critic may see, at the decision.
        reward: Discounted sum over the decision's control steps.
        duration: Control steps, at least 1.
        next_state: z' at the next decision, or at the episode's end.
        next_privileged: At the same moment.
        terminated: The episode ended by its own rules: nothing follows.
        truncated: It was cut off: what follows is unknown, and estimated.
        found: It ended with the target found.
    """

    state: AgentState
    action: SearchAction
    privileged: Privileged
    reward: float
    duration: int
    next_state: AgentState
    next_privileged: Privileged
    terminated: bool
    truncated: bool
    found: bool = False

    @property
    def ended(self) -> bool:
        """Whether it is the episode's last decision."""
        return self.terminated or self.truncated


class DecisionEnv(Protocol):
    """Episodes of decisions on seeded layouts."""

    def start(self, task: str, seed: int) -> tuple[AgentState, Privileged]:
        """Return what a layout begins with, for the networks' sizes."""
        ...

    def episode(self, task: str, seed: int, choose: Choose) -> Iterator[Experience]:
        """Run one layout with a policy and yield its decisions, each as soon as its outcome is known.

        Args:
            task: Task name.
            seed: Of the layout and of all that happens by chance in it.
            choose: The policy. It must return an open view where the agent state's mask offers views.
        """
        ...

    def close(self) -> None:
        """Free what the environment holds."""
        ...


def sizes_of(state: AgentState, privileged: Privileged, groups: ObsGroups) -> InputSizes:
    """Return the networks' input sizes for an environment that begins with these."""
    channels, shelves, columns = state.seen_map.shape
    return InputSizes(
        proprioception=len(state.proprioception),
        seen_map=(channels, shelves, columns),
        views=state.views.shape[0],
        features=state.views.shape[1],
        privileged=len(privileged_vector(privileged, groups)),
    )
