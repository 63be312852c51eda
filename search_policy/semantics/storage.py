"""An insight on disk: `insight.safetensors` and `insight.json`, verified by hash, labels, shapes and a strict load."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors

from robots.errors import CheckpointError
from robots.files import write_atomically
from search_policy.learning.checkpoint import load_strictly
from search_policy.semantics.belief import Belief
from search_policy.semantics.labels import LABELS
from search_policy.semantics.reader import Reader

FORMAT = "baton-insight/1"
FOLDER = "insight"  # of the insight inside the folder of an actor that was trained with it
WEIGHTS, CONFIG = "insight.safetensors", "insight.json"


def save_insight(reader: Reader, belief: Belief, sizes: dict[str, int], folder: Path, facts: dict[str, Any]) -> None:
    """Write both networks.

    Args:
        reader: Names what patches show.
        belief: Says where the target is.
        sizes: `channels`, `compartments` and `columns` of the map that the belief reads.
        folder: Created where missing.
        facts: Plain values about how they were trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"reader": reader, "belief": belief}
    tensors = {f"{part}.{k}": v.contiguous() for part, module in parts.items() for k, v in module.state_dict().items()}
    data = dump_tensors(tensors)
    digest = hashlib.sha256(data).hexdigest()
    described = {"format": FORMAT, "sha256": digest, "labels": LABELS, "sizes": sizes, "training": facts}
    write_atomically(folder / WEIGHTS, data)
    write_atomically(folder / CONFIG, (json.dumps(described, indent=2) + "\n").encode())


def load_insight(folder: Path) -> tuple[Reader, Belief]:
    """Return reader and belief stored in `folder`.

    Raises:
        CheckpointError: A file is missing or damaged, or the weights do not fit the configuration.
    """
    try:
        described, data = json.loads((folder / CONFIG).read_text()), (folder / WEIGHTS).read_bytes()
        if described["format"] != FORMAT or tuple(described["labels"]) != LABELS:
            raise CheckpointError(f"{folder / CONFIG} is of another format, or knows other objects than this version.")
        if hashlib.sha256(data).hexdigest() != described["sha256"]:
            raise CheckpointError(f"{folder / WEIGHTS} is damaged: its SHA-256 differs from the one in {CONFIG}.")
        tensors = parse_tensors(data)
        sizes = described["sizes"]
        belief = Belief(sizes["channels"], (sizes["compartments"], sizes["columns"]), len(LABELS))
    except OSError as error:
        raise CheckpointError(f"The insight's {error.filename} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: the insight cannot be rebuilt: {error}.") from error
    reader = Reader()
    for part, module in (("reader.", reader), ("belief.", belief)):
        own = {key.removeprefix(part): value for key, value in tensors.items() if key.startswith(part)}
        load_strictly(module, own, str(folder / WEIGHTS))
    return reader, belief


def read_facts(folder: Path) -> dict[str, Any]:
    """Return how the insight in `folder` was trained, and what it measured on what was held out."""
    facts: dict[str, Any] = json.loads((folder / CONFIG).read_text())["training"]
    return facts


def carry_insight(source: str, actor: Path) -> None:
    """Copy the insight that an actor was trained with into the actor's folder; nothing for an empty `source`.

    Raises:
        CheckpointError: It cannot be read.
    """
    if not source or Path(source) == actor / FOLDER:
        return
    load_insight(Path(source))
    (actor / FOLDER).mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, CONFIG):
        write_atomically(actor / FOLDER / name, (Path(source) / name).read_bytes())
