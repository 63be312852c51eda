"""Two toy environments that take seconds to solve: a T-maze of views, and a line for chunks of twists."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError
from robots.types import Privileged
from search_policy.baselines.environment import Choose, Experience
from search_policy.observations import IMAGE_PX, AgentState

AHEAD, LEFT, RIGHT = range(3)
_IMAGE = np.zeros((IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)


class TMaze:
    """A corridor whose end forks; the target waits on one side. Bakker (2002), fully observed: the side stays in sight.

    In the corridor only `AHEAD` is open, at the fork only the sides. Steps in the corridor last 1 to 3 control steps
    by chance. The right side pays 1, the wrong one nothing; every control step costs.

    Args:
        length: Decisions in the corridor.
        cost: Of one control step.
        patience: Decisions after which an episode is cut off.
    """

    def __init__(self, length: int = 2, cost: float = 0.02, patience: int = 100) -> None:
        self._length, self._cost, self._patience = length, cost, patience

    def start(self, task: str, seed: int) -> tuple[AgentState, Privileged]:
        """Return the entrance of the maze."""
        side = self._side(np.random.default_rng(seed))
        return self._state(0, side), self._privileged(side)

    def episode(self, task: str, seed: int, choose: Choose) -> Iterator[Experience]:
        """Walk through one maze.

        Raises:
            SpecError: The policy chose a view that is not open.
        """
        rng = np.random.default_rng(seed)
        side = self._side(rng)
        states = [self._state(place, side) for place in range(self._length + 2)]
        for place in range(min(self._length + 1, self._patience)):
            state = states[place]
            action = choose(state)
            if not isinstance(action, int) or not state.mask[action]:
                raise SpecError(f"T-maze: the way {action!r} is not open here.")
            duration = int(rng.integers(1, 4)) if place < self._length else 1
            found = place == self._length and action == side
            terminated = place == self._length
            yield Experience(
                state=state,
                action=action,
                privileged=self._privileged(side),
                reward=float(found) - self._cost * duration,
                duration=duration,
                next_state=states[place + 1],
                next_privileged=self._privileged(side),
                terminated=terminated,
                truncated=not terminated and place + 1 == self._patience,
                found=found,
            )

    def close(self) -> None:
        """Nothing to free."""

    def _side(self, rng: np.random.Generator) -> int:
        return int(rng.integers(LEFT, RIGHT + 1))

    def _state(self, place: int, side: int) -> AgentState:
        fork = place >= self._length
        views = np.eye(3, dtype=np.float32)
        told = np.array([place / self._length, 2.0 * side - 3.0], dtype=np.float32)
        mask = np.array([not fork, fork, fork])
        return AgentState(_IMAGE, told, np.zeros((1, 1, 1), dtype=np.float32), views, mask)

    def _privileged(self, side: int) -> Privileged:
        return _privileged(2.0 * side - 3.0, np.eye(3)[side])


class Line:
    """A camera on a line that must be driven to the target, which it sees; the decision is a chunk of twists.

    The mean of a chunk's first column moves it; what remains of the distance is the cost of each decision.

    Args:
        horizon: Control steps per chunk.
        decisions: Decisions of an episode, which is then cut off.
    """

    def __init__(self, horizon: int = 2, decisions: int = 4) -> None:
        self._horizon, self._decisions = horizon, decisions

    def start(self, task: str, seed: int) -> tuple[AgentState, Privileged]:
        """Return the start of the line."""
        target = self._target(np.random.default_rng(seed))
        return self._state(0.0, target), _privileged(target, np.zeros(1))

    def episode(self, task: str, seed: int, choose: Choose) -> Iterator[Experience]:
        """Drive along one line.

        Raises:
            SpecError: The policy did not return a chunk.
        """
        place, target = 0.0, self._target(np.random.default_rng(seed))
        state = self._state(place, target)
        for number in range(self._decisions):
            action: NDArray[np.float32] = np.asarray(choose(state), dtype=np.float32)
            if action.shape != (self._horizon, 5) or np.abs(action).max() > 1.0:
                raise SpecError(f"line: needs a chunk ({self._horizon}, 5) in [-1, 1], not {action.shape}.")
            place = float(np.clip(place + action[:, 0].mean(), -1.0, 1.0))
            before, state = state, self._state(place, target)
            yield Experience(
                state=before,
                action=action,
                privileged=_privileged(target, np.zeros(1)),
                reward=-abs(place - target),
                duration=self._horizon,
                next_state=state,
                next_privileged=_privileged(target, np.zeros(1)),
                terminated=False,
                truncated=number + 1 == self._decisions,
                found=abs(place - target) < 0.2,
            )

    def close(self) -> None:
        """Nothing to free."""

    def _target(self, rng: np.random.Generator) -> float:
        return float(rng.choice([-0.8, 0.8]))

    def _state(self, place: float, target: float) -> AgentState:
        told = np.array([place, target], dtype=np.float32)
        views, mask = np.zeros((1, 1), dtype=np.float32), np.ones(1, dtype=bool)
        return AgentState(_IMAGE, told, np.zeros((1, 1, 1), dtype=np.float32), views, mask)


def _privileged(position: float, in_view: NDArray[np.float64]) -> Privileged:
    return Privileged(
        {
            "target_position": np.array([0.0, position, 0.0]),
            "target_present": np.ones(1),
            "target_visibility": np.zeros(1),
            "views_with_target": np.asarray(in_view, dtype=np.float64),
        }
    )
