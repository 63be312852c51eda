"""The simulated robot's cameras: what they deliver at each control period, and from where the robot believes it came.

A frame is drawn when it is asked for, or image by image when somebody looks at it. A dropped frame delivers the last
image again, with its own time, pose and capture id, while the joints are fresh; so the frame that is about to be
repeated is drawn before time goes on.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from robots.errors import SpecError
from robots.on_demand import OnDemand
from robots.sim.appearance import Appearance, CameraSpec, SensorSpec
from robots.sim.rendering import SceneRenderer
from robots.sim.sensor import CameraMount, degrade, is_dropped
from robots.types import CameraIntrinsics, Float, Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What all cameras saw at one instant.

    Attributes:
        captured_at_s: When, on the loop's clock [s].
        capture_id: Grows by one with every new frame, also across episodes.
        images: RGB image (h, w, 3) by camera.
        camera_to_world: Pose (4, 4) by camera, by the nominal calibration.
    """

    captured_at_s: float
    capture_id: int
    images: Mapping[str, Image]
    camera_to_world: dict[str, Float]


class Cameras:
    """Draws frames of one compiled model.

    Args:
        model: The compiled model as it was built; `begin` edits the cameras in it.
        renderer: Draws it.
        sizes_px: (width, height) by camera name; the first one is the wrist camera, which the episode may misplace.
        now: The loop's clock [s].
        on_demand: See `SimConfig.draw_on_demand`.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        renderer: SceneRenderer,
        sizes_px: Mapping[str, tuple[int, int]],
        now: Callable[[], float],
        *,
        on_demand: bool = False,
    ) -> None:
        self._model, self._renderer, self._sizes, self._now = model, renderer, dict(sizes_px), now
        self._on_demand = on_demand
        self._mounts = {name: CameraMount(model, name) for name in self._sizes}
        self._sensor, self._dropped, self._seed = SensorSpec(), 0.0, 0
        self._capture_id = self._step = 0
        self._frame: Frame | None = None
        self._repeated_qpos: Float | None = None

    @property
    def intrinsics(self) -> dict[str, CameraIntrinsics]:
        """The nominal intrinsics, by camera."""
        return {name: self._intrinsics(name) for name in self._sizes}

    def begin(self, appearance: Appearance, seed: int) -> None:
        """Set the cameras up for an episode: whatever an earlier one changed is undone."""
        for index, mount in enumerate(self._mounts.values()):
            mount.apply(appearance.camera if index == 0 else CameraSpec())
        self._sensor, self._dropped, self._seed = appearance.sensor, appearance.control.dropped_frames, seed
        self._capture(0)

    def before_step(self, data: mujoco.MjData, step: int) -> None:
        """Draw the newest frame now if `step`, the next one, will repeat it."""
        if self._repeated_qpos is None and is_dropped(self._dropped, self._seed, step):
            _draw(self.frame(data))
            self._repeated_qpos = data.qpos.copy()

    def after_step(self, step: int) -> None:
        """Go on to a new frame, unless this step's was dropped."""
        if not is_dropped(self._dropped, self._seed, step):
            self._capture(step)

    def frame(self, data: mujoco.MjData) -> Frame:
        """Return the newest frame; it is drawn and stamped on the first call for it."""
        if self._frame is None:
            images: Mapping[str, Image] = OnDemand(tuple(self._sizes), lambda name: self._image(data, name))
            if not self._on_demand:
                images = dict(images)
            poses = {name: mount.believed_pose(data) for name, mount in self._mounts.items()}
            self._frame = Frame(self._now(), self._capture_id, images, poses)
        return self._frame

    def state(self) -> list[float]:
        """Return what a restored run needs to show the same frames: the frame's step, and its scene if repeated."""
        repeated = [] if self._repeated_qpos is None else self._repeated_qpos.tolist()
        return [float(self._step), *repeated]

    def load_state(self, values: list[float]) -> None:
        """Continue from a `state` of the same episode.

        Raises:
            SpecError: The values do not fit.
        """
        if len(values) not in (1, 1 + self._model.nq) or not np.isfinite(values).all():
            raise SpecError("state.cameras: does not fit this scene.")
        self._capture(int(values[0]))
        if len(values) > 1:
            scratch = mujoco.MjData(self._model)
            self._repeated_qpos = np.array(values[1:], dtype=float)
            scratch.qpos[:] = self._repeated_qpos
            mujoco.mj_kinematics(self._model, scratch)
            mujoco.mj_camlight(self._model, scratch)
            _draw(self.frame(scratch))

    def _capture(self, step: int) -> None:
        if self._frame is not None and isinstance(self._frame.images, OnDemand):
            self._frame.images.expire()
        self._capture_id += 1
        self._step, self._frame, self._repeated_qpos = step, None, None

    def _image(self, data: mujoco.MjData, name: str) -> Image:
        image = self._renderer.color(data, name, self._sizes[name])
        return degrade(image, self._sensor, (self._seed, self._step, zlib.crc32(name.encode())))

    def _intrinsics(self, name: str) -> CameraIntrinsics:
        width, height = self._sizes[name]
        return CameraIntrinsics(width, height, focal_px=0.5 * height / math.tan(0.5 * self._mounts[name].fovy_rad))


def _draw(frame: Frame) -> None:
    """Draw what was left to be drawn on demand."""
    for image in frame.images:
        frame.images[image]
