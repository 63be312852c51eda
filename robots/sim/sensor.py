"""What the camera does to a rendered image, and how its mount and lens differ from what the robot believes.

Everything is drawn from (seed, step, camera), so that a replay or a restored run gets the same bytes.
"""

from __future__ import annotations

import math
import zlib
from statistics import NormalDist

import mujoco
import numpy as np

from robots.sim.appearance import CameraSpec, SensorSpec
from robots.types import Float, Image

REFERENCE_PX = 84  # image height that `SensorSpec.blur_px` refers to
OPENCV_FROM_MUJOCO = np.diag([1.0, -1.0, -1.0])  # MuJoCo cameras look along -z with y up
_DROPS = zlib.crc32(b"dropped frames")
# 256 equally likely values of a normal variable: one random byte per pixel is enough, and five times faster.
_QUANTILES = np.array([NormalDist().inv_cdf((index + 0.5) / 256) for index in range(256)])
_NORMAL = _QUANTILES / _QUANTILES.std()


def degrade(image: Image, sensor: SensorSpec, seed: tuple[int, ...]) -> Image:
    """Return an image as the camera delivers it: blurred by the lens, exposed, with read-out noise, compressed.

    Args:
        image: RGB image (h, w, 3); returned as it is when the sensor is ideal.
        sensor: The effects; each costs nothing when it is off.
        seed: What the noise is drawn from.
    """
    if sensor.blur_px > 0.0:
        image = _blurred(image, sensor.blur_px * image.shape[0] / REFERENCE_PX)
    if sensor.exposure != 1.0 or sensor.noise > 0.0:
        image = _exposed(image, sensor.exposure, sensor.noise, seed)
    return _compressed(image, sensor.jpeg_quality) if sensor.jpeg_quality else image


def is_dropped(share: float, seed: int, step: int) -> bool:
    """Whether the camera delivers its last image again after `step` control periods; never at the start."""
    return step > 0 and share > 0.0 and float(np.random.default_rng([seed, _DROPS, step]).random()) < share


class CameraMount:
    """One camera of the compiled model: moves it for an episode, and remembers where the robot believes it is.

    Args:
        model: The compiled model as it was built; `apply` edits it.
        camera: Name of the camera.
    """

    def __init__(self, model: mujoco.MjModel, camera: str) -> None:
        self._model, self._id = model, model.camera(camera).id
        self._position: Float = model.cam_pos[self._id].copy()
        self._quat: Float = model.cam_quat[self._id].copy()
        self._fovy_deg = float(model.cam_fovy[self._id])

    @property
    def fovy_rad(self) -> float:
        """The nominal vertical field of view."""
        return math.radians(self._fovy_deg)

    def apply(self, error: CameraSpec) -> None:
        """Give the camera its nominal calibration and this error, whatever was applied before."""
        model, index = self._model, self._id
        position, quat = self._position.copy(), self._quat.copy()
        if any(error.shift_m):
            axes = np.empty(9)
            mujoco.mju_quat2Mat(axes, self._quat)
            position += axes.reshape(3, 3) @ OPENCV_FROM_MUJOCO @ np.array(error.shift_m)
        if any(error.turn_rad):
            quat = _turned(self._quat, OPENCV_FROM_MUJOCO @ np.array(error.turn_rad))
        model.cam_pos[index], model.cam_quat[index] = position, quat
        model.cam_fovy[index] = self._fovy_deg + math.degrees(error.fovy_change_rad)

    def believed_pose(self, data: mujoco.MjData) -> Float:
        """Return camera_to_world (4, 4) by the nominal calibration: x right, y down, z forward."""
        body = int(self._model.cam_bodyid[self._id])
        pose, axes = np.eye(4), np.empty(9)
        position = np.empty(3)
        mujoco.mj_local2Global(data, position, axes, self._position, self._quat, body, 0)
        pose[:3, :3] = axes.reshape(3, 3) @ OPENCV_FROM_MUJOCO
        pose[:3, 3] = position
        return pose


def _turned(quat: Float, turn_rad: Float) -> Float:
    angle = float(np.linalg.norm(turn_rad))
    turn, result = np.empty(4), np.empty(4)
    mujoco.mju_axisAngle2Quat(turn, turn_rad / angle, angle)
    mujoco.mju_mulQuat(result, quat, turn)
    return result


def _blurred(image: Image, sigma_px: float) -> Image:
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.uint8)


def _exposed(image: Image, exposure: float, noise: float, seed: tuple[int, ...]) -> Image:
    import cv2

    values = cv2.LUT(image, np.rint(np.arange(256) * exposure).astype(np.int16))
    if noise > 0.0:
        draws = np.frombuffer(np.random.Generator(np.random.SFC64(seed)).bytes(image.size), np.uint8)
        values = cv2.add(values, cv2.LUT(draws.reshape(image.shape), np.rint(noise * _NORMAL).astype(np.int16)))
    return np.clip(values, 0, 255).astype(np.uint8)


def _compressed(image: Image, quality: int) -> Image:
    import cv2

    # A camera compresses its whole image and a driver scales it down: at this size, colour has its full resolution.
    full_color = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, *full_color]
    _, code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return np.asarray(cv2.cvtColor(cv2.imdecode(code, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), dtype=np.uint8)
