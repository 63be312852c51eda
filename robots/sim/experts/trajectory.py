"""From a path of postures to one joint target per control period."""

from __future__ import annotations

import numpy as np

from robots.types import Float


def interpolate(start_rad: Float, end_rad: Float, *, step_rad: float) -> Float:
    """Return a straight joint path from start to end, both included, (m, 7), no joint moving more than `step_rad`."""
    count = max(int(np.ceil(np.abs(end_rad - start_rad).max() / step_rad)), 1)
    return start_rad + np.linspace(0.0, 1.0, count + 1)[:, None] * (end_rad - start_rad)


def time_parametrize(path_rad: Float, *, speed_rad_s: float, acceleration_rad_s2: float, dt_s: float) -> Float:
    """Run along a path with a trapezoidal speed profile, at rest at both ends.

    The path's length is measured by its fastest joint, so no joint exceeds `speed_rad_s`.

    Args:
        path_rad: (m, 7) postures.
        speed_rad_s: Largest joint speed.
        acceleration_rad_s2: Slope of the profile.
        dt_s: Control period [s].

    Returns:
        (k, 7) joint targets, one per period, the last one at the path's end.
    """
    lengths = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(path_rad, axis=0)).max(axis=1))])
    total = float(lengths[-1])
    if total < 1e-9:
        return path_rad[-1:]
    peak = min(speed_rad_s, float(np.sqrt(acceleration_rad_s2 * total)))
    ramp = peak / acceleration_rad_s2
    duration = total / peak + ramp
    times = np.minimum(np.arange(1, int(np.ceil(duration / dt_s)) + 1) * dt_s, duration)
    left = np.minimum(times, ramp)
    right = np.maximum(times - (duration - ramp), 0.0)
    travelled = peak * (times - 0.5 * ramp) - 0.5 * peak * right**2 / ramp
    travelled = np.where(times < ramp, 0.5 * acceleration_rad_s2 * left**2, travelled)
    return np.column_stack([np.interp(travelled, lengths, joint) for joint in path_rad.T])
