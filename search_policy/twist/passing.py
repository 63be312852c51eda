"""The agent state of a camera that moves freely: candidate views count as visited when they are passed."""

from __future__ import annotations

from collections.abc import Sequence

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


def free_state(
    observation: Observation, camera: str, region: SearchRegion, seen_map: SeenMap, visits: NDArray[np.int64]
) -> AgentState:
    """Return the agent state of a decision about twists: the same parts as for views, with nothing masked.

    Args:
        observation: The newest one.
        camera: Name of the wrist camera.
        region: Where to look.
        seen_map: What was looked at.
        visits: See `PassedViews`, (v,).
    """
    position = observation.camera_to_world[camera][:3, 3]
    return AgentState(
        image=downsample(observation.images[camera]),
        proprioception=proprioception(observation, region, camera),
        seen_map=seen_map.channels(),
        views=seen_map.view_features(position, visits),
        mask=np.ones(len(visits), dtype=bool),
    )
