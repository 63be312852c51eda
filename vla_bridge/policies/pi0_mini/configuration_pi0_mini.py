"""Configuration of `pi0_mini`: LeRobot's of pi0, and the sizes that pi0 fixes in its code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lerobot.configs import PreTrainedConfig
from lerobot.policies.pi0.configuration_pi0 import PI0Config
from lerobot.utils.constants import ACTION, OBS_STATE

from robots.errors import UsageError
from vla_bridge.policies.options import SharedOptions, check_features

# LeRobot's joint attention reshapes its output with a literal 8.
HEADS = 8


class Vision(StrEnum):
    """How an image becomes tokens of the prefix."""

    COORDCONV = "coordconv"  # convolutions with coordinates, conditioned on the instruction by FiLM
    SIGLIP = "siglip"  # pi0's own transformer, shrunk


@PreTrainedConfig.register_subclass("pi0_mini")
@dataclass
class Pi0MiniConfig(SharedOptions, PI0Config):
    """Sizes of the networks; everything else means what it means for pi0. pi0's `*_variant` fields are not used.

    Attributes:
        vision: See `Vision`.
        width: Width of the vision-language tokens and of the action expert.
        depth: Layers of both.
        mlp_width: Width inside each layer's MLP.
        head_width: Width of each of the 8 attention heads.
        eye_width: Channels of each camera's convolutions.
        patch: Cells of a feature map along each side of an image token.
        siglip_layers: Layers of the shrunken SigLIP tower.
        siglip_patch_px: Side of its patches [px]; its images are resized to `image_resolution`.
    """

    vision: str = Vision.COORDCONV.value
    width: int = 128
    depth: int = 3
    mlp_width: int = 256
    head_width: int = 16
    eye_width: int = 32
    patch: int = 4
    siglip_layers: int = 2
    siglip_patch_px: int = 16
    image_resolution: tuple[int, int] = (96, 96)
    num_inference_steps: int = 5
    chunk_size: int = 8
    n_action_steps: int = 4
    max_state_dim: int = 8
    max_action_dim: int = 8
    optimizer_lr: float = 1e-3
    optimizer_weight_decay: float = 1e-4
    scheduler_warmup_steps: int = 200
    scheduler_decay_steps: int = 20_000
    scheduler_decay_lr: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vision not in tuple(Vision):
            raise UsageError.unknown("vision", self.vision, Vision)
        self.fill_vocabulary()

    def validate_features(self) -> None:
        """Check the features, and what of pi0's options a policy from scratch cannot have.

        Raises:
            UsageError: A feature is missing or too wide, or an option does not apply.
        """
        check_features(self)
        for name, feature, limit in (
            ("max_state_dim", self.input_features[OBS_STATE], self.max_state_dim),
            ("max_action_dim", self.output_features[ACTION], self.max_action_dim),
        ):
            if feature.shape[0] > limit:
                raise UsageError(f"{name} is {limit}, but the feature has {feature.shape[0]} values.")
        if self.empty_cameras or self.use_relative_actions or self.freeze_vision_encoder or self.train_expert_only:
            raise UsageError("pi0_mini has no empty cameras, relative actions or frozen parts; leave those options.")
