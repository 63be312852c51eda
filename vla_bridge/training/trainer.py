"""Trains a generalist: LeRobot's update step over frames in memory; a run that was killed is continued.

A continued run ends with the same weights as one that was never interrupted: weights, moments, schedule and random
generators are restored, and the order of the frames follows from the seed and the number of updates alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lerobot.scripts.lerobot_train import update_policy
from lerobot.utils.logging_utils import AverageMeter, MetricsTracker
from tqdm import tqdm

from robots.curves import Curves
from robots.errors import UsageError
from vla_bridge.training.assembly import Assembly, assemble
from vla_bridge.training.checkpoints import checkpoints, read_checkpoint, write_checkpoint
from vla_bridge.training.config import GeneralistConfig
from vla_bridge.training.export import POLICY, export
from vla_bridge.training.policy_options import policy_config
from vla_bridge.training.run_folder import check_claim, claim

METERS = ("loss", "grad_norm", "lr", "update_s", "dataloading_s")


def train(config: GeneralistConfig, policy: Mapping[str, Any], command: str = "") -> Path:
    """Train and return the folder of the exported policy; a finished run is left as it is.

    Args:
        config: The run.
        policy: Options of the policy, see `policy_options.policy_config`.
        command: What was typed, for the card.

    Raises:
        UsageError: The options, the dataset or the run folder cannot be used, or the loss diverged.
        CheckpointError: The run's checkpoint is damaged.
    """
    torch.set_num_threads(config.threads)
    out, chosen = Path(config.out), policy_config(policy, config.device)
    described = {**asdict(config), "policy": dict(policy)}
    if check_claim(out, described) and (out / POLICY).is_dir():
        return out / POLICY
    run = assemble(config, chosen)
    claim(out, described)
    saved = checkpoints(out)
    step, spent_s = read_checkpoint(run, saved[-1]) if saved else (0, {"cpu": 0.0, "wall": 0.0})
    spent_s, curves = _learn(run, config, step, spent_s)
    return export(run, config, command, spent_s, curves)


def _learn(
    run: Assembly, config: GeneralistConfig, step: int, spent_s: dict[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Do the updates that are left; return what all have cost, and the last row of the curves."""
    out, curves, clock = Path(config.out), Curves(Path(config.out), step), _Clock(spent_s)
    tracker, batches, row = _tracker(run, step), run.batches(step), dict[str, float]()
    with tqdm(total=config.updates, initial=step, desc=run.pipeline.policy.type, disable=None) as bar:
        while step < config.updates:
            began = time.perf_counter()
            batch = run.prepared(next(batches))
            tracker.dataloading_s = time.perf_counter() - began
            tracker, _ = update_policy(
                tracker,
                run.policy,
                batch,
                run.optimizer,
                run.pipeline.optimizer.grad_clip_norm,
                accelerator=run.accelerator,
                lr_scheduler=run.scheduler,
            )
            step += 1
            _check_loss(tracker, step)
            bar.update()
            if step % config.log_every == 0 or step == config.updates:
                row = _row(run, tracker, config, clock)
                curves.append(step, row)
                bar.set_postfix(loss=f"{row['loss']:.4f}")
            if step % config.checkpoint_every == 0 or step == config.updates:
                write_checkpoint(run, out, step, clock.spent_s(), config.keep)
    curves.close()
    return clock.spent_s(), row


def _check_loss(tracker: MetricsTracker, step: int) -> None:
    """Stop a run that diverged, before it overwrites a good checkpoint."""
    if not math.isfinite(tracker.loss.val):
        raise UsageError(f"Training diverged at update {step}: the loss is not finite; lower --policy.optimizer_lr.")


class _Clock:
    """Counts on from what a run had cost when it was interrupted."""

    def __init__(self, before_s: Mapping[str, float]) -> None:
        self._cpu_s = before_s["cpu"] - time.process_time()
        self._wall_s = before_s["wall"] - time.perf_counter()

    def spent_s(self) -> dict[str, float]:
        """Return CPU and wall-clock time of the whole run [s]."""
        return {"cpu": self._cpu_s + time.process_time(), "wall": self._wall_s + time.perf_counter()}


def _tracker(run: Assembly, step: int) -> MetricsTracker:
    meters = {name: AverageMeter(name) for name in METERS}
    size, frames = run.pipeline.batch_size, run.frames
    return MetricsTracker(size, len(frames), frames.episodes, meters, initial_step=step)


def _row(run: Assembly, tracker: MetricsTracker, config: GeneralistConfig, clock: _Clock) -> dict[str, float]:
    """Return the averages since the last row, the validation loss, and the cost so far."""
    row = {name: meter.avg for name, meter in tracker.metrics.items()}
    tracker.reset_averages()
    if run.held_out is not None:
        row["validation_loss"] = _validation_loss(run, run.held_out, config)
    return row | {f"{name}_s": seconds for name, seconds in clock.spent_s().items()}


def _validation_loss(run: Assembly, held_out: Any, config: GeneralistConfig) -> float:  # noqa: ANN401
    """Return the mean loss on frames spread over the held-out episodes; training's random numbers are untouched."""
    count = min(config.validation_frames, len(held_out))
    rows = torch.linspace(0, len(held_out) - 1, count).round().long()
    total = 0.0
    run.policy.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        for part in rows.split(config.batch_size):
            loss, _ = run.policy.forward(run.prepared(held_out.batch(part)))
            total += loss.item() * len(part)
    run.policy.train()
    return total / count
