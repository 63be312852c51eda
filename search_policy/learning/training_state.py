"""Checkpoints of training: everything that decides the next update, so that a resumed run is bit-identical.

One folder per checkpoint, `step-00001000/`, written under a temporary name and renamed: `tensors.safetensors` holds
weights, targets, optimiser moments and torch's generator; `state.json` the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from robots.errors import CheckpointError
from search_policy.learning.checkpoint import load_strictly
from search_policy.learning.checkpoint_checks import check_entries
from search_policy.learning.learner import Resumable
from search_policy.learning.pretrain import Auxiliary

TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass(slots=True)
class TrainingState[L: Resumable]:
    """All that a run carries from one update to the next.

    Attributes:
        learner: Networks, targets, optimisers, scale.
        auxiliary: Head of the encoder's pretraining.
        auxiliary_optimizer: Optimiser of encoder and head.
        sampler: Draws batches and augmentations.
        step: Updates done, pretraining included.
    """

    learner: L
    auxiliary: Auxiliary
    auxiliary_optimizer: torch.optim.Optimizer
    sampler: np.random.Generator
    step: int = 0

    def save(self, root: Path, keep: int) -> None:
        """Write a checkpoint and delete all but the newest `keep`."""
        folder = root / f"step-{self.step:08d}"
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        data = dump_tensors(self._tensors())
        (part / TENSORS).write_bytes(data)
        state = {**self._plain(), "sha256": hashlib.sha256(data).hexdigest()}
        (part / STATE).write_text(json.dumps(state, indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
        for old in checkpoints(root)[:-keep]:
            shutil.rmtree(old)

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            CheckpointError: It is damaged, or belongs to another configuration.
        """
        try:
            data, state = (folder / TENSORS).read_bytes(), json.loads((folder / STATE).read_text())
            tensors = parse_tensors(data)
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(f"The checkpoint {folder} cannot be read: {error}.") from error
        if not isinstance(state, dict):
            raise CheckpointError(f"The checkpoint {folder} cannot be read: {STATE} holds no object.")
        if hashlib.sha256(data).hexdigest() != state.get("sha256"):
            raise CheckpointError(f"The checkpoint {folder} is damaged: its SHA-256 differs from the one in {STATE}.")
        check_entries(tensors, self._tensors(), state, self._plain(), folder)
        for name, module in self._modules().items():
            load_strictly(module, _under(tensors, f"{name}."), str(folder))
        for name, optimizer in self._optimizers().items():
            _load_optimizer(optimizer, _under(tensors, f"{name}."))
        torch.set_rng_state(tensors["torch_rng"])
        self.sampler.bit_generator.state = state["sampler"]
        self.learner.restore(state["learner"])
        self.step = state["step"]

    def _modules(self) -> dict[str, nn.Module]:
        return {**self.learner.networks(), "auxiliary": self.auxiliary}

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {**self.learner.optimizers(), "auxiliary_optimizer": self.auxiliary_optimizer}

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {"torch_rng": torch.get_rng_state()}
        for name, module in self._modules().items():
            tensors |= {f"{name}.{key}": value.clone().contiguous() for key, value in module.state_dict().items()}
        for name, optimizer in self._optimizers().items():
            for index, entry in optimizer.state_dict()["state"].items():
                tensors |= {f"{name}.{index}.{key}": value.clone().contiguous() for key, value in entry.items()}
        return tensors

    def _plain(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "sampler": self.sampler.bit_generator.state,
            "learner": self.learner.values(),
        }


def checkpoints(root: Path) -> list[Path]:
    """Return the complete checkpoints under `root`, oldest first."""
    return sorted(path for path in root.glob("step-*") if path.suffix != ".part" and (path / STATE).is_file())


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore the moments, each laid out in memory as its parameter: fused steps go through both side by side.

    The groups with their learning rates come from the configuration.
    """
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        as_stored = value.shape != parameter.shape
        moment = (
            value if as_stored else torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
        )
        state.setdefault(int(index), {})[key] = moment
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
