"""Bursts of noise on what an expert executes, so that demonstrations show how to recover (DART, arXiv 1703.09327)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.types import Float


@dataclass(frozen=True, slots=True)
class NoiseConfig:
    """What the bursts are like.

    Attributes:
        chance: That one begins in a control period.
        shortest: Fewest control periods of one.
        longest: Most control periods of one.
        linear_m_s: Standard deviation of its velocity, by axis.
        angular_rad_s: Standard deviation of its angular velocity, by axis.
        near: Factor on both near the object and while it is carried.
    """

    chance: float = 0.04
    shortest: int = 3
    longest: int = 8
    linear_m_s: float = 0.12
    angular_rad_s: float = 0.5
    near: float = 0.3


class Noise:
    """Draws bursts of a constant random twist.

    Args:
        config: What they are like.
        rng: Draws them.
    """

    def __init__(self, config: NoiseConfig, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self._left = 0
        self._twist: Float = np.zeros(6)

    def on(self, vector: Float, *, near: bool) -> Float:
        """Return an action whose first six values are a twist with the noise of this control period."""
        config = self._config
        if self._left == 0 and self._rng.random() < config.chance:
            self._left = int(self._rng.integers(config.shortest, config.longest + 1))
            self._twist = self.drift()
        if self._left == 0:
            return vector
        self._left -= 1
        noisy = vector.copy()
        noisy[:6] += (config.near if near else 1.0) * self._twist
        return noisy

    def drift(self) -> Float:
        """Return a random twist, (6,)."""
        scale = np.repeat([self._config.linear_m_s, self._config.angular_rad_s], 3)
        return np.asarray(scale * self._rng.standard_normal(6))
