"""The image encoder of the published code's shape, so that costs and results can be compared at equal size.

Four convolutions of 32 channels, 7x7, 5x5, 3x3 and 3x3, each with stride 2, then a linear layer: the encoder that AAWR
(arXiv 2512.01188) took over from FOWM (arXiv 2310.16029). With `network.critics = 5` and `network.critic = 512` beside
it, the whole network has the published size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_policy.learning.precision import scaled
from search_policy.observations import IMAGE_PX

CHANNELS = 32
KERNELS = (7, 5, 3, 3)
CRITICS, CRITIC_WIDTH = 5, 512
# Images convolved at a time. The first feature maps of 256 images take 50 MB, which the C library fetches from the
# kernel anew in every update; those of 16 stay in its heap and in the processor's cache.
PART = 16


class PublishedEncoder(nn.Module):
    """Four strided convolutions: uint8 (b, 84, 84, 3) to (b, width) in [-1, 1].

    Weights and images are channels-last: on a CPU 1.4 times as fast as the default order. The embedding ends like the
    compact encoder's, in LayerNorm and tanh, so that what reads it need not know which encoder wrote it.

    Args:
        width: Length of the embedding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for kernel in KERNELS:
            layers += [nn.Conv2d(channels, CHANNELS, kernel, stride=2), nn.ReLU()]
            channels = CHANNELS
        # torch's stub of `to` lacks the memory format.
        self.convolutions = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = nn.Sequential(nn.Linear(CHANNELS * side(IMAGE_PX) ** 2, width), nn.LayerNorm(width), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Embed images, uint8 (b, 84, 84, 3)."""
        features: Tensor = self.head(torch.cat([self._features(part) for part in image.split(PART)]))
        return features

    def _features(self, image: Tensor) -> Tensor:
        features: Tensor = self.convolutions(scaled(image)).flatten(1)
        return features


def side(image_px: int) -> int:
    """Return the side of the last feature map for square images of `image_px` [px]."""
    for kernel in KERNELS:
        image_px = (image_px - kernel) // 2 + 1
    return image_px
