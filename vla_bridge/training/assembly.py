"""Everything that one update needs, built by LeRobot's own factories in the order in which its trainer builds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from lerobot.configs import PreTrainedConfig
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets.compute_stats import aggregate_stats
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from lerobot.datasets.factory import make_dataset
from lerobot.datasets.sampler import EpisodeAwareSampler, compute_sampler_state
from lerobot.optim.factory import make_optimizer_and_scheduler
from lerobot.policies.factory import make_policy, make_pre_post_processors
from lerobot.utils.feature_utils import dataset_to_policy_features
from lerobot.utils.random_utils import set_seed

from robots.errors import UsageError
from vla_bridge.backends.hub import go_offline
from vla_bridge.training.checks import check_alike, check_columns, check_folder, check_selection, check_values
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
        sampler = EpisodeAwareSampler(
            *frames.episode_bounds(),
            drop_n_last_frames=getattr(self.pipeline.policy, "drop_n_last_frames", 0),
            shuffle=True,
            seed=self.pipeline.seed,
        )
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
    go_offline()  # LeRobot asks the hub for whatever a dataset's folder lacks
    metas = [_checked(folder, config) for folder in config.dataset]
    check_alike([meta.features for meta in metas], config.dataset)
    _fill_features(policy, metas[0].features, config)
    pipeline = _pipeline(config, policy)
    accelerator = Accelerator(step_scheduler_with_optimizer=False, cpu=config.device == "cpu")
    set_seed(config.seed, accelerator=accelerator)
    frames = _read(pipeline, [_trained_on(meta, config) for meta in metas], config)
    held_out = _read(pipeline, [_held_out(meta, config) for meta in metas], config) if config.held_out else None
    built = make_policy(policy, ds_meta=frames.meta)
    preprocess, postprocess = make_pre_post_processors(policy, dataset_stats=frames.meta.stats)
    optimizer, scheduler = make_optimizer_and_scheduler(pipeline, built)
    built, optimizer, scheduler = accelerator.prepare(built, optimizer, scheduler)
    return Assembly(pipeline, frames, held_out, built, preprocess, postprocess, optimizer, scheduler, accelerator)


def _checked(folder: str, config: GeneralistConfig) -> LeRobotDatasetMetadata:
    check_folder(Path(folder))
    try:
        meta = LeRobotDatasetMetadata(_name(folder), root=folder)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(folder, error) from error
    check_columns(meta.features, config.inputs, folder)
    check_selection(meta.fps, meta.total_episodes, config, folder)
    return meta


def _trained_on(meta: LeRobotDatasetMetadata, config: GeneralistConfig) -> range:
    last = meta.total_episodes - config.held_out
    return range(min(config.episodes or last, last))


def _held_out(meta: LeRobotDatasetMetadata, config: GeneralistConfig) -> range:
    return range(meta.total_episodes - config.held_out, meta.total_episodes)


def _read(pipeline: TrainPipelineConfig, episodes: Sequence[range], config: GeneralistConfig) -> FramesInMemory:
    """Read episodes of every dataset by LeRobot's own factory; the first one's statistics become those of all."""
    sources = []
    for folder, wanted in zip(config.dataset, episodes, strict=True):
        part = dataclasses.replace(pipeline.dataset, repo_id=_name(folder), root=folder, episodes=list(wanted))
        try:
            sources.append(make_dataset(dataclasses.replace(pipeline, dataset=part)))
        except (OSError, ValueError, KeyError) as error:
            raise _unreadable(folder, error) from error
    frames = FramesInMemory(*sources)
    check_values(frames, config)
    if len(sources) > 1:
        numbers = [key for key in frames.meta.stats if key not in frames.images]  # images may have ImageNet's
        frames.meta.stats |= aggregate_stats([{key: source.meta.stats[key] for key in numbers} for source in sources])
    return frames


def _unreadable(folder: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:160]
    return UsageError(f"{folder} cannot be read: {reason}; see baton data verify {folder}.")


def _fill_features(policy: PreTrainedConfig, features: dict[str, Any], config: GeneralistConfig) -> None:
    """Let the policy see the named columns and nothing else; LeRobot would take all that are named observation."""
    known = dataset_to_policy_features(features)
    policy.input_features = {key: known[key] for key in config.inputs}
    policy.output_features = {"action": known["action"]}
    try:
        policy.validate_features()
    except ValueError as error:
        raise UsageError(f"The policy {policy.type} cannot use these inputs: {error}") from error


def _pipeline(config: GeneralistConfig, policy: PreTrainedConfig) -> TrainPipelineConfig:
    first = config.dataset[0]
    return TrainPipelineConfig(
        dataset=DatasetConfig(_name(first), root=first, video_backend="pyav"),
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


def _name(folder: str) -> str:
    return f"local/{Path(folder).name}"
