"""Checks of a LeRobot policy folder before anything in it is used. Imports torch only inside `check_tensors`.

A folder that fails here must never serve: some policy classes answer a missing or truncated weight file with a warning
and a randomly initialised model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from robots.errors import CheckpointError

if TYPE_CHECKING:
    import torch

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PREPROCESSOR = "policy_preprocessor.json"
POSTPROCESSOR = "policy_postprocessor.json"
NAMED = 3


def read_weights_header(folder: Path, sha256: str = "") -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor in the folder's weights.

    Args:
        folder: The policy's folder.
        sha256: The digest that the weights must have, or empty.

    Raises:
        CheckpointError: A file is missing, the weights are damaged, or their digest is another one.
    """
    for name in (CONFIG, WEIGHTS, PREPROCESSOR, POSTPROCESSOR):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} is no complete policy folder: {name} is missing.")
    weights = folder / WEIGHTS
    if sha256 and (found := _digest(weights)) != sha256.lower():
        raise CheckpointError(f"{weights} has SHA-256 {found}, but {sha256} was asked for.")
    try:
        with safe_open(weights, framework="numpy") as tensors:
            return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{weights} is damaged or incomplete: {error}.") from None


def read_steps(folder: Path, name: str) -> tuple[str, ...]:
    """Return the registered names of a processor's steps.

    Raises:
        CheckpointError: The file is damaged, or a step names Python code instead of a registered step.
    """
    path = folder / name
    try:
        steps = json.loads(path.read_text())["steps"]
        names = [step.get("registry_name") for step in steps]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{path} is damaged: it does not list processor steps.") from None
    if not all(isinstance(step, str) for step in names):
        raise CheckpointError(f"{path} names Python code as a processor step; only registered steps are loaded.")
    return tuple(names)


def check_tensors(state: Mapping[str, torch.Tensor], saved: Mapping[str, tuple[int, ...]], folder: Path) -> None:
    """Check that the saved tensors are exactly those of the model.

    A tensor that shares its memory with a saved one may be left out, as safetensors does for tied weights.

    Args:
        state: The model's own tensors.
        saved: Name and shape of the saved ones.
        folder: For the message.

    Raises:
        CheckpointError: Tensors are missing, unexpected, or of another shape; the message names the first few.
    """
    stored = {_storage(state[key]) for key in saved if key in state}
    missing = [key for key in state if key not in saved and _storage(state[key]) not in stored]
    unexpected = [key for key in saved if key not in state]
    misshapen = [key for key in saved if key in state and tuple(state[key].shape) != saved[key]]
    problems = [
        f"{len(keys)} {kind} ({', '.join(keys[:NAMED])}{', ...' if len(keys) > NAMED else ''})"
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if keys
    ]
    if problems:
        raise CheckpointError(f"{folder / WEIGHTS} does not fit its config.json: tensors {', '.join(problems)}.")


def _storage(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
