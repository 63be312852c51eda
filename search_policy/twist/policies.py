"""Who chooses chunks of twists."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robots.types import Float
from search_policy.observations import AgentState
from search_policy.twist.config import AXES


class ChunkPolicy(Protocol):
    """Chooses the next h levelled camera twists. Must be a function of the episode's states and of its generator."""

    def reset(self, rng: np.random.Generator) -> None:
        """Begin an episode; all randomness of the episode comes from `rng`."""
        ...

    def choose(self, state: AgentState) -> NDArray[np.float32]:
        """Return a chunk in units of the speed limits, (h, 5) in [-1, 1]; order `config.AXES`."""
        ...


class WanderingPolicy:
    """Random chunks that drift from one to the next: a lower bound to compare with, and a test of every limit.

    Args:
        horizon: Control steps per chunk.
        keep: Share of a chunk's mean that the next one keeps, in [0, 1).
    """

    def __init__(self, horizon: int = 5, keep: float = 0.8) -> None:
        self._horizon, self._keep = horizon, keep
        self._rng = np.random.default_rng(0)
        self._mean: Float = np.zeros(len(AXES))

    def reset(self, rng: np.random.Generator) -> None:
        """Take over the episode's generator."""
        self._rng = rng
        self._mean = np.zeros(len(AXES))

    def choose(self, state: AgentState) -> NDArray[np.float32]:
        """Draw a chunk, the same twist throughout."""
        self._mean = self._keep * self._mean + self._rng.normal(0.0, 0.5, len(AXES))
        return np.tile(np.clip(self._mean, -1.0, 1.0), (self._horizon, 1)).astype(np.float32)
