"""The true label of every patch of an image, read out of the simulation: for training only."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.sim.furniture import Furniture
from robots.sim.objects import CLASSES
from search_policy.semantics.labels import LABELS, NONE, PATCH_PX

LEAST_SHARE = 0.25  # a patch is of a label that covers at least this much of it


def geom_labels(model: mujoco.MjModel, furniture: Furniture) -> NDArray[np.int64]:
    """Return the label of every geom, an index into `LABELS`, (geoms + 1,); the last entry is for no geom at all."""
    parts = {part.name: str(part.kind) for part in furniture.parts}
    bodies = [_body_label(model, body, parts) for body in range(model.nbody)]
    return np.array([LABELS.index(bodies[body]) for body in model.geom_bodyid] + [0], dtype=np.int64)


def patch_labels(ids: NDArray[np.int32], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the label of every patch of an image: the most frequent one that is not `none`, if it is frequent enough.

    Args:
        ids: Geom seen at each pixel, -1 for none, (h, w), a multiple of `PATCH_PX`.
        labels: See `geom_labels`.
    """
    rows, columns = ids.shape[0] // PATCH_PX, ids.shape[1] // PATCH_PX
    pixels = labels[ids].reshape(rows, PATCH_PX, columns, PATCH_PX).transpose(0, 2, 1, 3).reshape(rows * columns, -1)
    index = np.arange(len(pixels))[:, None] * len(LABELS) + pixels
    counts = np.bincount(index.ravel(), minlength=len(pixels) * len(LABELS)).reshape(len(pixels), len(LABELS))
    counts[:, 0] = LEAST_SHARE * PATCH_PX * PATCH_PX - 1
    return counts.argmax(axis=1).reshape(rows, columns).astype(np.uint8)


def _body_label(model: mujoco.MjModel, body: int, parts: dict[str, str]) -> str:
    """Return the label of a body, or of the one it is fixed to."""
    while body:
        name = model.body(body).name
        if name in parts:
            return parts[name]
        if name.rsplit("_", 1)[0] in CLASSES:
            return name.rsplit("_", 1)[0]
        body = int(model.body_parentid[body])
    return NONE
