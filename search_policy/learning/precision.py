"""The arithmetic of training's forward passes, and whether this processor has it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def autocast(precision: str, device: str = "cpu") -> torch.autocast:
    """Return the context of forward passes; weights, losses and optimisers stay in single precision.

    Args:
        precision: One of `config.PRECISIONS`.
        device: Type of the device.
    """
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")


def scaled(image: Tensor) -> Tensor:
    """Return what convolutions are fed, (b, 3, h, w) in [-0.5, 0.5], channels-last, in the arithmetic that they run in.

    Args:
        image: (b, h, w, 3), uint8 or float in [0, 255].
    """
    device = image.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    return image.permute(0, 3, 1, 2).to(dtype, copy=True).div_(255.0).sub_(0.5)


def native_bf16() -> tuple[str, ...]:
    """Return the processor's instructions for bfloat16; without any, bf16 is emulated and saves no time."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return ()
    return tuple(flag for flag in _BF16_FLAGS if flag in flags)
