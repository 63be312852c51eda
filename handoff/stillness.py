"""How long the arm has been at rest."""

from __future__ import annotations

import numpy as np

from robots.types import Observation


class Stillness:
    """Measures for how long every joint has been slower than a bound.

    Args:
        speed_rad_s: The bound on the fastest joint [rad/s].
    """

    def __init__(self, speed_rad_s: float) -> None:
        self._speed_rad_s = speed_rad_s
        self._since_s: float | None = None

    def update(self, observation: Observation, now: float) -> float:
        """Return the seconds for which the arm has been at rest; 0.0 while it moves or a velocity is not finite."""
        velocities = observation.joint_velocities_rad_s
        if not (np.isfinite(velocities).all() and np.abs(velocities).max(initial=0.0) < self._speed_rad_s):
            self._since_s = None
            return 0.0
        if self._since_s is None:
            self._since_s = now
        return now - self._since_s
