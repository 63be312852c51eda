"""How much a frame adds to what earlier frames already said.

Two frames from nearly the same place show nearly the same picture, and a detector errs on both alike. Counting them as
independent would let a look-alike confirm itself by being looked at for long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.errors import UsageError
from robots.types import Float


@dataclass(frozen=True, slots=True)
class DependenceConfig:
    """Correlation of a detector's log-likelihood ratios between consecutive frames.

    Attributes:
        still_correlation: Correlation between two frames from the same place.
        distance_m: The correlation falls by 1/e per this camera translation: about half an object's size [m].
        angle_rad: The correlation falls by 1/e per this camera rotation [rad].
    """

    still_correlation: float = 0.6
    distance_m: float = 0.04
    angle_rad: float = 0.15

    def __post_init__(self) -> None:
        if not 0.0 <= self.still_correlation < 1.0:
            raise UsageError("trigger.dependence.still_correlation must be at least 0 and below 1.")
        if min(self.distance_m, self.angle_rad) <= 0.0:
            raise UsageError("trigger.dependence: distance_m and angle_rad must be positive.")


def camera_displacement(before: Float, after: Float) -> tuple[float, float]:
    """Return the translation [m] and rotation [rad] between two camera poses, (4, 4) each."""
    moved_m = float(np.linalg.norm(after[:3, 3] - before[:3, 3]))
    cosine = 0.5 * (float(np.trace(before[:3, :3].T @ after[:3, :3])) - 1.0)
    return moved_m, math.acos(min(max(cosine, -1.0), 1.0))


def correlation(config: DependenceConfig, moved_m: float, turned_rad: float) -> float:
    """Return the correlation rho of two frames' evidence after the camera moved: rho0 exp(-d/d0 - a/a0)."""
    return config.still_correlation * math.exp(-moved_m / config.distance_m - turned_rad / config.angle_rad)


def evidence_weight(rho: float) -> float:
    """Return the share of a frame's evidence that is new: (1 - rho) / (1 + rho).

    This is the ratio of effective to actual observations in a long first-order autoregressive series: Bartlett, "Some
    aspects of the time-correlation problem", J. R. Stat. Soc. 98, 1935.
    """
    return (1.0 - rho) / (1.0 + rho)
