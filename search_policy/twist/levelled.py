"""Levelled camera twists: forward, left, up [m/s], yaw rate, pitch rate [rad/s]; and the world twists they mean.

The levelled frame stands upright and is turned with the camera: *forward* and *left* are horizontal, *up* is vertical,
yaw turns about the vertical (positive to the left), pitch about the camera's horizontal right axis (positive upwards).
Roll is no part of it: a feedback term takes it back. Everything holds also for a camera that looks straight down.
"""

from __future__ import annotations

import math

import numpy as np

from robots.types import Float, Observation
from search_policy.motion.mover import MoverConfig
from search_policy.twist.config import AXES

_UP = np.array([0.0, 0.0, 1.0])
_LEAST_COSINE = 0.1  # where the camera looks almost straight up or down, yaw and roll are hardly told apart


def level_axes(camera_to_world: Float) -> Float:
    """Return forward, left and up of the levelled frame as columns, world frame, (3, 3).

    Args:
        camera_to_world: Camera pose in OpenCV's axes, (4, 4).
    """
    right = camera_to_world[:3, 0] * (1.0, 1.0, 0.0)
    if np.linalg.norm(right) < 1e-6:  # rolled by a quarter turn
        right = np.cross(camera_to_world[:3, 2], _UP)
    left = -right / max(float(np.linalg.norm(right)), 1e-9)
    return np.stack([np.cross(left, _UP), left, _UP], axis=1)


def roll_rad(camera_to_world: Float) -> float:
    """Return how far the camera is rolled about its optical axis, positive clockwise as seen in the image [rad]."""
    return math.atan2(-camera_to_world[2, 0], -camera_to_world[2, 1])


def camera_twist(levelled: Float, camera_to_world: Float, level_per_s: float = 0.0) -> Float:
    """Return the camera's twist in the world frame, (6,) [m/s, rad/s].

    Args:
        levelled: (5,) [m/s, rad/s].
        camera_to_world: Camera pose, (4, 4).
        level_per_s: Rate at which roll is taken back [1/s].
    """
    axes = level_axes(camera_to_world)
    turn = levelled[3] * _UP - levelled[4] * axes[:, 1]
    turn = turn - level_per_s * roll_rad(camera_to_world) * camera_to_world[:3, 2]
    return np.concatenate([axes @ levelled[:3], turn])


def levelled_twist(twist: Float, camera_to_world: Float) -> Float:
    """Return the levelled part of a camera twist, (6,) world frame to (5,); the inverse of `camera_twist` but for roll.

    The turn is split into yaw about the vertical, pitch about the right axis and roll about the optical axis.
    """
    axes = level_axes(camera_to_world)
    optical = camera_to_world[:3, 2]
    ahead = float(optical @ axes[:, 0])
    roll = float(twist[3:] @ axes[:, 0]) / math.copysign(max(abs(ahead), _LEAST_COSINE), ahead)
    turn = twist[3:] - roll * optical
    return np.concatenate([twist[:3] @ axes, [turn @ _UP, -(turn @ axes[:, 1])]])


def camera_twist_of(gripper_twist: Float, observation: Observation, camera: str) -> Float:
    """Return the camera's twist when the gripper point moves with `gripper_twist`, world frame, (6,) both.

    Camera and gripper are one rigid body: v_camera = v_gripper + omega x (p_camera - p_gripper).
    """
    lever = observation.camera_to_world[camera][:3, 3] - observation.gripper_to_world[:3, 3]
    twist = np.array(gripper_twist, dtype=np.float64)
    twist[:3] += np.cross(twist[3:], lever)
    return twist


def speed_limits(mover: MoverConfig) -> Float:
    """Return the levelled twist that an action of ones stands for, (5,) [m/s, rad/s]."""
    return np.repeat([mover.linear_m_s, mover.angular_rad_s], (3, 2))


def normalized(levelled: Float, mover: MoverConfig) -> Float:
    """Return a levelled twist in units of the speed limits, clipped to [-1, 1], (5,)."""
    return np.clip(levelled / speed_limits(mover), -1.0, 1.0)


def commanded(gripper_twist: Float | None, observation: Observation, camera: str, mover: MoverConfig) -> Float:
    """Return a commanded gripper twist (6,) as a levelled camera twist in units of the speed limits, (5,).

    None, no command, is rest.
    """
    if gripper_twist is None:
        return np.zeros(len(AXES))
    twist = camera_twist_of(gripper_twist, observation, camera)
    return normalized(levelled_twist(twist, observation.camera_to_world[camera]), mover)
