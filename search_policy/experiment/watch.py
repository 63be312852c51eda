"""A simulation that keeps an eye on how a search goes, and forgoes what only a critic would need."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.sim.episode import EpisodeSpec
from robots.types import Action, Float, Task
from search_policy.episodes.simulator import SimulatedWorld
from search_policy.episodes.world import CAMERA
from search_policy.memory.seen_map import SeenMap
from search_policy.motion.viewpoints import candidate_views
from search_policy.skill import SearchConfig

STEEP_RAD = math.radians(50.0)  # no candidate view looks up or down more steeply
SEEN_SHARE = 0.002  # of the image: a target that covers less does not count as seen


@dataclass(slots=True)
class Watch:
    """What happened in an episode so far, counted in control steps.

    Attributes:
        seen: Steps in which the camera showed the target.
        floor: Steps in which it looked steeply down.
        ceiling: Steps in which it looked steeply up.
        idle: Longest stretch without anything newly seen and without the target in view.
        coverage: Fraction of the region seen.
        since_new: Steps of the running stretch.
    """

    seen: int = 0
    floor: int = 0
    ceiling: int = 0
    idle: int = 0
    coverage: float = 0.0
    since_new: int = 0

    def note(self, elevation_rad: float, coverage: float, *, seen: bool) -> None:
        """Take in one control step.

        Args:
            elevation_rad: Of the viewing direction above the horizon.
            coverage: Fraction of the region seen so far.
            seen: Whether the camera shows the target.
        """
        self.seen += seen
        self.floor += elevation_rad < -STEEP_RAD
        self.ceiling += elevation_rad > STEEP_RAD
        self.since_new = 0 if seen or coverage > self.coverage else self.since_new + 1
        self.idle, self.coverage = max(self.idle, self.since_new), coverage


class WatchedWorld(SimulatedWorld):
    """The simulation, for judging searches: fills a `Watch`, keeps drawn layouts, and has no visibility for critics.

    Args:
        wrist_px: Width and height of the wrist image.
        randomization: What varies besides the layout.
        scene: Name of the furniture.
        search: How the skills look around, for the watch's own map of what was seen.
    """

    def __init__(self, wrist_px: tuple[int, int], *, randomization: str, scene: str, search: SearchConfig) -> None:
        super().__init__(wrist_px, randomization=randomization, scene=scene)
        views = candidate_views(self.region, search.views)
        self._map = SeenMap(self.region, self.intrinsics, views, search.seen_map)
        self._specs: dict[tuple[str, int], EpisodeSpec] = {}
        self._least_px = SEEN_SHARE * wrist_px[0] * wrist_px[1]
        self.watch = Watch()

    def reset(self, task: str, seed: int) -> Task:
        """Set up the layout of that seed; it is drawn once."""
        known = self._specs.get((task, seed))
        if known is not None:
            return self.reset_to(known)
        described = super().reset(task, seed)
        assert self.spec is not None, "the layout was just set up"
        self._specs[task, seed] = self.spec
        return described

    def reset_to(self, spec: EpisodeSpec) -> Task:
        """Set up a given layout and begin a new watch."""
        described = super().reset_to(spec)
        self._map.reset(self.closed)
        self.watch = Watch()
        return described

    def act(self, action: Action | None) -> None:
        """Note how things stand, then execute one control period."""
        pose = self.observe().camera_to_world[CAMERA]
        self._map.update(pose)
        self.watch.note(_elevation_rad(pose), self._map.coverage, seen=bool(self.truth().visible_px >= self._least_px))
        super().act(action)

    def visibility(self) -> float:
        """Return NaN: a critic's input, which costs two renderings and has no place in an evaluation."""
        return float("nan")


def _elevation_rad(camera_to_world: Float) -> float:
    return float(np.arcsin(np.clip(camera_to_world[2, 2], -1.0, 1.0)))
