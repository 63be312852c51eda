"""Does a checkpoint fit the networks and optimisers that a configuration builds? Said by key, before anything loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from robots.errors import CheckpointError


def check_entries(
    held: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    state: Mapping[str, Any],
    plain: Mapping[str, Any],
    folder: Path,
) -> None:
    """Refuse a checkpoint of another configuration.

    Optimiser moments exist only after the first update, so a checkpoint may hold more of them than a fresh learner.

    Args:
        held: Tensors of the checkpoint.
        wanted: Tensors of the learner that is to continue.
        state: Plain values of the checkpoint.
        plain: Plain values of the learner that is to continue.
        folder: The checkpoint, for the message.

    Raises:
        CheckpointError: A key is missing or unknown, or its tensor has another shape or type.
    """
    for key, tensor in wanted.items():
        expected = f"{tensor.dtype} {tuple(tensor.shape)}".removeprefix("torch.")
        if key not in held:
            raise CheckpointError(_sentence(folder, f"{key!r} is missing, expected {expected}"))
        found = f"{held[key].dtype} {tuple(held[key].shape)}".removeprefix("torch.")
        if found != expected:
            raise CheckpointError(_sentence(folder, f"{key!r} is {found}, expected {expected}"))
    for key in held:
        if key not in wanted and "optimizer." not in key:
            raise CheckpointError(_sentence(folder, f"{key!r} is not expected"))
    for key in plain:
        if key not in state:
            raise CheckpointError(_sentence(folder, f"{key!r} is missing among its plain values"))


def _sentence(folder: Path, problem: str) -> str:
    return f"The checkpoint {folder} is damaged or of another configuration: {problem}."
