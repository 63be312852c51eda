"""The agent state of a camera that moves freely: passed views count as visited, and the present motion is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.region import SearchRegion
from robots.types import Float, Observation
from search_policy.memory.seen_map import SeenMap
from search_policy.motion.viewpoints import View
from search_policy.observations import AgentState, downsample, proprioception
from search_policy.twist.config import TwistConfig


class PassedViews:
    """Which candidate views the camera has come close to.

    Args:
        views: The candidate views.
        config: What counts as close.

    Attributes:
        visits: 1 for every view that was passed, (v,).
    """

    def __init__(self, views: Sequence[View], config: TwistConfig) -> None:
        poses = np.stack([view.camera_to_world for view in views])
        self._positions, self._axes = poses[:, :3, 3], poses[:, :3, 2]
        self._pass_m, self._least_cosine = config.pass_m, np.cos(config.pass_rad)
        self.reset()

    def reset(self) -> None:
        """Forget the last episode."""
        self.visits: NDArray[np.int64] = np.zeros(len(self._positions), dtype=np.int64)

    def update(self, camera_to_world: Float) -> None:
        """Take in where the camera is, (4, 4)."""
        near = np.linalg.norm(self._positions - camera_to_world[:3, 3], axis=1) < self._pass_m
        near &= self._axes @ camera_to_world[:3, 2] > self._least_cosine
        self.visits[near] = 1


@dataclass(frozen=True, slots=True)
class FreeCamera:
    """What the agent state of a freely moving camera is made from.

    Attributes:
        region: Where it looks.
        camera: Its name in `Observation.images`.
        seen_map: What was looked at.
    """

    region: SearchRegion
    camera: str
    seen_map: SeenMap

    def state(self, observation: Observation, visits: NDArray[np.int64], motion: Float) -> AgentState:
        """Return the agent state of a decision about twists: the same parts as for views, with nothing masked.

        Its proprioception ends with the present motion: without it, a policy that wavers between two views at every
        chunk cannot keep to the one it has set out for.

        Args:
            observation: The newest one.
            visits: See `PassedViews`, (v,).
            motion: The last commanded levelled twist in units of the speed limits, (5,).
        """
        position = observation.camera_to_world[self.camera][:3, 3]
        return AgentState(
            image=downsample(observation.images[self.camera]),
            proprioception=np.append(proprioception(observation, self.region, self.camera), np.float32(motion)),
            seen_map=self.seen_map.channels(),
            views=self.seen_map.view_features(position, visits),
            mask=np.ones(len(visits), dtype=bool),
        )
