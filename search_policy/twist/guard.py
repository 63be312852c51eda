"""Keeps a freely moving camera in its box and the hand clear of the furniture, by bending velocities, never by raising.

What is asked for is bent so that the hand could still stop in time; what would enter is taken away in that direction
only, so that the hand slides along (a velocity-level barrier, as in Ames et al., arXiv 1903.11199, on the clearance).
"""

from __future__ import annotations

import numpy as np

from robots.region import SearchRegion
from robots.types import Float
from search_policy.motion.geometry import rotation_of
from search_policy.motion.keepout import KeepOut
from search_policy.motion.mover import MoverConfig
from search_policy.motion.viewpoints import ViewConfig, camera_box

_PASSES = 6
_STEP = 1e-5  # of the finite differences [m] [rad]
_TURN_M_PER_RAD = 0.35  # a turn of one radian counts as much as this shift when a velocity is bent
_WEIGHT = np.repeat([1.0, 1.0 / _TURN_M_PER_RAD**2], 3)
_BOX_SLACK_M = 0.002  # by which the camera's arc in one period may miss its box


class Guard:
    """Bends camera twists.

    Args:
        region: The furniture.
        views: Where the camera may be.
        mover: Speed limits, and accelerations with which the hand can stop.
        margin_m: Air between hand and furniture that twists are bent to keep [m]; half of it is never given up.
        control_hz: Rate of the twists.
    """

    def __init__(
        self, region: SearchRegion, views: ViewConfig, mover: MoverConfig, *, margin_m: float, control_hz: float
    ) -> None:
        self._keep_out = KeepOut.of(region)
        box = camera_box(region, views)
        self._low, self._high = np.array(box.low_m), np.array(box.high_m)
        self._mover = mover
        self._margin_m = margin_m
        self._dt_s = 1.0 / control_hz

    def bend(self, twist: Float, camera_to_world: Float) -> Float:
        """Return the camera twist nearest to `twist` from which the hand can stop in time, world frame, (6,)."""
        bent = self._capped(twist)
        reach = np.repeat(self._reach_s(bent), 3)
        bent = self._within_box(bent, camera_to_world[:3, 3], reach[0])
        asked = self._asked(camera_to_world, self._margin_m)
        for _ in range(_PASSES):
            ahead = moved(camera_to_world, bent * reach)
            lacking = asked - float(self._keep_out.clearance_m(ahead))
            if lacking <= 1e-6:
                return self._capped(bent)
            slope = self._slope(ahead)
            bent = bent + _WEIGHT * slope * (lacking / max(float(slope @ (_WEIGHT * slope)), 1e-9)) / reach
            bent = self._within_box(bent, camera_to_world[:3, 3], reach[0])
        return np.zeros(6)

    def admits(self, gripper_twist: Float, camera_to_world: Float, gripper_m: Float) -> bool:
        """Return whether one control period of this twist leaves the hand clear and the camera in its box.

        What is too close or outside already may stay as it is, or come out.

        Args:
            gripper_twist: Of the gripper point, world frame, (6,) [m/s, rad/s].
            camera_to_world: Camera pose, (4, 4).
            gripper_m: The gripper point, which the hand turns about, (3,) [m].
        """
        step = gripper_twist * self._dt_s
        following = moved(camera_to_world, step)
        lever = camera_to_world[:3, 3] - gripper_m
        following[:3, 3] += rotation_of(step[3:]) @ lever - lever
        clear = self._keep_out.clearance_m(following) >= self._asked(camera_to_world, 0.5 * self._margin_m) - 1e-9
        now, then = self._outside(camera_to_world[:3, 3]), self._outside(following[:3, 3])
        return bool(clear) and bool((then <= np.maximum(now, _BOX_SLACK_M)).all())

    def _capped(self, twist: Float) -> Float:
        """Return the twist at no more than the speed limits."""
        limits = np.array([self._mover.linear_m_s, self._mover.angular_rad_s])
        speeds = np.linalg.norm(np.reshape(twist, (2, 3)), axis=1)
        return twist * np.repeat(np.minimum(1.0, limits / np.maximum(speeds, 1e-9)), 3)

    def _asked(self, camera_to_world: Float, margin_m: float) -> float:
        return min(margin_m, float(self._keep_out.clearance_m(camera_to_world)))

    def _reach_s(self, twist: Float) -> tuple[float, float]:
        """Return how far ahead to look, for shift and turn: one period, and the time to brake [s]."""
        speed, rate = float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))
        return self._dt_s + speed / self._mover.linear_m_s2, self._dt_s + rate / self._mover.angular_rad_s2

    def _within_box(self, twist: Float, position_m: Float, reach_s: float) -> Float:
        fastest = np.maximum(self._high - position_m, 0.0) / reach_s
        slowest = np.minimum(self._low - position_m, 0.0) / reach_s
        twist[:3] = np.clip(twist[:3], slowest, fastest)
        return twist

    def _outside(self, position_m: Float) -> Float:
        return np.maximum(np.maximum(self._low - position_m, position_m - self._high), 0.0)

    def _slope(self, camera_to_world: Float) -> Float:
        """Return the clearance's derivative by shift and turn of the camera, (6,), by central differences."""
        nudges = np.concatenate([np.eye(6), -np.eye(6)]) * _STEP
        air = self._keep_out.clearance_m(np.stack([moved(camera_to_world, nudge) for nudge in nudges]))
        return (air[:6] - air[6:]) / (2.0 * _STEP)


def moved(camera_to_world: Float, motion: Float) -> Float:
    """Return a pose (4, 4) after a shift (3,) [m] and a turn (3,) [rad] about itself, both in the world frame."""
    pose = camera_to_world.copy()
    pose[:3, :3] = rotation_of(motion[3:]) @ camera_to_world[:3, :3]
    pose[:3, 3] += motion[:3]
    return pose
