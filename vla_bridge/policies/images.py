"""The images of a batch, as both policies take them: all cameras there, and varied while training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from robots.errors import SchemaError
from vla_bridge.policies.augmentation import color_jitter, random_shift
from vla_bridge.policies.options import TARGET


def check_cameras(config: Any, batch: dict[str, Any]) -> None:  # noqa: ANN401
    """Check that every camera of the policy is in the batch.

    Raises:
        SchemaError: One is not; nothing is ever filled in for it.
    """
    if missing := [key for key in config.image_features if key not in batch]:
        raise SchemaError(f"{missing[0]}: the policy needs it, but the batch does not hold it.")


def varied(config: Any, batch: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Return the batch with randomly shifted and coloured images, and the target moved with the one that shows it."""
    batch = dict(batch)
    for key in config.image_features:
        images, moved_px = random_shift(batch[key], config.shift_px)
        batch[key] = color_jitter(images, config.brightness, config.contrast)
        if key == config.target_camera and TARGET in batch:
            batch[TARGET] = _moved(batch[TARGET], moved_px, images)
    return batch


def _moved(target: Tensor, moved_px: Tensor, images: Tensor) -> Tensor:
    """Return the target where a shift of `moved_px` (right, down) puts it; out of the image it is not visible."""
    height, width = images.shape[-2:]
    place = target[:, :2] + moved_px * (2.0 / moved_px.new_tensor([width, height]))
    visible = target[:, 2] * (place.abs() <= 1.0).all(dim=1)
    return torch.cat((place, visible[:, None]), dim=1)
