"""How long the camera's way from one pose to another takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.types import Float
from search_policy.motion.geometry import pose_difference
from search_policy.motion.keepout import KeepOut
from search_policy.motion.mover import MoverConfig


@dataclass(frozen=True, slots=True)
class LookTimes:
    """How long the way to a view and the look from there take.

    Attributes:
        keep_out: What the hand keeps clear of.
        limits: Of the motion.
        dwell_s: Time at a view besides travelling: dwelling, starting and settling [s].
        detour_s: Extra time of a way that leads around a drawer or door [s].
    """

    keep_out: KeepOut
    limits: MoverConfig
    dwell_s: float = 0.3
    detour_s: float = 0.5

    def between(self, start: Float, end: Float) -> float:
        """Return the time from one camera pose (4, 4) until a look from another is done [s]."""
        detour = 0.0 if self.keep_out.is_clear(start, end) else self.detour_s
        return travel_s(start, end, self.limits) + self.dwell_s + detour


def travel_s(start: Float, end: Float, limits: MoverConfig) -> float:
    """Return the duration of the straight motion between two camera poses at the mover's limits [s]."""
    shift, turn = pose_difference(start, end)
    linear = ramp_s(float(np.linalg.norm(shift)), limits.linear_m_s, limits.linear_m_s2)
    return max(linear, ramp_s(float(np.linalg.norm(turn)), limits.angular_rad_s, limits.angular_rad_s2))


def ramp_s(distance: float, speed: float, acceleration: float) -> float:
    """Return the duration of a motion from rest to rest with a trapezoidal speed [s]."""
    if distance < speed * speed / acceleration:
        return 2.0 * float(np.sqrt(distance / acceleration))
    return distance / speed + speed / acceleration
