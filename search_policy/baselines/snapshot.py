"""A run's checkpoint: named tensors and plain values in one folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from robots.errors import CheckpointError
from search_policy.learning.training_state import STATE, TENSORS, checkpoints


def write_snapshot(folder: Path, tensors: Mapping[str, Tensor], plain: Mapping[str, Any], keep: int) -> None:
    """Write a checkpoint and delete all but the newest `keep` beside it."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    data = dump_tensors({name: value.clone().contiguous() for name, value in tensors.items()})
    (part / TENSORS).write_bytes(data)
    described = {**plain, "sha256": hashlib.sha256(data).hexdigest()}
    (part / STATE).write_text(json.dumps(described, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    for old in checkpoints(folder.parent)[:-keep]:
        shutil.rmtree(old)


def read_snapshot(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a checkpoint's tensors and plain values.

    Raises:
        CheckpointError: It is damaged.
    """
    try:
        data, plain = (folder / TENSORS).read_bytes(), json.loads((folder / STATE).read_text())
        tensors = parse_tensors(data)
    except (OSError, json.JSONDecodeError, SafetensorError) as error:
        raise CheckpointError(f"The checkpoint {folder} cannot be read: {error}.") from error
    if hashlib.sha256(data).hexdigest() != plain.get("sha256"):
        raise CheckpointError(f"The checkpoint {folder} is damaged: its SHA-256 differs from the one in {STATE}.")
    return tensors, plain


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the moments by name; the groups with their learning rates come from the configuration."""
    entries = optimizer.state_dict()["state"].items()
    return {f"{index}.{key}": value for index, entry in entries for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the moments: the inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
