"""Configuration of a generalist's training: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError

INPUTS = ("observation.images.wrist", "observation.images.third_person", "observation.state")
PRIVILEGED = "privileged"


@dataclass(frozen=True, slots=True)
class GeneralistConfig:
    """How a policy is trained; the policy itself is described by the options --policy.NAME."""

    # Folders of LeRobot datasets of grasps, as `baton collect-grasps` records them
    dataset: tuple[str, ...] = ()
    # Run folder; a run that is there is continued
    out: str = "runs/generalist"
    # Columns that the policy sees
    inputs: tuple[str, ...] = INPUTS
    # Seed of the initial weights, the order of the frames, and all noise in training
    seed: int = 0
    # Updates (LeRobot's steps)
    updates: int = 20_000
    # Frames per update
    batch_size: int = 64
    # Episodes to train on, the first ones of every dataset; 0 for all that are not held out
    episodes: int = 0
    # Episodes held out for a validation loss, the last ones of every dataset
    held_out: int = 0
    # Frames of the held-out episodes that the validation loss is measured on
    validation_frames: int = 1024
    # Updates between two rows of the training curves
    log_every: int = 100
    # Updates between two checkpoints
    checkpoint_every: int = 1000
    # Checkpoints kept
    keep: int = 2
    # Rate that the dataset must have been recorded at [Hz]
    fps: int = 15
    # Torch threads
    threads: int = 1
    # Torch device: cpu, cuda, mps
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.dataset:
            raise UsageError("Name the dataset to train on with --dataset FOLDER; baton collect-grasps records one.")
        if not self.inputs:
            raise UsageError("A policy needs at least one input; name them with --inputs.")
        for name in self.inputs:
            if not name.startswith("observation.") or PRIVILEGED in name:
                raise UsageError(f"{name!r} cannot be an input: a policy sees columns named observation. only.")
        counts = (self.updates, self.batch_size, self.log_every, self.checkpoint_every, self.keep, self.threads)
        if min(counts) < 1 or min(self.episodes, self.held_out, self.seed) < 0 or self.validation_frames < 1:
            raise UsageError(
                "updates, batch_size, log_every, checkpoint_every, keep, threads and validation_frames must be at "
                "least 1, and episodes, held_out and seed at least 0."
            )
