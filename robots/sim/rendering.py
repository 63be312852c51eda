"""Off-screen rendering of a scene: colour and segmentation, one OpenGL context per robot, created on first use."""

from __future__ import annotations

import weakref

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.errors import GraphicsError
from robots.graphics import REMEDY, TOO_LATE
from robots.types import Image

TARGET_GROUP = 5  # geom group of the target, so that it can be drawn alone
_MAX_GEOMS = 600


class SceneRenderer:
    """Renders cameras of one model. The OpenGL context is bound to the thread of the first call.

    Args:
        model: The compiled model.
        shadows: Draw the shadows of the lights that cast any; several times as expensive.
    """

    def __init__(self, model: mujoco.MjModel, *, shadows: bool = False) -> None:
        self._model, self._shadows = model, shadows
        self._context: mujoco.MjrContext | None = None
        self._everything = mujoco.MjvOption()
        self._everything.geomgroup[:] = 1
        self._target_only = mujoco.MjvOption()
        self._target_only.geomgroup[:] = 0
        self._target_only.geomgroup[TARGET_GROUP] = 1
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def color(self, data: mujoco.MjData, camera: str, size_px: tuple[int, int]) -> Image:
        """Return an RGB image (h, w, 3); `size_px` is (width, height)."""
        return self._render(data, camera, size_px, self._everything, segment=False)

    def geom_ids(
        self,
        data: mujoco.MjData,
        camera: str,
        size_px: tuple[int, int],
        drawn: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int32]:
        """Return the id of the geom seen at each pixel, (h, w); -1 where there is none.

        Args:
            data: What is drawn.
            camera: Name of the camera.
            size_px: (width, height).
            drawn: Geoms that are drawn, (g,); None draws all.
        """
        if drawn is None:
            return self._segment(data, camera, size_px, self._everything)
        groups = self._model.geom_group.copy()
        self._model.geom_group[:] = np.where(drawn, TARGET_GROUP, 0)
        try:
            return self._segment(data, camera, size_px, self._target_only)
        finally:
            self._model.geom_group[:] = groups

    def target_alone_px(self, data: mujoco.MjData, camera: str, size_px: tuple[int, int]) -> int:
        """Return how many pixels the target would cover with nothing in front of it."""
        return int((self._segment(data, camera, size_px, self._target_only) >= 0).sum())

    def open(self) -> None:
        """Create the OpenGL context now; otherwise the first image does.

        Raises:
            GraphicsError: There is no usable OpenGL library.
        """
        self._ready()

    def close(self) -> None:
        """Free the OpenGL context; a later call creates a new one."""
        if self._context is not None:
            self._free()
            self._context = None

    def _segment(
        self, data: mujoco.MjData, camera: str, size_px: tuple[int, int], option: mujoco.MjvOption
    ) -> NDArray[np.int32]:
        raw = self._render(data, camera, size_px, option, segment=True).astype(np.int32)
        index = raw[..., 0] + (raw[..., 1] << 8) + (raw[..., 2] << 16)
        table = np.full(self._scene.ngeom + 1, -1, dtype=np.int32)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                table[geom.segid + 1] = geom.objid
        return table[index]

    def _render(
        self,
        data: mujoco.MjData,
        camera: str,
        size_px: tuple[int, int],
        option: mujoco.MjvOption,
        *,
        segment: bool,
    ) -> Image:
        context = self._ready()
        self._camera.fixedcamid = self._model.camera(camera).id
        mujoco.mjv_updateScene(self._model, data, option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene)
        for flag in (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR):
            self._scene.flags[flag] = segment
        width, height = size_px
        rect = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rect, self._scene, context)
        image = np.empty((height, width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(image, None, rect, context)
        return np.ascontiguousarray(image[::-1])

    def _ready(self) -> mujoco.MjrContext:
        if self._context is None:
            screen = self._model.vis.global_
            self._gl = _open_gl(int(screen.offwidth), int(screen.offheight))
            self._scene = mujoco.MjvScene(self._model, _MAX_GEOMS)
            for flag in ("REFLECTION", "SKYBOX", "FOG", "HAZE"):
                self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = False
            self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self._shadows
            self._context = _open_context(self._model)
            self._free = weakref.finalize(self, _free, self._gl, self._context)
            self._free.atexit = False
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        else:
            self._gl.make_current()
        return self._context


def _open_gl(width: int, height: int) -> mujoco.GLContext:
    try:
        context = mujoco.GLContext(width, height)
        context.make_current()
    except (AttributeError, ImportError, RuntimeError, OSError) as error:
        raise GraphicsError(f"Off-screen rendering does not work ({error}). {REMEDY}") from error
    return context


def _open_context(model: mujoco.MjModel) -> mujoco.MjrContext:
    try:
        return mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
    except mujoco.FatalError as error:
        raise GraphicsError(TOO_LATE) from error


def _free(gl: mujoco.GLContext, context: mujoco.MjrContext) -> None:
    """Free a context under its own OpenGL context: MuJoCo's destructor would free in whichever one is current."""
    gl.make_current()
    context.free()
    gl.free()
