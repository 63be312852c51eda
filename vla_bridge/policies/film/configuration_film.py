"""Configuration of the FiLM policy."""

from __future__ import annotations

from dataclasses import dataclass, field

from lerobot.configs import NormalizationMode, PreTrainedConfig
from lerobot.optim import AdamWConfig, CosineDecayWithWarmupSchedulerConfig

from vla_bridge.policies.options import SharedOptions, check_features, optimizer, scheduler


@PreTrainedConfig.register_subclass("film")
@dataclass
class FilmConfig(SharedOptions, PreTrainedConfig):
    """Sizes of the networks, and how LeRobot trains them.

    Attributes:
        chunk_size: Actions that are predicted at once.
        n_action_steps: Actions that `select_action` executes before it looks again.
        width: Channels of each camera's maps, and so its number of keypoints.
        instruction_width: Width of the instruction's vector, and of each token.
        hidden_width: Width of the two layers that regress the chunk.
    """

    chunk_size: int = 8
    n_action_steps: int = 4
    width: int = 32
    instruction_width: int = 64
    hidden_width: int = 256
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "VISUAL": NormalizationMode.IDENTITY,
            "STATE": NormalizationMode.MEAN_STD,
            "ACTION": NormalizationMode.MEAN_STD,
        }
    )
    optimizer_lr: float = 1e-3
    optimizer_weight_decay: float = 1e-4
    optimizer_grad_clip_norm: float = 1.0
    scheduler_warmup_steps: int = 200
    scheduler_decay_steps: int = 20_000
    scheduler_decay_lr: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fill_vocabulary()

    def validate_features(self) -> None:
        """Check the features; see `check_features`."""
        check_features(self)

    def get_optimizer_preset(self) -> AdamWConfig:
        """Return what LeRobot's trainer optimises with."""
        return optimizer(self)

    def get_scheduler_preset(self) -> CosineDecayWithWarmupSchedulerConfig:
        """Return LeRobot's schedule of the learning rate."""
        return scheduler(self)

    @property
    def observation_delta_indices(self) -> None:
        """One observation at a time."""
        return

    @property
    def action_delta_indices(self) -> list[int]:
        """The actions of a chunk, counted from the observation."""
        return list(range(self.chunk_size))

    @property
    def reward_delta_indices(self) -> None:
        """No rewards."""
        return
