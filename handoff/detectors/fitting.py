"""Fit a `ColorShapeModel` to images with masks: colour table by counting, appearance score by logistic regression."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as dump_tensors
from scipy.optimize import minimize
from scipy.special import expit

from handoff.detectors.appearance import FEATURES, TABLE_SIZE, Region, color_bins
from handoff.detectors.color_shape import ColorShapeModel
from robots.errors import UsageError
from robots.types import Float, Image


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image and where the target is in it.

    Attributes:
        image: RGB, (h, w, 3).
        mask: True on the target's visible pixels, (h, w).
    """

    image: Image
    mask: NDArray[np.bool_]


def fit(images: Sequence[LabelledImage], *, l2: float = 1e-3) -> ColorShapeModel:
    """Fit a model; the first half of the images gives the colour table, all of them the appearance score.

    Args:
        images: With and without the target.
        l2: Strength of the weight penalty in the logistic regression.

    Raises:
        UsageError: No image shows the target.
    """
    if not any(item.mask.any() for item in images):
        raise UsageError("Fitting a detector needs images that show the target; none does.")
    table = color_log_ratio(images[: max(len(images) // 2, 1)])
    model = ColorShapeModel(table, np.zeros(FEATURES))
    features, labels = label_regions(model, images)
    return ColorShapeModel(table, logistic_regression(features, labels, l2=l2))


def color_log_ratio(images: Sequence[LabelledImage], *, prior_count: float = 20.0) -> Float:
    """Return ln p(colour | target) / p(colour | scene) per colour bin, smoothed by a uniform prior, flat."""
    size = TABLE_SIZE
    target, scene = np.zeros(size), np.zeros(size)
    for item in images:
        bins = color_bins(item.image)
        target += np.bincount(bins[item.mask], minlength=size)
        scene += np.bincount(bins[~item.mask], minlength=size)
    p_target = (target + prior_count / size) / (target.sum() + prior_count)
    p_scene = (scene + prior_count / size) / (scene.sum() + prior_count)
    return np.clip(np.log(p_target / p_scene), -6.0, 6.0)


def label_regions(model: ColorShapeModel, images: Sequence[LabelledImage]) -> tuple[Float, Float]:
    """Return the features (m, FEATURES) and labels (m,) of all candidate regions; see `is_target`."""
    pairs = [(r.features, is_target(r, item.mask)) for item in images for r in model.regions(item.image)]
    if not pairs:
        raise UsageError("Fitting a detector found no candidate region: the target's colours never stand out.")
    features, labels = zip(*pairs, strict=True)
    return np.stack(features), np.array(labels, dtype=np.float64)


def is_target(region: Region, mask: NDArray[np.bool_]) -> bool:
    """Return whether a region's box holds most of the visible target and at least a third of it is target."""
    left, top, right, bottom = region.box_xyxy_px
    inside = int(mask[top:bottom, left:right].sum())
    return inside > 0.5 * int(mask.sum()) and inside > 0.33 * (right - left) * (bottom - top)


def logistic_regression(features: Float, labels: Float, *, l2: float) -> Float:
    """Return the weights (f,) that minimise mean cross-entropy + l2 |w|^2 / 2."""

    def objective(weights: Float) -> tuple[float, Float]:
        logits = features @ weights
        loss = float(np.mean(np.logaddexp(0.0, logits) - labels * logits)) + 0.5 * l2 * float(weights @ weights)
        return loss, features.T @ (expit(logits) - labels) / len(labels) + l2 * weights

    found = minimize(objective, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    return np.asarray(found.x)


def save_model(model: ColorShapeModel, path: Path, meta: dict[str, object]) -> None:
    """Write `path` (safetensors) and its JSON file with the hash and `meta`; each appears whole or not at all."""
    data = dump_tensors({"log_ratio": model.log_ratio.astype(np.float32), "weights": model.weights.astype(np.float32)})
    text = json.dumps({**meta, "sha256": hashlib.sha256(data).hexdigest()}, indent=2) + "\n"
    for name, content in ((path, data), (path.with_suffix(".json"), text.encode())):
        part = name.with_name(name.name + ".part")
        part.write_bytes(content)
        os.replace(part, name)
