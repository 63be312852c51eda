"""The deployable policy folder: configuration, weights, processors, and a card that says where they come from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vla_bridge.backends.checkpoints import SUMS, WEIGHTS
from vla_bridge.training.assembly import Assembly
from vla_bridge.training.config import GeneralistConfig

POLICY, CARD, CARD_PAGE = "policy", "card.json", "CARD.md"
PACKAGES = ("lerobot", "torch", "transformers")
_FROM_ROOT = re.compile(r"(?<![\w.])/(?:[^\s,'\"]*/)?([^\s,/'\"]+)")  # places on this machine: only the name is kept


def export(
    run: Assembly,
    config: GeneralistConfig,
    command: str,
    spent_s: Mapping[str, float],
    curves: Mapping[str, float],
) -> Path:
    """Write the policy folder under a temporary name, rename it, and return it.

    Args:
        run: Trained.
        config: The run.
        command: What was typed.
        spent_s: CPU and wall-clock time [s].
        curves: The last row of the training curves.
    """
    folder = Path(config.out) / POLICY
    part = folder.with_name(f"{POLICY}.part")
    shutil.rmtree(part, ignore_errors=True)
    run.accelerator.unwrap_model(run.policy).save_pretrained(part)
    run.preprocess.save_pretrained(part)
    run.postprocess.save_pretrained(part)
    card = _card(run, config, command, spent_s, curves) | {"sha256": _digest(part / WEIGHTS)}
    (part / CARD).write_text(json.dumps(card, indent=2) + "\n")
    (part / CARD_PAGE).write_text(_page(card))
    names = sorted(path.name for path in part.iterdir())
    (part / SUMS).write_text("".join(f"{_digest(part / name)}  {name}\n" for name in names))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return folder


def _card(
    run: Assembly,
    config: GeneralistConfig,
    command: str,
    spent_s: Mapping[str, float],
    curves: Mapping[str, float],
) -> dict[str, Any]:
    policy = run.accelerator.unwrap_model(run.policy)
    return {
        "policy": policy.config.type,
        "parameters": sum(parameter.numel() for parameter in policy.parameters()),
        "inputs": list(config.inputs),
        "data": {
            "names": [Path(folder).name for folder in config.dataset],
            "episodes": run.frames.episodes,
            "frames": len(run.frames),
            "tasks": len(run.frames.tasks),
            "hz": run.frames.meta.fps,
        },
        "training": {
            "command": _FROM_ROOT.sub(r"\1", command),
            "seed": config.seed,
            "updates": config.updates,
            "batch_size": config.batch_size,
            "device": config.device,
            "threads": config.threads,
            **{f"{name}_s": round(seconds, 1) for name, seconds in spent_s.items()},
            **{name: curves[name] for name in ("loss", "validation_loss") if name in curves},
        },
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _page(card: Mapping[str, Any]) -> str:
    """Return the card as a page; what was measured with the policy is for its author to add."""
    data, training = card["data"], card["training"]
    losses = [
        f"{name.replace('_', ' ')} {training[name]:.4f}" for name in ("loss", "validation_loss") if name in training
    ]
    rows = {
        "policy": f"{card['policy']}, {card['parameters']:,} parameters",
        "inputs": ", ".join(f"`{name}`" for name in card["inputs"]),
        "data": f"{', '.join(data['names'])}: {data['episodes']} episodes, {data['frames']} frames at {data['hz']} Hz, "
        f"{data['tasks']} instructions",
        "training": f"{training['updates']} updates of {training['batch_size']} frames, seed {training['seed']}",
        "cost": f"{training['cpu_s']:.0f} CPU-s, {training['wall_s']:.0f} s on {training['device']} "
        f"({training['threads']} thread{'s' if training['threads'] > 1 else ''})",
        "at the end": ", ".join(losses),
        "weights": f"`{WEIGHTS}`, SHA-256 `{card['sha256']}`; of all files: `{SUMS}`",
    }
    table = "\n".join(f"| {name} | {text} |" for name, text in rows.items())
    return f"# Generalist `{card['policy']}`\n\n| | |\n|---|---|\n{table}\n\n```\n{training['command']}\n```\n"
