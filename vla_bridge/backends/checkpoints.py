"""Checks of a LeRobot policy folder before anything in it is used. Imports torch only inside functions.

A folder that fails here must never serve: some policy classes answer a missing or truncated weight file with a warning
and a randomly initialised model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
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
SUMS = "SHA256SUMS"
CARDS = ("CARD.md", "README.md")
NAMED = 3
FOREIGN_CODE = ("action_tokenizer_processor",)  # LeRobot would run code from the hub for it
_SUM = re.compile(r"([0-9a-fA-F]{64})\s+\*?(?:\./)?(\S+)")
_CARD_SUM = re.compile(rf"{re.escape(WEIGHTS)}\W[^\n]*?\b([0-9a-fA-F]{{64}})\b")


def read_weights_header(folder: Path, sha256: str = "") -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor in the folder's weights.

    Args:
        folder: The policy's folder.
        sha256: The digest that the weights must have, or empty. Digests that the folder itself states, in a
            `SHA256SUMS` file or in its card, are checked as well.

    Raises:
        CheckpointError: A file is missing, the weights are damaged, or a digest is another one.
    """
    for name in (CONFIG, WEIGHTS, PREPROCESSOR, POSTPROCESSOR):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} is no complete policy folder: {name} is missing.")
    weights = folder / WEIGHTS
    if sha256 and (found := _digest(weights)) != sha256.lower():
        raise CheckpointError(f"{weights} has SHA-256 {found}, but {sha256} was asked for.")
    _check_stated(folder)
    try:
        with safe_open(weights, framework="numpy") as tensors:
            return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{weights} is damaged or incomplete: {error}.") from None


def read_steps(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Return the configuration of each of a processor's steps by its registered name.

    Raises:
        CheckpointError: The file is damaged, or a step would run Python code that the folder or the hub names.
    """
    path = folder / name
    try:
        steps = json.loads(path.read_text())["steps"]
        named = [(step.get("registry_name"), dict(step.get("config") or {})) for step in steps]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{path} is damaged: it does not list processor steps.") from None
    if not all(isinstance(step, str) for step, _ in named):
        raise CheckpointError(f"{path} names Python code as a processor step; only registered steps are loaded.")
    if foreign := [step for step, _ in named if step in FOREIGN_CODE]:
        raise CheckpointError(f"{path} has the step {foreign[0]}, which would run code from the hub.")
    return dict(named)


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


def check_loaded(policy: torch.nn.Module, folder: Path) -> None:
    """Check that a loaded policy's tensors are finite and that it is in evaluation mode.

    Raises:
        CheckpointError: One is not; the message names the first.
    """
    import torch

    for name, tensor in policy.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{folder / WEIGHTS} is damaged: {name} holds values that are not finite.")
    if training := [name for name, module in policy.named_modules() if module.training]:
        raise CheckpointError(f"The policy of {folder} stays in training mode: {training[0] or 'all of it'}.")


def _check_stated(folder: Path) -> None:
    for file, name, stated in _stated(folder):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / file} states the SHA-256 of {name}, which is missing.")
        if (found := _digest(folder / name)) != stated:
            raise CheckpointError(f"{folder / name} has SHA-256 {found}, but {file} states {stated}.")


def _stated(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (stating file, file, digest) for all digests that the folder states."""
    if (folder / SUMS).is_file():
        for digest, name in _SUM.findall((folder / SUMS).read_text(errors="replace")):
            yield SUMS, name, digest.lower()
    for card in CARDS:
        if (folder / card).is_file() and (found := _CARD_SUM.search((folder / card).read_text(errors="replace"))):
            yield card, WEIGHTS, found.group(1).lower()


def _storage(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
