"""The strongest searcher that is not learned: plans the next few views so that the target is expected soonest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robots.types import Float
from search_policy.memory.evidence import missed, newly_detected
from search_policy.memory.seen_map import SeenMap
from search_policy.motion.keepout import KeepOut
from search_policy.motion.mover import MoverConfig
from search_policy.motion.travel import LookTimes
from search_policy.observations import AgentState


@dataclass(frozen=True, slots=True)
class PlannerConfig:
    """How far ahead and with what cost views are planned."""

    # Views in a planned sequence; on 200 validation layouts of the bookcase three were no better than one
    horizon: int = 1
    # Sequences kept after each view
    beam: int = 6
    # Time at a view besides travelling: dwelling, and starting and settling [s]
    dwell_s: float = 0.3
    # Extra time of a way that leads around a drawer or door [s]
    detour_s: float = 0.5
    # Time that finding the target is expected to take after the planned sequence failed [s]
    rest_s: float = 10.0
    # Share of a uniform prior mixed into a given one: cues can mislead
    doubt: float = 0.15
    # Limits of the motion
    mover: MoverConfig = field(default_factory=MoverConfig)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    first: int
    last: int
    time_s: float
    spent: float  # expected time of finding the target along the plan, so far
    detection: Float  # (SIDES, n)


class PlannedCoverage:
    """Next best view with lookahead: least expected time to detection over sequences of views, by beam search.

    Satisfies `Chooser` and `MapReader`. A sequence costs `sum_k gain_k t_k + missed (t_end + rest)`, where `gain_k` is
    the probability that the target is first detected at view k: by its prior weight, by how well the view shows its
    place, and by what earlier looks from the same and from other sides have left.

    Args:
        config: Lookahead and times.
    """

    def __init__(self, config: PlannerConfig | None = None) -> None:
        self.config = config or PlannerConfig()
        self._map: SeenMap | None = None
        self._prior: Float | None = None

    def read_map(self, seen_map: SeenMap) -> None:
        """Plan on that map from now on; travelling times between its views are worked out once."""
        self._map = seen_map
        views = seen_map.views
        config = self.config
        self._times = LookTimes(KeepOut.of(seen_map.region), config.mover, config.dwell_s, config.detour_s)
        self._poses = [view.camera_to_world for view in views]
        self._travel_s = np.array([[self._times.between(start, end) for end in self._poses] for start in self._poses])

    def weigh(self, prior: Float | None) -> None:
        """Set where the target is likely, until the next call.

        Args:
            prior: Weight of every cell, (compartments, any number of columns); None is uniform.
        """
        self._prior = prior

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode; plans are deterministic."""

    def choose(self, state: AgentState) -> int:
        """Return the first view of the best sequence of open views."""
        seen_map = self._known_map()
        weights = self._weights(seen_map)
        worth, sides = seen_map.look_worth()
        start = seen_map.camera_to_world
        travel = np.array([self._times.between(start, pose) for pose in self._poses])
        plans = [_Plan(-1, -1, 0.0, 0.0, seen_map.evidence.detection())]
        for _ in range(self.config.horizon):
            plans = self._grow(plans, travel, weights, worth, sides, state.mask)
        return plans[0].first

    def _known_map(self) -> SeenMap:
        assert self._map is not None, "a search skill hands its map over when it is built"
        return self._map

    def _weights(self, seen_map: SeenMap) -> Float:
        uniform = seen_map.point_weights()
        if self._prior is None:
            return uniform
        doubt = self.config.doubt
        return (1.0 - doubt) * seen_map.point_weights(self._prior) + doubt * uniform

    def _grow(
        self,
        plans: list[_Plan],
        travel: Float,
        weights: Float,
        worth: Float,
        sides: NDArray[np.int64],
        mask: NDArray[np.bool_],
    ) -> list[_Plan]:
        """Return the best plans that are one view longer, best first."""
        grown = []
        for plan in plans:
            time_s = plan.time_s + (travel if plan.last < 0 else self._travel_s[plan.last])
            mass = weights * missed(plan.detection)
            before = plan.detection[sides, np.arange(sides.shape[1])]
            gain = newly_detected(worth, before) @ mass
            spent = plan.spent + gain * time_s
            cost = spent + (mass.sum() - gain) * (time_s + self.config.rest_s)
            cost = np.where(mask, cost, np.inf)
            for view in np.argsort(cost, kind="stable")[: self.config.beam]:
                grown.append((float(cost[view]), plan, int(view), float(time_s[view]), float(spent[view])))
        grown.sort(key=lambda item: item[0])
        return [self._extended(*item[1:], worth, sides) for item in grown[: self.config.beam] if np.isfinite(item[0])]

    def _extended(
        self, plan: _Plan, view: int, time_s: float, spent: float, worth: Float, sides: NDArray[np.int64]
    ) -> _Plan:
        detection = plan.detection.copy()
        points = np.arange(detection.shape[1])
        detection[sides[view], points] = np.maximum(detection[sides[view], points], worth[view])
        return _Plan(view if plan.first < 0 else plan.first, view, time_s, spent, detection)
