"""Which view next: exhaustive sweep, random order, next best view over the seen-map, or the learned actor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from search_policy.observations import AgentState
from search_policy.seen_map import VIEW_FEATURES
from search_policy.viewpoints import View

if TYPE_CHECKING:
    from search_policy.networks import Actor

SHIPPED = Path(__file__).parent / "weights" / "bookshelf"

_GAIN, _SIDE_GAIN, _AGE, _TRAVEL = (VIEW_FEATURES.index(name) for name in ("gain", "side_gain", "age", "travel"))


class Chooser(Protocol):
    """Chooses among the candidate views. Must pick one whose mask is True, and must be a function of state and seed."""

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode; all randomness of the episode comes from `rng`."""
        ...

    def choose(self, state: AgentState) -> int:
        """Return the index of the next view. At least one entry of `state.mask` is True."""
        ...


class SweepChooser:
    """Exhaustive raster scan: shelf by shelf from the nearest end, in alternating directions, obliques last.

    Args:
        views: The candidate views.
        top_first: Begin with the highest shelf.
    """

    def __init__(self, views: Sequence[View], *, top_first: bool = True) -> None:
        self._views = views
        self._top_first = top_first
        self._order: list[int] = []

    def reset(self, rng: np.random.Generator) -> None:
        """Forget the order; the first choice makes a new one."""
        self._order = []

    def choose(self, state: AgentState) -> int:
        """Return the first view of the raster that is still open."""
        if not self._order:
            self._order = self._raster(state)
        return next(index for index in self._order if state.mask[index])

    def _raster(self, state: AgentState) -> list[int]:
        shelves = sorted({view.shelf for view in self._views}, reverse=self._top_first)
        straight = [i for i, view in enumerate(self._views) if view.yaw_rad == 0.0]
        rows = [[i for i in straight if self._views[i].shelf == shelf] for shelf in shelves]
        if rows[0] and state.views[rows[0][-1], _TRAVEL] < state.views[rows[0][0], _TRAVEL]:
            rows = [row[::-1] for row in rows]
        order = [i for number, row in enumerate(rows) for i in (row if number % 2 == 0 else row[::-1])]
        obliques = [i for shelf in reversed(shelves) for i, view in enumerate(self._views) if view.shelf == shelf]
        return order + [i for i in obliques if i not in order]


class RandomChooser:
    """A uniformly random open view."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def reset(self, rng: np.random.Generator) -> None:
        """Take over the episode's generator."""
        self._rng = rng

    def choose(self, state: AgentState) -> int:
        """Draw an open view."""
        return int(self._rng.choice(np.flatnonzero(state.mask)))


@dataclass(slots=True)
class CoverageChooser:
    """Next best view: the most newly seen volume per second of motion and dwelling.

    Attributes:
        side_weight: Worth of seeing something from another side, relative to seeing it first.
        age_weight: Worth of looking again at what was seen long ago.
        dwell_s: Time spent at a view besides travelling [s].
        speed_m_s: Mean travelling speed [m/s].
        noise: Standard deviation of the noise on the logarithm of a view's worth, for imperfect demonstrations.
    """

    side_weight: float = 0.3
    age_weight: float = 0.02
    dwell_s: float = 0.35
    speed_m_s: float = 0.45
    noise: float = 0.0
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def reset(self, rng: np.random.Generator) -> None:
        """Take over the episode's generator."""
        self._rng = rng

    def choose(self, state: AgentState) -> int:
        """Return the open view with the largest worth per second."""
        views = state.views.astype(np.float64)
        gain = views[:, _GAIN] + self.side_weight * views[:, _SIDE_GAIN] + self.age_weight * views[:, _AGE]
        worth = np.log(gain + 1e-3) - np.log(self.dwell_s + views[:, _TRAVEL] / self.speed_m_s)
        if self.noise > 0.0:
            worth = worth + self._rng.normal(0.0, self.noise, len(worth))
        return int(np.argmax(np.where(state.mask, worth, -np.inf)))


class PolicyChooser:
    """The learned actor.

    Args:
        actor: Scores the views of an agent state.
        greedy: Take the best view; otherwise draw from pi(a | z).
    """

    def __init__(self, actor: Actor, *, greedy: bool = True) -> None:
        self._actor = actor
        self._greedy = greedy
        self._rng = np.random.default_rng(0)

    @classmethod
    def load(cls, folder: Path, *, greedy: bool = True) -> PolicyChooser:
        """Load shipped or trained weights; torch is imported here and limited to one thread.

        Raises:
            CheckpointError: The folder's weights are missing, damaged or of another shape.
        """
        import torch

        from search_policy.checkpoint import load_actor

        torch.set_num_threads(1)
        return cls(load_actor(folder), greedy=greedy)

    @classmethod
    def shipped(cls) -> PolicyChooser:
        """Load the weights that come with the package.

        Raises:
            CheckpointError: They are missing or damaged.
        """
        return cls.load(SHIPPED)

    def reset(self, rng: np.random.Generator) -> None:
        """Take over the episode's generator."""
        self._rng = rng

    def choose(self, state: AgentState) -> int:
        """Return the actor's view."""
        probabilities = self.probabilities(state)
        if self._greedy:
            return int(np.argmax(probabilities))
        return int(self._rng.choice(len(probabilities), p=probabilities / probabilities.sum()))

    def probabilities(self, state: AgentState) -> NDArray[np.float64]:
        """Return pi(a | z), (v,); zero where the mask is False."""
        return self._actor.probabilities(state)
