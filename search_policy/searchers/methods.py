"""Every way to search, by name: learned, exhaustive, planned, random, and two with privileged knowledge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from robots.errors import UsageError
from robots.sim.episode import EpisodeSpec
from robots.types import Float
from search_policy.episodes.rollout import Rollout, RolloutConfig, SearchEpisode
from search_policy.episodes.simulator import SimulatedWorld
from search_policy.episodes.world import CAMERA, DetectorFactory
from search_policy.motion.viewpoints import View, candidate_views
from search_policy.searchers.choosers import SHIPPED, Chooser, PolicyChooser, RandomChooser, SweepChooser
from search_policy.searchers.oracle import FirstOpen, goal_views, quickest_first, rush_view, shortest
from search_policy.searchers.planner import PlannedCoverage
from search_policy.skill import SearchConfig
from search_policy.twist.config import TwistConfig
from search_policy.twist.deploy import TwistSetup, rollout_of
from search_policy.twist.learned import TwistPolicy

METHODS: dict[str, str] = {
    "search": "learned search",
    "twist": "learned search that steers the camera by chunks of twists",
    "likely": "next best views by the learned policy's own reading of the images, without reinforcement",
    "sweep": "exhaustive scan, compartment by compartment",
    "coverage": "planned next best views, uniform prior",
    "coverage-prior": "planned next best views, prior from the layout's cues, read without error",
    "random": "random views",
    "oracle": "quickest view that shows the target (privileged)",
    "rush": "straight at the target without looking (privileged)",
}


def find_method(name: str) -> str:
    """Return the name of a way to search.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in METHODS:
        raise UsageError.unknown("search method", name, METHODS)
    return name


def build_chooser(name: str, views: tuple[View, ...], policy: Path = SHIPPED) -> Chooser:
    """Return the chooser of a method that needs no privileged knowledge.

    Raises:
        UsageError: There is no such method, or it is privileged.
        CheckpointError: The learned search's weights cannot be loaded.
    """
    makers: dict[str, Callable[[], Chooser]] = {
        "search": lambda: PolicyChooser.load(policy),
        "likely": lambda: _likely(policy),
        "sweep": lambda: SweepChooser(views),
        "coverage": PlannedCoverage,
        "coverage-prior": PlannedCoverage,
        "random": RandomChooser,
    }
    if name not in makers:
        raise UsageError.unknown("search method", name, makers)
    return makers[name]()


def _likely(policy: Path) -> Chooser:
    from search_policy.searchers.likely import LikelyChooser

    return LikelyChooser.load(policy)


@dataclass(frozen=True, slots=True)
class SearcherConfig:
    """How a `Searcher` runs.

    Attributes:
        method: One of `METHODS`.
        search: How the search skill looks around.
        rollout: When a rollout stops.
        policy: Folder of the learned search's weights.
    """

    method: str
    search: SearchConfig
    rollout: RolloutConfig
    policy: Path = SHIPPED


class Searcher:
    """Runs single layouts with one method: an episode depends on its seed alone, not on those before it.

    Args:
        world: Simulation.
        config: Method and limits.
        detector: Makes each episode's detector.
        prior_of: Returns the prior of a layout, (compartments, columns), for
            `coverage-prior`. It reads the layout's cues as an ideal perception would.

    Raises:
        UsageError: There is no such method.
        CheckpointError: The learned search's weights cannot be loaded.
    """

    def __init__(
        self,
        world: SimulatedWorld,
        config: SearcherConfig,
        detector: DetectorFactory,
        prior_of: Callable[[EpisodeSpec], Float] | None = None,
    ) -> None:
        self._world, self._config, self._detector, self._prior_of = world, config, detector, prior_of
        self._views = candidate_views(world.region, config.search.views)
        apart = find_method(config.method) in ("oracle", "rush", "twist")
        self._chooser = None if apart else build_chooser(config.method, self._views, config.policy)
        self._twists = TwistPolicy.load(config.policy) if config.method == "twist" else None

    def run(self, task: str, seed: int) -> SearchEpisode:
        """Run one layout."""
        if self._config.method == "oracle":
            return self._oracle(task, seed)
        if self._config.method == "rush":
            return self._rush(task, seed)
        if self._twists is not None:
            setup = TwistSetup(self._config.search, self._config.rollout, TwistConfig())
            return rollout_of(self._world, self._twists, setup, seed=seed).run(task, seed, self._detector)
        assert self._chooser is not None
        if self._config.method == "coverage-prior" and isinstance(self._chooser, PlannedCoverage) and self._prior_of:
            self._world.reset(task, seed)
            assert self._world.spec is not None, "the world was reset"
            self._chooser.weigh(self._prior_of(self._world.spec))
        return self._rollout(self._chooser, seed).run(task, seed, self._detector)

    def _rollout(
        self, chooser: Chooser, seed: int, views: tuple[View, ...] | None = None, max_steps: int | None = None
    ) -> Rollout:
        limits = self._config.rollout
        if max_steps is not None:
            limits = replace(limits, max_steps=max_steps)
        return Rollout.build(self._world, chooser, self._config.search, limits, seed=seed, views=views)

    def _start(self, task: str, seed: int) -> tuple[Float | None, Float]:
        """Return the target's centre, (3,) or None when it is absent, and the camera's pose at the start, (4, 4)."""
        self._world.reset(task, seed)
        return self._world.truth().position_m, self._world.observe().camera_to_world[CAMERA]

    def _oracle(self, task: str, seed: int) -> SearchEpisode:
        target, start = self._start(task, seed)
        if target is None:
            return self._rollout(FirstOpen(()), seed).run(task, seed, self._detector)
        goals = goal_views(self._views, self._world.region, target, start)
        fractions = self._world.visible_from(goals)
        order = quickest_first(goals, fractions, start, self._config.search.mover)
        episodes: list[SearchEpisode] = []

        def attempt(first: tuple[int, ...], limit: int | None) -> int | None:
            episodes.append(self._rollout(FirstOpen(first), seed, goals, limit).run(task, seed, self._detector))
            return episodes[-1].steps if episodes[-1].found else None

        shortest(attempt, order)
        return min(episodes, key=lambda episode: (not episode.found, episode.steps))

    def _rush(self, task: str, seed: int) -> SearchEpisode:
        target, start = self._start(task, seed)
        if target is None:
            return self._rollout(FirstOpen(()), seed).run(task, seed, self._detector)
        views = (rush_view(np.asarray(target), start, self._world.region),)
        return self._rollout(FirstOpen((0,)), seed, views).run(task, seed, self._detector)
