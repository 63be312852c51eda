"""Everything that one update needs, built by LeRobot's own factories in the order in which its trainer builds it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from lerobot.configs import PreTrainedConfig
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from lerobot.datasets.factory import make_dataset
from lerobot.datasets.sampler import EpisodeAwareSampler, compute_sampler_state
from lerobot.optim.factory import make_optimizer_and_scheduler
from lerobot.policies.factory import make_policy, make_pre_post_processors
from lerobot.utils.feature_utils import dataset_to_policy_features
from lerobot.utils.random_utils import set_seed

from robots.errors import UsageError
from vla_bridge.training.checks import check_columns, check_folder, check_selection, check_values
from vla_bridge.training.config import GeneralistConfig
from vla_bridge.training.memory import FramesInMemory

Batch = dict[str, Any]


@dataclass(slots=True)
class Assembly:
    """What an update works on.

    Attributes:
        pipeline: LeRobot's own description of the run.
        frames: To train on.
        held_out: For the validation loss; None where nothing is held out.
        policy: In training.
        preprocess: From a collated batch to the policy's input.
        postprocess: From the policy's output to actions.
        optimizer: Of the policy's own preset.
        scheduler: Of the policy's own preset; None for a constant learning rate.
        accelerator: Runs on one device, as LeRobot's trainer does when it is started plainly.
    """

    pipeline: TrainPipelineConfig
    frames: FramesInMemory
    held_out: FramesInMemory | None
    policy: Any
    preprocess: Any
    postprocess: Any
    optimizer: torch.optim.Optimizer
    scheduler: Any
    accelerator: Accelerator

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield collated batches for ever, those that follow update `step`: a resumed run sees what it would have."""
        size, frames = self.pipeline.batch_size, self.frames
        sampler = EpisodeAwareSampler([0], [len(frames)], shuffle=True, seed=self.pipeline.seed)
        sampler.load_state_dict(compute_sampler_state(step, len(sampler), size, 1))
        while True:
            for indices in batched(sampler, size):
                yield frames.batch(indices)

    def prepared(self, batch: Batch) -> Batch:
        """Return a batch as the policy reads it: images in [0, 1], on the device, normalised, tokenized."""
        for key in self.frames.images:
            batch[key] = batch[key].to(torch.float32) / 255.0
        prepared: Batch = self.preprocess(batch)
        return prepared


def assemble(config: GeneralistConfig, policy: PreTrainedConfig) -> Assembly:
    """Read and check the dataset, and build the policy for it.

    Args:
        config: The run.
        policy: Its features are filled in here, from the columns that `config` names.

    Raises:
        UsageError: The dataset, or the policy for it, cannot be used.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    check_folder(Path(config.dataset))
    meta = _metadata(config)
    check_columns(meta.features, config)
    check_selection(meta.fps, meta.total_episodes, config)
    last = meta.total_episodes - config.held_out
    wanted = list(range(min(config.episodes or last, last)))
    _fill_features(policy, meta.features, config)
    pipeline = _pipeline(config, policy, None if len(wanted) == meta.total_episodes else wanted)
    accelerator = Accelerator(step_scheduler_with_optimizer=False, cpu=config.device == "cpu")
    set_seed(config.seed, accelerator=accelerator)
    frames, stats = _read(pipeline, config)
    held_out = None
    if config.held_out:
        rest = dataclasses.replace(pipeline.dataset, episodes=list(range(last, meta.total_episodes)))
        held_out = _read(dataclasses.replace(pipeline, dataset=rest), config)[0]
    built = make_policy(policy, ds_meta=frames.meta)
    preprocess, postprocess = make_pre_post_processors(policy, dataset_stats=stats)
    optimizer, scheduler = make_optimizer_and_scheduler(pipeline, built)
    prepared = accelerator.prepare(built, optimizer, scheduler)
    return Assembly(pipeline, frames, held_out, prepared[0], preprocess, postprocess, *prepared[1:], accelerator)


def _metadata(config: GeneralistConfig) -> LeRobotDatasetMetadata:
    try:
        return LeRobotDatasetMetadata(_name(config), root=config.dataset)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(config, error) from error


def _read(pipeline: TrainPipelineConfig, config: GeneralistConfig) -> tuple[FramesInMemory, Any]:
    try:
        dataset = make_dataset(pipeline)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(config, error) from error
    frames = FramesInMemory(dataset)
    check_values(frames, config)
    return frames, dataset.meta.stats


def _unreadable(config: GeneralistConfig, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:160]
    return UsageError(f"{config.dataset} cannot be read: {reason}; see baton data verify {config.dataset}.")


def _fill_features(policy: PreTrainedConfig, features: dict[str, Any], config: GeneralistConfig) -> None:
    """Let the policy see the named columns and nothing else; LeRobot would take all that are named observation."""
    known = dataset_to_policy_features(features)
    policy.input_features = {key: known[key] for key in config.inputs}
    policy.output_features = {"action": known["action"]}
    try:
        policy.validate_features()
    except ValueError as error:
        raise UsageError(f"The policy {policy.type} cannot use these inputs: {error}") from error


def _pipeline(config: GeneralistConfig, policy: PreTrainedConfig, episodes: list[int] | None) -> TrainPipelineConfig:
    return TrainPipelineConfig(
        dataset=DatasetConfig(_name(config), root=config.dataset, episodes=episodes, video_backend="pyav"),
        policy=policy,
        output_dir=Path(config.out),
        seed=config.seed,
        num_workers=0,
        batch_size=config.batch_size,
        steps=config.updates,
        env_eval_freq=0,
        log_freq=config.log_every,
        save_freq=config.checkpoint_every,
        optimizer=policy.get_optimizer_preset(),
        scheduler=policy.get_scheduler_preset(),
    )


def _name(config: GeneralistConfig) -> str:
    return f"local/{Path(config.dataset).name}"
