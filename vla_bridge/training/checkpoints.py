"""Checkpoints in LeRobot's own layout, each written under a temporary name and renamed.

`checkpoints/001000/pretrained_model` is a policy folder, `checkpoints/001000/training_state` the rest of what decides
the next update.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from lerobot.common.train_utils import get_step_checkpoint_dir, load_training_state, save_checkpoint
from lerobot.utils.constants import CHECKPOINTS_DIR, PRETRAINED_MODEL_DIR
from safetensors import SafetensorError
from safetensors.torch import load_model

from robots.errors import CheckpointError
from vla_bridge.backends.checkpoints import WEIGHTS, check_tensors, read_weights_header
from vla_bridge.training.assembly import Assembly

SPENT, PART = "spent.json", ".part"


def checkpoints(out: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first."""
    folder = out / CHECKPOINTS_DIR
    return sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def write_checkpoint(run: Assembly, out: Path, step: int, spent_s: dict[str, float], keep: int) -> None:
    """Write a checkpoint and delete all but the newest ones.

    Args:
        run: To be saved.
        out: Run folder.
        step: Updates done.
        spent_s: What the run has cost so far, by name [s].
        keep: How many checkpoints stay.
    """
    folder = get_step_checkpoint_dir(out, run.pipeline.steps, step)
    part = folder.with_name(folder.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    save_checkpoint(
        part,
        step,
        run.pipeline,
        run.accelerator.unwrap_model(run.policy),
        run.optimizer,
        run.scheduler,
        run.preprocess,
        run.postprocess,
        num_processes=1,
        batch_size=run.pipeline.batch_size,
    )
    (part / SPENT).write_text(json.dumps(spent_s) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    for old in checkpoints(out)[:-keep]:
        shutil.rmtree(old)


def read_checkpoint(run: Assembly, folder: Path) -> tuple[int, dict[str, float]]:
    """Continue from a checkpoint, and return the updates done and what they cost, by name [s].

    Raises:
        CheckpointError: It is damaged, or of another policy.
    """
    model = folder / PRETRAINED_MODEL_DIR
    policy = run.accelerator.unwrap_model(run.policy)
    check_tensors(policy.state_dict(), read_weights_header(model), model)
    try:
        load_model(policy, model / WEIGHTS, strict=True, device=str(run.accelerator.device))
        step, _, _ = load_training_state(folder, run.optimizer, run.scheduler)
        spent: dict[str, float] = json.loads((folder / SPENT).read_text())
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(
            f"The checkpoint {folder} is damaged ({error}); delete it to continue from the one before."
        ) from error
    return step, spent
