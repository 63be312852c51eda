"""Fit a `ColorShapeModel` to images with masks: colour table by counting, appearance by a small network."""

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
from handoff.detectors.color_shape import TENSORS, ColorShapeModel
from robots.errors import UsageError
from robots.types import Float, Image


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """An image and where the target is in it.

    Attributes:
        image: RGB, (h, w, 3).
        mask: True on the target's visible pixels, (h, w).
        visible_fraction: Visible share of the target; only measuring uses it.
    """

    image: Image
    mask: NDArray[np.bool_]
    visible_fraction: float = 1.0


def fit(images: Sequence[LabelledImage], *, units: int = 16, l2: float = 5e-4, seed: int = 0) -> ColorShapeModel:
    """Fit a model; the first half of the images gives the colour table, all of them the appearance score.

    Args:
        images: With and without the target.
        units: Hidden units of the appearance network.
        l2: Strength of its weight penalty.
        seed: Draws its first weights.

    Raises:
        UsageError: No image shows the target.
    """
    if not any(item.mask.any() for item in images):
        raise UsageError("Fitting a detector needs images that show the target; none does.")
    table = color_log_ratio(images[: max(len(images) // 2, 1)])
    untrained = ColorShapeModel(table, np.zeros((FEATURES, units)), np.zeros(units + 1))
    features, labels = label_regions(untrained, images)
    return ColorShapeModel(table, *train_network(features, labels, units=units, l2=l2, seed=seed))


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


def train_network(features: Float, labels: Float, *, units: int, l2: float, seed: int) -> tuple[Float, Float]:
    """Train one layer of tanh units by L-BFGS on mean cross-entropy + l2 |w|^2 / 2.

    Args:
        features: (m, f).
        labels: (m,) 0 or 1.
        units: Number of hidden units, u.
        l2: Strength of the weight penalty.
        seed: Draws the first weights.

    Returns:
        Hidden weights (f, u) and output weights (u + 1,), the last one the bias.
    """
    count = features.shape[1]
    rng = np.random.default_rng(seed)
    start = np.concatenate([rng.normal(0.0, 2.0 / np.sqrt(count), count * units), rng.normal(0.0, 0.3, units), [0.0]])

    def objective(weights: Float) -> tuple[float, Float]:
        hidden, output = weights[: count * units].reshape(count, units), weights[count * units :]
        activation = np.tanh(features @ hidden)
        logits = activation @ output[:-1] + output[-1]
        loss = float(np.mean(np.logaddexp(0.0, logits) - labels * logits)) + 0.5 * l2 * float(weights @ weights)
        slope = (expit(logits) - labels) / len(labels)
        inner = features.T @ (slope[:, None] * output[:-1] * (1.0 - activation**2))
        return loss, np.concatenate([inner.ravel(), activation.T @ slope, [slope.sum()]]) + l2 * weights

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return found[: count * units].reshape(count, units), found[count * units :]


def save_model(model: ColorShapeModel, path: Path, meta: dict[str, object]) -> None:
    """Write `path` (safetensors) and its JSON file with the hash and `meta`; each appears whole or not at all."""
    data = dump_tensors({name: getattr(model, name).astype(np.float32) for name in TENSORS})
    text = json.dumps({**meta, "sha256": hashlib.sha256(data).hexdigest()}, indent=2) + "\n"
    for name, content in ((path, data), (path.with_suffix(".json"), text.encode())):
        part = name.with_name(name.name + ".part")
        part.write_bytes(content)
        os.replace(part, name)
