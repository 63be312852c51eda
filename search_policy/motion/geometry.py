"""Rigid-body geometry of a camera: poses that look at points, pose differences, pinhole projection."""

from __future__ import annotations

import math

import numpy as np

from robots.types import CameraIntrinsics, Float


def look_at(position_m: Float, target_m: Float) -> Float:
    """Return the levelled camera poses at positions whose optical axes pass through `target_m`.

    Args:
        position_m: Camera centres, world frame, (..., 3) [m].
        target_m: Point to look at, not straight above or below, (3,) [m].

    Returns:
        `camera_to_world`, (..., 4, 4), in OpenCV's axes (x right, y down, z forward).
    """
    forward = np.asarray(target_m, dtype=np.float64) - position_m
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    x, y, z = np.moveaxis(forward, -1, 0)
    level = np.hypot(x, y)
    right_x, right_y = y / level, -x / level
    pose = np.zeros((*forward.shape[:-1], 4, 4))
    pose[..., 0, 0], pose[..., 1, 0] = right_x, right_y
    pose[..., 0, 1], pose[..., 1, 1], pose[..., 2, 1] = -z * right_y, z * right_x, x * right_y - y * right_x
    pose[..., :3, 2], pose[..., :3, 3], pose[..., 3, 3] = forward, position_m, 1.0
    return pose


def look_at_off_axis(position_m: Float, target_m: Float, uv: tuple[float, float], camera: CameraIntrinsics) -> Float:
    """Return the camera pose at `position_m` that shows `target_m` at `uv` of the image, first order in the offset.

    Args:
        position_m: Camera centre, (3,) [m].
        target_m: Point to look at, (3,) [m].
        uv: Wanted place in the image, fractions of width and height from the upper left.
        camera: Intrinsics.
    """
    pose = look_at(position_m, target_m)
    yaw = math.atan2((uv[0] - 0.5) * camera.width_px, camera.focal_px)
    pitch = math.atan2((uv[1] - 0.5) * camera.height_px, camera.focal_px)
    pose[:3, :3] = rotation_of(np.array([0.0, 0.0, yaw])) @ pose[:3, :3] @ rotation_of(np.array([pitch, 0.0, 0.0]))
    return pose


def rotation_of(vector_rad: Float) -> Float:
    """Return the rotation matrix of a rotation vector (Rodrigues' formula). (3,) [rad] to (3, 3)."""
    angle = float(np.linalg.norm(vector_rad))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector_rad / angle
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * skew + (1.0 - math.cos(angle)) * skew @ skew


def rotation_vector(rotation: Float) -> Float:
    """Return the rotation vector of a rotation matrix, (3, 3) to (3,) [rad]; inverse of `rotation_of` up to pi."""
    cosine = min(max((float(np.trace(rotation)) - 1.0) / 2.0, -1.0), 1.0)
    angle = math.acos(cosine)
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine = math.sin(angle)
    if sine > 1e-6:
        return axis * (angle / (2.0 * sine))
    if cosine > 0.0:
        return axis * 0.5
    column = int(np.argmax(np.diag(rotation)))
    half = rotation[:, column] + np.eye(3)[:, column]
    return half / np.linalg.norm(half) * angle


def pose_difference(current: Float, target: Float) -> tuple[Float, Float]:
    """Return the displacement (3,) [m] and rotation vector (3,) [rad], both in the world frame, to the target pose."""
    return target[:3, 3] - current[:3, 3], rotation_vector(target[:3, :3] @ current[:3, :3].T)


def ray_of(uv_px: tuple[float, float], camera_to_world: Float, camera: CameraIntrinsics) -> Float:
    """Return the world direction of a pixel's ray with unit depth along the optical axis, (3,)."""
    x = (uv_px[0] - 0.5 * camera.width_px) / camera.focal_px
    y = (uv_px[1] - 0.5 * camera.height_px) / camera.focal_px
    return camera_to_world[:3, :3] @ np.array([x, y, 1.0])


def scaled(camera: CameraIntrinsics, width_px: int, height_px: int) -> CameraIntrinsics:
    """Return the intrinsics of the same camera after its image was resized."""
    return CameraIntrinsics(width_px, height_px, camera.focal_px * height_px / camera.height_px)
