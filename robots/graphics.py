"""Off-screen OpenGL for the simulated cameras: choose a backend before MuJoCo is imported, and prove that it works.

`python -m robots.graphics` exits with code 0 when rendering works, and with a sentence and code 2 when not.
"""

from __future__ import annotations

import ctypes.util
import os
import sys

from robots.errors import GraphicsError

LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}
REMEDY = "Install it with: apt-get install -y libegl1 libgl1-mesa-dri"
TOO_LATE = (
    "Off-screen rendering does not work: MuJoCo was imported before its graphics backend was chosen, or has no display."
    " Set MUJOCO_GL=egl before Python starts."
)


def choose_backend() -> str:
    """Set `MUJOCO_GL` to a backend whose library is installed and return it; an existing choice is kept.

    Must run before the first import of `mujoco`.

    Raises:
        GraphicsError: Neither EGL nor OSMesa is installed, or the chosen one is not.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    if wanted and wanted not in LIBRARIES:
        return wanted
    for backend in [wanted] if wanted else list(LIBRARIES):
        if ctypes.util.find_library(LIBRARIES[backend]):
            os.environ["MUJOCO_GL"] = backend
            return backend
    missing = LIBRARIES[wanted] if wanted else "EGL or OSMesa"
    raise GraphicsError(f"The graphics library {missing} was not found, so cameras cannot be rendered. {REMEDY}")


def check_graphics() -> str:
    """Create and free an off-screen context; return the backend's name.

    Raises:
        GraphicsError: No context can be created; the message says what to install.
    """
    backend = choose_backend()
    try:
        import mujoco

        context = mujoco.GLContext(16, 16)
        context.make_current()
        _draw_nothing()
        context.free()
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise GraphicsError(f"Off-screen rendering with {backend} does not work ({error}). {REMEDY}") from error
    return backend


def _draw_nothing() -> None:
    """Create what MuJoCo draws with: a window library without a display only fails here."""
    import mujoco

    try:
        mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), mujoco.mjtFontScale.mjFONTSCALE_50).free()
    except mujoco.FatalError as error:
        raise GraphicsError(TOO_LATE) from error


if __name__ == "__main__":
    try:
        check_graphics()
    except GraphicsError as failure:
        sys.stderr.write(f"{failure}\n")
        sys.exit(2)
