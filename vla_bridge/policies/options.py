"""What both policies can be told: reading the instruction, varying the images in training, and the auxiliary loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lerobot.optim import AdamWConfig, CosineDecayWithWarmupSchedulerConfig
from lerobot.utils.constants import ACTION, OBS_STATE

from robots.errors import UsageError
from vla_bridge.policies.tokenizer import vocabulary_size
from vla_bridge.policies.vocabulary import default_words, fingerprint

WRIST = "observation.images.wrist"
TARGET = "privileged.target_px"


@dataclass
class SharedOptions:
    """Mixed into both configurations. Image sizes come from `input_features`.

    Attributes:
        tokenizer_max_length: Tokens that an instruction can have.
        vocab_size: Token ids of the vocabulary; filled in when 0.
        vocabulary: Fingerprint of the vocabulary; filled in when empty.
        shift_px: Largest random shift of a training image [px].
        brightness: Largest change of a training image's brightness, as a share.
        contrast: Largest change of a training image's contrast, as a share.
        target_weight: Weight of the auxiliary loss on `privileged.target_px`, where a batch has that column.
        target_camera: The image that `privileged.target_px` speaks of.
    """

    tokenizer_max_length: int = 32
    vocab_size: int = 0
    vocabulary: str = ""
    shift_px: int = 4
    brightness: float = 0.25
    contrast: float = 0.25
    target_weight: float = 0.2
    target_camera: str = WRIST

    def fill_vocabulary(self) -> None:
        """Fill in the default vocabulary's size and fingerprint, unless a saved configuration already says them."""
        if not self.vocabulary:
            words = default_words()
            self.vocab_size, self.vocabulary = vocabulary_size(words), fingerprint(words)


def check_features(config: Any) -> None:  # noqa: ANN401
    """Check that a policy has a camera, a state and an action, and that no input is privileged.

    Raises:
        UsageError: One is missing, or an input or output is one that the policy must not or cannot have.
    """
    inputs, outputs = config.input_features or {}, config.output_features or {}
    if not config.image_features or OBS_STATE not in inputs or ACTION not in outputs:
        raise UsageError(f"A {config.type} policy needs an image, {OBS_STATE} and {ACTION} among its features.")
    if privileged := [key for key in inputs if "privileged" in key]:
        raise UsageError(f"{privileged[0]} is privileged and can never be an input of a policy.")
    if config.n_action_steps > config.chunk_size:
        raise UsageError(f"n_action_steps is {config.n_action_steps}, but a chunk has {config.chunk_size} actions.")


def optimizer(config: Any) -> AdamWConfig:  # noqa: ANN401
    """Return the optimizer that LeRobot's trainer uses when nothing else is asked for."""
    return AdamWConfig(
        lr=config.optimizer_lr,
        weight_decay=config.optimizer_weight_decay,
        grad_clip_norm=config.optimizer_grad_clip_norm,
    )


def scheduler(config: Any) -> CosineDecayWithWarmupSchedulerConfig:  # noqa: ANN401
    """Return the schedule that LeRobot's trainer uses; it scales itself down to shorter runs."""
    return CosineDecayWithWarmupSchedulerConfig(
        peak_lr=config.optimizer_lr,
        decay_lr=config.scheduler_decay_lr,
        num_warmup_steps=config.scheduler_warmup_steps,
        num_decay_steps=config.scheduler_decay_steps,
    )
