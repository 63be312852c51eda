"""LeRobot's cameras for an arm that brings none of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from robots.errors import UsageError
from robots.real.link import StalePictureError, one_line
from robots.real.profile import Profile
from robots.types import Image

STALE_S = 0.3


class Camera(Protocol):
    """The part of `lerobot.cameras.Camera` that is used."""

    def connect(self) -> None:
        """Open the device."""
        ...

    def read_latest(self) -> Image:
        """Return the newest picture without waiting, RGB (h, w, 3)."""
        ...

    def disconnect(self) -> None:
        """Close the device."""
        ...


class CameraRig:
    """Opens, reads and closes cameras together.

    Args:
        cameras: By the profile's names.
        clock: The clock of LeRobot's picture time stamps [s].
    """

    def __init__(self, cameras: Mapping[str, Camera], clock: Callable[[], float] = time.perf_counter) -> None:
        self._cameras, self._clock = dict(cameras), clock
        self._open: list[Camera] = []

    def open(self) -> None:
        """Open every camera."""
        for camera in self._cameras.values():
            camera.connect()
            self._open.append(camera)

    def read(self) -> tuple[dict[str, Image], float]:
        """Return the newest pictures and the age of the oldest of them [s].

        Raises:
            StalePictureError: One is older than 0.3 s.
        """
        try:
            # Copies: drivers may reuse their buffers.
            images = {name: np.array(camera.read_latest()) for name, camera in self._cameras.items()}
        except TimeoutError as error:
            raise StalePictureError(one_line(error)) from error
        stamps = [getattr(camera, "latest_timestamp", None) for camera in self._cameras.values()]
        age_s = max([0.0, *(self._clock() - stamp for stamp in stamps if stamp is not None)])
        if age_s > STALE_S:
            raise StalePictureError(f"a picture is {age_s:.2f} s old.")
        return images, age_s

    def close(self) -> None:
        """Close the cameras that were opened."""
        while self._open:
            self._open.pop().disconnect()


def make_rig(profile: Profile) -> CameraRig:
    """Return the profile's cameras, not opened.

    Raises:
        UsageError: A camera names no device, or LeRobot refuses its options.
    """
    return CameraRig({name: _camera(name, camera.device, camera) for name, camera in profile.cameras.items()})


def _camera(name: str, device: Mapping[str, Any], camera: Any) -> Camera:  # noqa: ANN401 - `CameraProfile`
    if not device:
        raise UsageError(f"camera {name!r} needs a device, for instance {{type: opencv, index_or_path: 0, fps: 30}}.")
    import draccus
    from draccus.utils import DraccusException
    from lerobot.cameras import CameraConfig
    from lerobot.cameras.utils import make_cameras_from_configs

    from robots.lerobot_adapter.factory import robot_types

    robot_types()
    if device.get("type") not in (known := CameraConfig.get_known_choices()):
        raise UsageError.unknown("camera type", str(device.get("type")), known, where=f"camera {name}")
    try:
        config = draccus.decode(CameraConfig, {"width": camera.width_px, "height": camera.height_px, **device})
        made: dict[str, Camera] = make_cameras_from_configs({name: config})
    except (DraccusException, TypeError, ValueError, ImportError) as error:
        raise UsageError(f"camera {name!r}: {one_line(error)}") from error
    return made[name]
