"""Where the wrist camera stands at a handoff: poses that show a point at a wanted distance and place in the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.sim import arm
from robots.sim.kinematics import ArmKinematics
from robots.types import Float

HALF_VIEW = math.tan(0.5 * math.radians(arm.WRIST_FOVY_DEG))  # of the square image, at one metre [m]
TIP_LEAD_M = 0.15  # the camera stays this far before the furniture: the finger tips lie ahead of it
LOWEST_M = 0.12
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ViewRange:
    """What is drawn.

    Attributes:
        distance_m: Distance from the camera to the point.
        off: The point's place in the image: the larger of |x| and |y|, each from -1 to 1 at the borders.
        yaw_rad: Largest turn of the line of sight from straight ahead.
        pitch_rad: Its downward slope.
        roll_rad: Largest tilt of the horizon.
    """

    distance_m: Span
    off: Span
    yaw_rad: float = 0.6
    pitch_rad: Span = (-0.12, 0.42)
    roll_rad: float = 0.05


def draw_camera(
    rng: np.random.Generator, point_m: Float, view: ViewRange, front_x_m: float, yaw_rad: float | None = None
) -> Float | None:
    """Return a camera pose (4, 4), or None where the drawn one is inside the furniture or near the floor.

    Args:
        rng: Draws it.
        point_m: What is looked at, (3,).
        view: Ranges.
        front_x_m: Front plane of the furniture.
        yaw_rad: Turn of the line of sight, if it is not to be drawn.
    """
    distance = float(rng.uniform(*view.distance_m))
    turn = rng.normal(0.5 * math.atan2(point_m[1], point_m[0]), 0.3) if yaw_rad is None else yaw_rad
    yaw = float(np.clip(turn, -view.yaw_rad, view.yaw_rad))
    pitch = float(rng.uniform(*view.pitch_rad))
    sight = np.array([math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), -math.sin(pitch)])
    position = point_m - distance * sight
    across, along = _place(rng, view.off)
    roll = float(rng.uniform(-view.roll_rad, view.roll_rad))
    if position[0] > front_x_m - TIP_LEAD_M or position[2] < LOWEST_M:
        return None
    return _placed(position, sight, across, along, roll)


def gripper_pose(camera_to_world: Float, kinematics: ArmKinematics) -> Float:
    """Return the gripper pose (4, 4) that goes with a pose of the wrist camera."""
    reference = kinematics.forward(kinematics.rest_rad)
    camera_to_gripper = np.linalg.inv(reference.camera_to_world) @ reference.gripper_to_world
    pose: Float = camera_to_world @ camera_to_gripper
    return pose


def _place(rng: np.random.Generator, off: Span) -> tuple[float, float]:
    """Draw a place in the image whose distance from the centre, by the larger coordinate, lies in a span."""
    far, near = float(rng.uniform(*off)), float(rng.uniform(-1.0, 1.0))
    sign = 1.0 if rng.random() < 0.5 else -1.0
    return (sign * far, near * far) if rng.random() < 0.6 else (near * far, sign * far)


def _placed(position: Float, sight: Float, across: float, along: float, roll: float) -> Float:
    """Return the camera pose that shows what lies along `sight` at (across, along), x right and y down in [-1, 1].

    A pixel (u, v) of a level camera that looks down by p lies below the horizon by asin((sin p + v cos p) / n), where
    n = sqrt(1 + u^2 + v^2), and to the right of the camera's heading by atan(u / (cos p - v sin p)).
    """
    u, v = across * HALF_VIEW, along * HALF_VIEW
    below = -sight[2] * math.sqrt(1.0 + u * u + v * v) / math.hypot(1.0, v)
    pitch = math.asin(min(max(below, -1.0), 1.0)) - math.atan(v)
    yaw = math.atan2(sight[1], sight[0]) + math.atan2(u, math.cos(pitch) - v * math.sin(pitch))
    forward = np.array([math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), -math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward]) @ _about_z(roll)
    pose[:3, 3] = position
    return pose


def _about_z(angle_rad: float) -> Float:
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
