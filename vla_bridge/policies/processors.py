"""The processors of both policies: tokenize the instruction and normalise; and back. Images stay in [0, 1]."""

from __future__ import annotations

from typing import Any

import torch
from lerobot.configs import PreTrainedConfig
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.processor import PolicyAction, PolicyProcessorPipeline, make_default_policy_processor_steps
from lerobot.processor.converters import batch_to_transition
from lerobot.processor.factory import make_policy_processor_pipelines

from vla_bridge.policies.options import TARGET
from vla_bridge.policies.tokenizer import InstructionStep

Stats = dict[str, dict[str, torch.Tensor]]
Processors = tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]], PolicyProcessorPipeline[PolicyAction, PolicyAction]
]


def make_processors(config: PreTrainedConfig, dataset_stats: Stats | None) -> Processors:
    """Return the preprocessor and the postprocessor of a new policy.

    Args:
        config: With the features, the device and `tokenizer_max_length`.
        dataset_stats: Mean and standard deviation of state and action.
    """
    steps = make_default_policy_processor_steps(config, dataset_stats)
    tokenize = InstructionStep(max_length=config.tokenizer_max_length)
    before, after = make_policy_processor_pipelines(
        input_steps=[steps.rename_observations, steps.add_batch_dim, tokenize, steps.to_device, steps.normalize],
        output_steps=[steps.unnormalize, steps.to_cpu],
    )
    before.to_transition = keep_target
    return before, after


def keep_target(batch: dict[str, Any]) -> EnvTransition:
    """Convert a batch as LeRobot does, and keep the column of the auxiliary loss, which LeRobot would drop."""
    transition = batch_to_transition(batch)
    if TARGET in batch:
        transition[TransitionKey.COMPLEMENTARY_DATA] |= {TARGET: batch[TARGET]}
    return transition
