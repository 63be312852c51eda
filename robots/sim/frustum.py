"""Which bodies can be in a camera's image, and which can hide which: tests on bounding spheres that spare drawing.

They only err towards "may be in the image" and "may hide it".
"""

from __future__ import annotations

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.types import Float

SLACK, SLACK_M = 1.2, 0.005  # on a geom's bounding sphere


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
    own = _geoms_of(model, body)
    axes = data.cam_xmat[index].reshape(3, 3)  # x right, y up, looking along -z
    across, up, back = ((data.geom_xpos[own] - data.cam_xpos[index]) @ axes).T
    radius = _radius(model)[own]
    tall = math.tan(0.5 * math.radians(float(model.cam_fovy[index])))
    outside = (
        (back > radius)
        | (np.abs(up) + tall * back > radius * math.hypot(1.0, tall))
        | (np.abs(across) + tall * aspect * back > radius * math.hypot(1.0, tall * aspect))
    )
    return not bool(outside.all())


def may_hide(model: mujoco.MjModel, data: mujoco.MjData, camera: str, body: int) -> NDArray[np.bool_]:
    """Return which geoms may cover a pixel that a body covers, and lie no farther than it; its own among them, (g,).

    Args:
        model: The compiled model, as the episode arranged it.
        data: Its present state.
        camera: Name of the camera.
        body: Id of the body.
    """
    own, radius = _geoms_of(model, body), _radius(model)
    place, eye = data.geom_xpos, data.cam_xpos[model.camera(camera).id]
    middle = place[own].mean(axis=0)
    reach = float((np.linalg.norm(place[own] - middle, axis=1) + radius[own]).max())
    to_body, to_geoms = middle - eye, place - eye
    far, distance = float(np.linalg.norm(to_body)), np.linalg.norm(to_geoms, axis=1)
    cosine = to_geoms @ to_body / np.maximum(distance * far, 1e-9)
    apart = np.arccos(np.clip(cosine, -1.0, 1.0))
    overlap = apart <= _half_angle(radius, distance) + _half_angle(np.array(reach), np.array(far))
    may: NDArray[np.bool_] = (overlap & (distance - radius <= far + reach)) | (model.geom_rbound == 0.0)
    may[own] = True
    return may


def _geoms_of(model: mujoco.MjModel, body: int) -> slice:
    first = int(model.body_geomadr[body])
    return slice(first, first + int(model.body_geomnum[body]))


def _radius(model: mujoco.MjModel) -> Float:
    """Return the radius of every geom's bounding sphere, slack included, (g,) [m]; an infinite plane's is 0."""
    return SLACK * model.geom_rbound + SLACK_M


def _half_angle(radius: Float, distance: Float) -> Float:
    """Return half the angle under which a sphere is seen [rad]; half a turn from within it."""
    inside = distance <= radius
    return np.where(inside, math.pi, np.arcsin(np.clip(radius / np.maximum(distance, 1e-9), 0.0, 1.0)))
