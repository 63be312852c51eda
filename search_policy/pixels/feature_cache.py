"""Features of a frozen backbone on disk: each image is looked at once, however many runs and seeds learn from it.

A feature is found by the SHA-256 of its image and of its backbone, so data sets, splits and growing buffers share
them. A backbone's folder holds parts, each a safetensors file that appears whole or not at all: a killed run loses at
most the part in progress.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn
from tqdm import tqdm

from robots.files import write_atomically
from search_policy.pixels.encoders import FrozenEncoder

PART_IMAGES = 256
LOG = logging.getLogger(__name__)


class FeatureExtractor(Protocol):
    """What a cache asks: `FrozenBackbone` is one."""

    sha256: str
    width: int

    def features(self, image: Tensor) -> Tensor:
        """Return features of uint8 (b, h, w, 3), (b, width)."""
        ...


class FeatureCache:
    """Features of one backbone.

    Args:
        root: Folder of all backbones' features.
        backbone: Computes what is missing.
    """

    def __init__(self, root: Path, backbone: FeatureExtractor) -> None:
        self._backbone = backbone
        self._folder = root / backbone.sha256[:16]

    def features(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the images' features, computing and storing those that are missing, (n, width).

        Args:
            image: uint8 (n, h, w, 3).
        """
        names = [hashlib.sha256(plane.tobytes()).hexdigest() for plane in image]
        known = self._stored()
        missing = [row for row, name in _first_rows(names).items() if name not in known]
        starts = range(0, len(missing), PART_IMAGES)
        for start in tqdm(starts, desc="features", disable=None if missing else True):
            rows = missing[start : start + PART_IMAGES]
            part = self._backbone.features(torch.tensor(image[rows]))
            self._store([names[row] for row in rows], part)
            known |= {names[row]: feature for row, feature in zip(rows, part, strict=True)}
        return torch.stack([known[name] for name in names]) if names else torch.zeros(0, self._backbone.width)

    def _stored(self) -> dict[str, Tensor]:
        known: dict[str, Tensor] = {}
        for path in sorted(self._folder.glob("part-*.safetensors")):
            part = self._read_part(path)
            if part is None:
                LOG.warning("%s is damaged: its features are computed anew.", path)
                path.unlink(missing_ok=True)
                continue
            known |= part
        return known

    def _read_part(self, path: Path) -> dict[str, Tensor] | None:
        """Return features by image, or None when the part is not what its name says."""
        try:
            data = path.read_bytes()
            tensors = parse_tensors(data)
            names, features = tensors["image"], tensors["features"]
        except (OSError, SafetensorError, KeyError):
            return None
        fits = features.ndim == 2 and features.shape == (len(names), self._backbone.width)
        if path.name != _part_name(data) or not fits:
            return None
        return {bytes(name.tolist()).hex(): feature for name, feature in zip(names, features, strict=True)}

    def _store(self, names: Sequence[str], features: Tensor) -> None:
        image = torch.tensor([list(bytes.fromhex(name)) for name in names], dtype=torch.uint8)
        data = dump_tensors({"image": image, "features": features.contiguous()})
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / _part_name(data), data)


def encoder_inputs(encoder: nn.Module, image: NDArray[np.uint8], features: Path) -> NDArray[Any]:
    """Return what an encoder is trained on: the images, or a frozen backbone's features of them, (n, width).

    Args:
        encoder: By `build_encoder`.
        image: uint8 (n, h, w, 3).
        features: Folder of the feature cache.
    """
    if isinstance(encoder, FrozenEncoder):
        return FeatureCache(features, encoder.backbone).features(image).numpy()
    return image


def _part_name(data: bytes) -> str:
    """Return a part's name: its own hash, so that damage shows and parallel runs never write to one name."""
    return f"part-{hashlib.sha256(data).hexdigest()[:32]}.safetensors"


def _first_rows(names: Sequence[str]) -> dict[int, str]:
    """Return the first row of each name."""
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        first.setdefault(name, row)
    return {row: name for name, row in first.items()}
