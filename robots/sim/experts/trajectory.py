"""From paths of postures to one joint target per control period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.types import Float

CLOSE_STEPS = 9
OPEN_STEPS = 3


@dataclass(frozen=True, slots=True, eq=False)
class JointPlan:
    """Joint targets for a whole motion, one per control period.

    Attributes:
        joints_rad: (k, n).
        gripper: (k,) 0.0 open to 1.0 closed.
    """

    joints_rad: Float
    gripper: Float

    def __len__(self) -> int:
        return len(self.joints_rad)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast plans are executed.

    Attributes:
        transit_rad_s: Largest joint speed in free space.
        approach_rad_s: Largest joint speed near furniture and objects.
        acceleration_rad_s2: Joint acceleration.
        dt_s: Control period [s].
    """

    transit_rad_s: float = 1.2
    approach_rad_s: float = 0.6
    acceleration_rad_s2: float = 3.0
    dt_s: float = 1 / 15


def rest(q_rad: Float, steps: int, gripper: float) -> JointPlan:
    """Stay at one posture for some control periods."""
    return JointPlan(np.repeat(q_rad[None], steps, axis=0), np.full(steps, gripper))


def follow(path_rad: Float, gripper: float, speed_rad_s: float, pace: Pace) -> JointPlan:
    """Run along a path (m, n) at rest at both ends, no joint faster than `speed_rad_s`."""
    joints = time_parametrize(
        path_rad, speed_rad_s=speed_rad_s, acceleration_rad_s2=pace.acceleration_rad_s2, dt_s=pace.dt_s
    )
    return JointPlan(joints, np.full(len(joints), gripper))


def join(*plans: JointPlan) -> JointPlan:
    """Execute plans one after the other."""
    return JointPlan(
        np.concatenate([plan.joints_rad for plan in plans]), np.concatenate([plan.gripper for plan in plans])
    )


def interpolate(start_rad: Float, end_rad: Float, *, step_rad: float) -> Float:
    """Return a straight joint path from start to end, both included, (m, n), no joint moving more than `step_rad`."""
    count = max(int(np.ceil(np.abs(end_rad - start_rad).max() / step_rad)), 1)
    return start_rad + np.linspace(0.0, 1.0, count + 1)[:, None] * (end_rad - start_rad)


def time_parametrize(path_rad: Float, *, speed_rad_s: float, acceleration_rad_s2: float, dt_s: float) -> Float:
    """Run along a path with a trapezoidal speed profile, at rest at both ends.

    The path's length is measured by its fastest joint, so no joint exceeds `speed_rad_s`.

    Args:
        path_rad: (m, n) postures.
        speed_rad_s: Largest joint speed.
        acceleration_rad_s2: Slope of the profile.
        dt_s: Control period [s].

    Returns:
        (k, n) joint targets, one per period, the last one at the path's end.
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
