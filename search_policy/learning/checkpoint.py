"""The exported actor: `actor.safetensors` and `config.json`, verified by hash, key set, shapes and a strict load."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors

from robots.errors import CheckpointError
from robots.files import write_atomically
from search_policy.learning.config import READS, NetworkConfig
from search_policy.learning.heads.config import CATEGORICAL, HeadConfig
from search_policy.learning.networks import Actor, ActorSpec, InputSizes
from search_policy.learning.recall.config import MemoryConfig
from search_policy.pixels.encoders import located

FORMAT = "baton-search-actor/1"
WEIGHTS, CONFIG = "actor.safetensors", "config.json"


def save_actor(actor: Actor, folder: Path, training: dict[str, Any]) -> None:
    """Write the actor's weights and configuration.

    Args:
        actor: To be exported.
        folder: Created where missing.
        training: Plain values about how it was trained, kept in `config.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = dump_tensors({name: value.contiguous() for name, value in actor.state_dict().items()})
    described = {
        "format": FORMAT,
        "sha256": hashlib.sha256(data).hexdigest(),
        "keys": sorted(actor.state_dict()),
        "sizes": asdict(actor.spec.sizes),
        "network": asdict(actor.spec.network),
        "head": actor.spec.head,
        "policy": asdict(actor.spec.policy),
        "recall": asdict(actor.spec.recall),
        "code": actor.spec.code,
        "training": training,
    }
    write_atomically(folder / WEIGHTS, data)
    write_atomically(folder / CONFIG, (json.dumps(described, indent=2) + "\n").encode())


def load_actor(folder: Path) -> Actor:
    """Return the actor stored in `folder`, in evaluation mode.

    Raises:
        CheckpointError: A file is missing or damaged, or the weights do not fit the configuration.
    """
    described = _read_config(folder / CONFIG)
    data = _read(folder / WEIGHTS)
    if hashlib.sha256(data).hexdigest() != described.get("sha256"):
        raise CheckpointError(f"{folder / WEIGHTS} is damaged: its SHA-256 differs from the one in {CONFIG}.")
    try:
        tensors = parse_tensors(data)
        listed = sorted(tensors) == described.get("keys")
        tensors = tensors if "head" in described else _with_head(tensors)
        actor = Actor(located(_spec(described), tensors, folder))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: the search policy cannot be rebuilt: {error}.") from error
    if not listed or set(tensors) != set(actor.state_dict()):
        raise CheckpointError(f"{folder / WEIGHTS} does not hold the tensors that {CONFIG} lists.")
    load_strictly(actor, tensors, str(folder / WEIGHTS))
    return actor.eval()


def load_strictly(module: torch.nn.Module, tensors: dict[str, torch.Tensor], where: str) -> None:
    """Load tensors into a module that needs exactly them.

    Raises:
        CheckpointError: A tensor is missing, superfluous, or of another shape.
    """
    try:
        module.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{where} does not fit the networks: {str(error).splitlines()[-1].strip()}") from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        described = json.loads(_read(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise CheckpointError(f"{path} does not describe a search policy of format {FORMAT}.")
    return described


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"The search policy's {path} cannot be read: {error.strerror}.") from error


def _with_head(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of an actor saved before there were several heads, under today's names."""
    return {f"head.{key}" if key.startswith(("scorer.", "bias.")) else key: value for key, value in tensors.items()}


def _spec(described: dict[str, Any]) -> ActorSpec:
    sizes = described["sizes"]
    channels, shelves, columns = sizes["seen_map"]
    steps, entries = sizes.get("chunk", (0, 0))
    network = described["network"]
    return ActorSpec(
        InputSizes(**{**sizes, "seen_map": (channels, shelves, columns), "chunk": (steps, entries)}),
        NetworkConfig(**{**network, "reads": tuple(network.get("reads", READS))}),
        described.get("head", CATEGORICAL),
        HeadConfig(**described.get("policy", {})),
        MemoryConfig(**described.get("recall", {})),
        int(described.get("code", 0)),
    )
