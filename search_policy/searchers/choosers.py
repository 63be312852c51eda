"""Which view next: exhaustive sweep, random order, next best view over the seen-map, or the learned actor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from search_policy.memory.seen_map import VIEW_FEATURES
from search_policy.motion.viewpoints import View
from search_policy.observations import AgentState
from search_policy.semantics.features import LIKELY

if TYPE_CHECKING:
    from search_policy.learning.networks import Actor
    from search_policy.memory.seen_map import SeenMap
    from search_policy.semantics.insight import Insight

_LEVEL_M = 0.14  # compartments whose views aim at heights closer than this are on one level
SHIPPED = Path(__file__).parents[1] / "weights" / "bookshelf"

_GAIN, _SIDE_GAIN, _AGE, _TRAVEL = (VIEW_FEATURES.index(name) for name in ("gain", "side_gain", "age", "travel"))


class Chooser(Protocol):
    """Chooses among the candidate views. Must pick one whose mask is True, and must be a function of state and seed."""

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode; all randomness of the episode comes from `rng`."""
        ...

    def choose(self, state: AgentState) -> int:
        """Return the index of the next view. At least one entry of `state.mask` is True."""
        ...


@runtime_checkable
class MapReader(Protocol):
    """A chooser that plans on the seen-map itself; a search skill hands its map over when it is built."""

    def read_map(self, seen_map: SeenMap) -> None:
        """Take the map to read from now on; it must not be changed."""
        ...


class SweepChooser:
    """Exhaustive raster scan: level by level from the nearest end, in alternating directions, obliques last.

    Compartments of about the same height form a level and are passed from one side to the other.

    Args:
        views: The candidate views.
        top_first: Begin with the highest level.
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
        levels = _levels(self._views)
        if self._top_first:
            levels = levels[::-1]
        rows = [self._row(level, straight=True) for level in levels]
        if state.views[rows[0][-1], _TRAVEL] < state.views[rows[0][0], _TRAVEL]:
            rows = [row[::-1] for row in rows]
        rows[1::2] = [row[::-1] for row in rows[1::2]]
        rows += [self._row(level, straight=False) for level in reversed(levels)]
        return [index for row in rows for index in row]

    def _row(self, level: Sequence[int], *, straight: bool) -> list[int]:
        views = self._views
        return [
            i
            for compartment in level
            for i, view in enumerate(views)
            if view.shelf == compartment and (view.yaw_rad == 0.0) == straight
        ]


def _levels(views: Sequence[View]) -> list[list[int]]:
    """Return the compartments of each level, lowest level first, from right to left."""
    places: dict[int, tuple[float, float]] = {}
    for view in views:
        places.setdefault(view.shelf, (float(view.aim_m[2]), float(view.aim_m[1])))
    levels: list[list[int]] = []
    height = -np.inf
    for index in sorted(places, key=lambda index: places[index][0]):
        if places[index][0] > height + _LEVEL_M:
            levels.append([])
            height = places[index][0]
        levels[-1].append(index)
    return [sorted(level, key=lambda index: places[index][1]) for level in levels]


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
        greedy: Take the best view; otherwise draw from pi(a | z)^(1 / temperature), normalised.
        insight: What the actor was trained with, or None; see `skill.Insightful`.
        temperature: Above 1 explores more, below 1 less.
        least_gain: Views that would newly show less than this share of the best open view's gain are left out, as
            long as there is anything new to see; with an insight, views less likely to show the target than this
            share of the likeliest one. Late decisions are rare in demonstrations: this bounds the tail.
    """

    def __init__(
        self,
        actor: Actor,
        *,
        greedy: bool = True,
        insight: Insight | None = None,
        temperature: float = 1.0,
        least_gain: float = 0.25,
    ) -> None:
        self._actor = actor
        self._temperature = temperature
        self.insight = insight
        self._greedy = greedy
        self._least_gain = least_gain
        self._rng = np.random.default_rng(0)
        self._recollection = actor.recollection()

    @classmethod
    def load(cls, folder: Path, *, greedy: bool = True, temperature: float = 1.0) -> PolicyChooser:
        """Load shipped or trained weights; torch is imported here and limited to one thread.

        Raises:
            CheckpointError: The folder's weights are missing, damaged or of another shape.
        """
        import torch

        from search_policy.learning.checkpoint import load_actor
        from search_policy.semantics.insight import Insight
        from search_policy.semantics.storage import FOLDER

        torch.set_num_threads(1)
        actor = load_actor(folder)
        actor.warm()
        insight = Insight.load(folder / FOLDER) if (folder / FOLDER).is_dir() else None
        return cls(actor, greedy=greedy, insight=insight, temperature=temperature)

    @classmethod
    def shipped(cls) -> PolicyChooser:
        """Load the weights that come with the package.

        Raises:
            CheckpointError: They are missing or damaged.
        """
        return cls.load(SHIPPED)

    def reset(self, rng: np.random.Generator) -> None:
        """Take over the episode's generator and forget the last episode."""
        self._rng = rng
        self._recollection.clear()

    def choose(self, state: AgentState) -> int:
        """Return the actor's view, and remember the state for the decisions to come."""
        probabilities = self.probabilities(state)
        self.remember(state)
        if self._greedy:
            return int(np.argmax(probabilities))
        return int(self._rng.choice(len(probabilities), p=tempered(probabilities, self._temperature)))

    def remember(self, state: AgentState) -> None:
        """Take in a state that was decided on, here or by somebody else, for the decisions to come."""
        self._actor.remember(state, self._recollection)

    def probabilities(self, state: AgentState) -> NDArray[np.float64]:
        """Return pi(a | z), (v,); zero where the mask is False or too little is new."""
        return self._actor.probabilities(replace(state, mask=self._worthwhile(state)), self._recollection)

    def _worthwhile(self, state: AgentState) -> NDArray[np.bool_]:
        new = state.views[:, _GAIN] + 0.5 * state.views[:, _SIDE_GAIN]
        gain = np.where(state.mask, new if self.insight is None else state.views[:, LIKELY], 0.0)
        return state.mask & (gain >= self._least_gain * gain.max())


def tempered(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return p^(1 / temperature), normalised, (v,); what was impossible stays so."""
    raised = (probabilities / probabilities.max()) ** (1.0 / temperature)
    share: NDArray[np.float64] = raised / raised.sum()
    return share
