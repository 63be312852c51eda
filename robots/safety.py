"""Safety limits on joint targets and gripper twists: pure functions, on by default in every robot adapter.

Joint limits keep three promises for a joint that moves with velocity `v` [rad/s] and gets a new target every `dt_s`:
its position stays inside its range, its velocity within `velocity_rad_s`, and the change of its velocity within
`acceleration_rad_s2`; near a bound the velocity is limited to what the acceleration can still brake away
(v^2 <= 2 a d). These are software limits: they are no safety-rated function.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace

import numpy as np

from robots.errors import UsageError
from robots.types import Float


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """The envelope that every command is clipped to.

    Attributes:
        lower_rad: Smallest joint positions, n values.
        upper_rad: Largest joint positions, n values.
        velocity_rad_s: Largest joint speeds, n values.
        acceleration_rad_s2: Largest joint accelerations, n values.
        workspace_min_m: Lower corner of the box that the gripper point must stay in, world frame.
        workspace_max_m: Upper corner of that box.
    """

    lower_rad: tuple[float, ...]
    upper_rad: tuple[float, ...]
    velocity_rad_s: tuple[float, ...]
    acceleration_rad_s2: tuple[float, ...]
    workspace_min_m: tuple[float, float, float]
    workspace_max_m: tuple[float, float, float]

    def __post_init__(self) -> None:
        lengths = {len(self.lower_rad), len(self.upper_rad), len(self.velocity_rad_s), len(self.acceleration_rad_s2)}
        if len(lengths) != 1 or lengths == {0}:
            raise UsageError("safety limits: position, velocity and acceleration need one value per joint each.")
        # Every comparison with NaN is false: without this check it would pass all of those below.
        if not all(math.isfinite(value) for values in astuple(self) for value in values):
            raise UsageError("safety limits: every value must be finite.")
        if any(low >= high for low, high in zip(self.lower_rad, self.upper_rad, strict=True)):
            raise UsageError("safety limits: every lower joint limit must be below its upper limit.")
        if any(low >= high for low, high in zip(self.workspace_min_m, self.workspace_max_m, strict=True)):
            raise UsageError("safety limits: every lower workspace bound must be below its upper bound.")
        if min(*self.velocity_rad_s, *self.acceleration_rad_s2) <= 0.0:
            raise UsageError("safety limits: velocities and accelerations must be positive.")

    def scaled(self, speed: float) -> SafetyLimits:
        """Return the same envelope with velocities and accelerations times `speed`.

        Raises:
            UsageError: `speed` is not in (0, 1].
        """
        if not 0.0 < speed <= 1.0:
            raise UsageError(f"speed must be above 0 and at most 1, not {speed}.")
        return replace(
            self,
            velocity_rad_s=tuple(speed * value for value in self.velocity_rad_s),
            acceleration_rad_s2=tuple(speed * value for value in self.acceleration_rad_s2),
        )


def limit_joint_target(
    limits: SafetyLimits, position_rad: Float, velocity_rad_s: Float, target_rad: Float, dt_s: float
) -> Float:
    """Return the nearest joint target that respects position, velocity and acceleration limits.

    A velocity already above its limit is braked as hard as the acceleration limit allows. A joint outside its range
    may only move back in, at the same limits: it never jumps to the bound.

    Args:
        limits: The envelope.
        position_rad: Last commanded positions, (n,) [rad].
        velocity_rad_s: Last commanded velocities, (n,) [rad/s].
        target_rad: Wanted positions after `dt_s`, (n,) [rad].
        dt_s: Control period [s].

    Returns:
        (n,) joint positions [rad].
    """
    acceleration = np.asarray(limits.acceleration_rad_s2)
    wanted = (np.asarray(target_rad, dtype=np.float64) - position_rad) / dt_s
    low, high = _velocity_window(limits, position_rad, dt_s)
    bounded = np.clip(wanted, low, high)
    reachable = np.clip(bounded, velocity_rad_s - acceleration * dt_s, velocity_rad_s + acceleration * dt_s)
    lower, upper = np.minimum(limits.lower_rad, position_rad), np.maximum(limits.upper_rad, position_rad)
    return np.clip(position_rad + reachable * dt_s, lower, upper)


def limit_workspace_velocity(limits: SafetyLimits, point_m: Float, velocity_m_s: Float, dt_s: float) -> Float:
    """Clip a point's velocity so that it stays inside the workspace box; outside, only motion back in is left.

    Args:
        limits: The envelope.
        point_m: Gripper point in the world frame, (3,) [m].
        velocity_m_s: Its wanted velocity, (3,) [m/s].
        dt_s: Control period [s].

    Returns:
        (3,) velocity [m/s].
    """
    low = np.minimum((np.asarray(limits.workspace_min_m) - point_m) / dt_s, 0.0)
    high = np.maximum((np.asarray(limits.workspace_max_m) - point_m) / dt_s, 0.0)
    return np.clip(velocity_m_s, low, high)


def limit_twist(twist: Float, linear_m_s: float, angular_rad_s: float) -> Float:
    """Scale a twist down so that its linear and angular speeds respect their bounds; the direction is kept.

    Args:
        twist: Linear [m/s] and angular [rad/s] velocity, (6,).
        linear_m_s: Largest linear speed.
        angular_rad_s: Largest angular speed.

    Returns:
        (6,) twist.
    """
    linear = float(np.linalg.norm(twist[:3])) / linear_m_s
    angular = float(np.linalg.norm(twist[3:])) / angular_rad_s
    return twist / max(linear, angular, 1.0)


def _velocity_window(limits: SafetyLimits, position_rad: Float, dt_s: float) -> tuple[Float, Float]:
    """Return the lowest and highest allowed velocity of each joint, (n,) each [rad/s].

    The largest speed `v` from which a joint at distance d can still stop, moving one period first, solves
    v dt + v^2 / (2 a) = d.
    """
    velocity = np.asarray(limits.velocity_rad_s)
    acceleration = np.asarray(limits.acceleration_rad_s2)
    slack = acceleration * dt_s

    def brake(distance_rad: Float) -> Float:
        return np.sqrt(slack**2 + 2.0 * acceleration * np.maximum(distance_rad, 0.0)) - slack

    low = -np.minimum(velocity, brake(position_rad - np.asarray(limits.lower_rad)))
    high = np.minimum(velocity, brake(np.asarray(limits.upper_rad) - position_rad))
    return low, high
