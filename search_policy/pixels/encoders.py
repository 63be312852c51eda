"""Image encoders by name: `compact`, `published`, or `hf:DIR`, a frozen transformers backbone below a projection.

Every encoder maps its *inputs* to embeddings (b, width) in [-1, 1]. Inputs are uint8 images (b, 84, 84, 3); a frozen
encoder also takes features (b, f), which were computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robots.errors import UsageError
from search_policy.learning.precision import scaled
from search_policy.learning.published import PublishedEncoder
from search_policy.observations import IMAGE_PX
from search_policy.pixels.backbones import PREFIX, FrozenBackbone, find_backbone, locate_backbone

if TYPE_CHECKING:
    from search_policy.learning.networks import ActorSpec
    from search_policy.pixels.config import PixelConfig

COMPACT, PUBLISHED = "compact", "published"
KINDS = (COMPACT, PUBLISHED, f"{PREFIX}DIR")


class ImageEncoder(nn.Module):
    """Three convolutions: uint8 (b, 84, 84, 3) to (b, embedding) in [-1, 1].

    The input comes channels-last, and so do the weights: 1.5 times as fast on a CPU.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 16, 8, stride=4),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=1),
            nn.ReLU(),
        )
        with torch.no_grad():
            flat = self.convolutions(torch.zeros(1, 3, IMAGE_PX, IMAGE_PX)).numel()
            for layer in self.convolutions:
                if isinstance(layer, nn.Conv2d):
                    layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
        self.head = nn.Sequential(nn.Linear(flat, width), nn.LayerNorm(width), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Embed images."""
        features: Tensor = self.head(self.convolutions(scaled(image)).flatten(1))
        return features


class FrozenEncoder(nn.Module):
    """A frozen backbone below a trained projection: images or features to (b, width) in [-1, 1].

    The backbone is not among the weights; its hash is, and weights trained on another backbone are refused.
    """

    def __init__(self, backbone: FrozenBackbone, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Sequential(
            nn.LayerNorm(backbone.width), nn.Linear(backbone.width, width), nn.LayerNorm(width), nn.Tanh()
        )
        self.register_buffer("backbone_sha256", torch.tensor(list(bytes.fromhex(backbone.sha256)), dtype=torch.uint8))

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed uint8 images (b, h, w, 3) or their features (b, f)."""
        embedding: Tensor = self.head(inputs if inputs.ndim == 2 else self.backbone.features(inputs))
        return embedding

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:  # noqa: ANN401
        errors: list[str] = args[-1]
        stored = state_dict.get(f"{prefix}backbone_sha256")
        if stored is not None and _hex(stored) != self.backbone.sha256:
            errors.append(
                f"its backbone has SHA-256 {_hex(stored)}, the one in {self.backbone.folder} has {self.backbone.sha256}"
            )
        super()._load_from_state_dict(state_dict, prefix, *args)


def build_encoder(kind: str, width: int) -> nn.Module:
    """Return an encoder with fresh weights.

    Args:
        kind: One of `KINDS`.
        width: Length of the embedding.

    Raises:
        UsageError: There is no such encoder, or no such backbone.
        CheckpointError: The backbone's files are damaged.
    """
    if kind == COMPACT:
        return ImageEncoder(width)
    if kind == PUBLISHED:
        return PublishedEncoder(width)
    if kind.startswith(PREFIX) and kind != PREFIX:
        return FrozenEncoder(FrozenBackbone.load(find_backbone(kind.removeprefix(PREFIX))), width)
    raise UsageError.unknown("encoder", kind, KINDS)


def located(spec: ActorSpec, tensors: Mapping[str, Tensor], actor: Path) -> ActorSpec:
    """Return an exported actor's specification with its frozen backbone, if it has one, where it is on this machine.

    Args:
        spec: As exported.
        tensors: The actor's weights, with the hash of the backbone that it was trained with.
        actor: Its folder.

    Raises:
        CheckpointError: The backbone is missing.
    """
    kind, stored = spec.network.encoder, tensors.get("encoder.backbone_sha256")
    if not kind.startswith(PREFIX) or stored is None:
        return spec
    folder = locate_backbone(kind.removeprefix(PREFIX), actor, _hex(stored))
    return replace(spec, network=replace(spec.network, encoder=f"{PREFIX}{folder}"))


def require_images(encoder: nn.Module, pixels: PixelConfig) -> None:
    """Refuse losses between augmented images where the encoder is fed features that were computed once.

    Raises:
        UsageError: DrAC or CURL is asked of a frozen backbone.
    """
    if isinstance(encoder, FrozenEncoder) and max(pixels.drac, pixels.curl) > 0.0:
        raise UsageError(
            "pixels: drac and curl need augmented images, and a frozen backbone sees each one once; use 0."
        )


@torch.no_grad()
def embed_all(encoder: nn.Module, inputs: NDArray[Any], chunk: int = 256) -> Tensor:
    """Return the embeddings of all inputs, images (n, h, w, 3) or features (n, f), as (n, width)."""
    parts = [encoder(torch.tensor(inputs[start : start + chunk])) for start in range(0, len(inputs), chunk)]
    return torch.cat(parts)


def _hex(sha256: Tensor) -> str:
    return bytes(sha256.tolist()).hex()
