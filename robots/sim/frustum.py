"""Whether a body can be in a camera's image at all: a cheap test that spares a rendering."""

from __future__ import annotations

import math

import mujoco
import numpy as np

SLACK, SLACK_M = 1.5, 0.01  # on a geom's bounding sphere, so that the test only errs towards "may be in the image"


def may_show(model: mujoco.MjModel, data: mujoco.MjData, camera: str, body: int, aspect: float) -> bool:
    """Return False only if no geom of the body reaches into the camera's field of view; what hides it is not asked.

    Args:
        model: The compiled model, as the episode arranged it.
        data: Its present state.
        camera: Name of the camera.
        body: Id of the body.
        aspect: Width of the image over its height.
    """
    index = model.camera(camera).id
    first, count = int(model.body_geomadr[body]), int(model.body_geomnum[body])
    axes = data.cam_xmat[index].reshape(3, 3)  # x right, y up, looking along -z
    across, up, back = ((data.geom_xpos[first : first + count] - data.cam_xpos[index]) @ axes).T
    radius = SLACK * model.geom_rbound[first : first + count] + SLACK_M
    tall = math.tan(0.5 * math.radians(float(model.cam_fovy[index])))
    outside = (
        (back > radius)
        | (np.abs(up) + tall * back > radius * math.hypot(1.0, tall))
        | (np.abs(across) + tall * aspect * back > radius * math.hypot(1.0, tall * aspect))
    )
    return not bool(outside.all())
