"""`pi0_mini`: LeRobot's own pi0 with other sizes and eyes that know the instruction.

Joint attention, flow matching, sampling, real-time chunking and saving are inherited; each override says why it is
there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from lerobot.policies.pi0.modeling_pi0 import PI0Policy, PI0Pytorch
from lerobot.policies.rtc.modeling_rtc import RTCProcessor
from torch import Tensor, nn

from vla_bridge.policies.images import check_cameras, varied
from vla_bridge.policies.options import TARGET
from vla_bridge.policies.pi0_mini.backbone import MiniTransformers, Retina
from vla_bridge.policies.pi0_mini.configuration_pi0_mini import Pi0MiniConfig, Vision
from vla_bridge.policies.vision import InstructionEncoder, Keypoints, target_loss


class Pi0MiniModel(PI0Pytorch):
    """pi0's network.

    Overridden: `__init__`, because pi0's builds `PaliGemmaWithExpertModel` at its own sizes; `embed_prefix`, because
    image tokens that do not know the instruction made a policy of this size reach for the wrong object.

    Attributes:
        found: Keypoints of each camera in the last forward pass, in the order of the cameras; empty with SigLIP.
    """

    def __init__(self, config: Pi0MiniConfig, rtc_processor: RTCProcessor | None) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.rtc_processor = rtc_processor
        self.paligemma_with_expert = MiniTransformers(config)
        width = config.width
        self.action_in_proj = nn.Linear(config.max_action_dim, width)
        self.action_out_proj = nn.Linear(width, config.max_action_dim)
        self.state_proj = nn.Linear(config.max_state_dim, width)
        self.action_time_mlp_in = nn.Linear(2 * width, width)
        self.action_time_mlp_out = nn.Linear(width, width)
        self.gradient_checkpointing_enabled = False
        self.found: list[Keypoints] = []
        if config.vision == Vision.COORDCONV:
            self.read = InstructionEncoder(width, width)
            self.retinas = nn.ModuleList(
                Retina(config, coarse=key != config.target_camera) for key in config.image_features
            )

    def embed_prefix(
        self, images: list[Tensor], img_masks: list[Tensor], lang_tokens: Tensor, lang_masks: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return pi0's prefix, its images replaced by tokens that know the instruction."""
        if self.config.vision == Vision.COORDCONV:
            words = self.read(self.paligemma_with_expert.embed_language_tokens(lang_tokens), lang_masks)
            seen = [retina(image, words) for retina, image in zip(self.retinas, images, strict=True)]
            images, self.found = [tokens for tokens, _ in seen], [found for _, found in seen]
        prefix: tuple[Tensor, Tensor, Tensor] = super().embed_prefix(images, img_masks, lang_tokens, lang_masks)
        return prefix


class Pi0MiniPolicy(PI0Policy):
    """pi0's policy.

    Overridden: `__init__`, because pi0's builds its own network; `from_pretrained`, because pi0's answers damaged
    weights with a random model; `_preprocess_images`, because pi0's masks a missing camera and makes every image
    square; `forward`, to vary the images and add the auxiliary loss.
    """

    config_class = Pi0MiniConfig
    name = "pi0_mini"

    def __init__(self, config: Pi0MiniConfig, **_: Any) -> None:  # noqa: ANN401
        super(PI0Policy, self).__init__(config)
        config.validate_features()
        self.config: Pi0MiniConfig = config
        self.init_rtc_processor()
        self.model = Pi0MiniModel(config, self.rtc_processor)
        if config.gradient_checkpointing:
            self.model.gradient_checkpointing_enable()
        self.model.to(config.device)
        self.reset()

    @classmethod
    def from_pretrained(cls, pretrained_name_or_path: str | Path, *, strict: bool = True, **kwargs: Any) -> Self:  # noqa: ANN401
        """Load a saved policy as LeRobot's other policies are loaded: whole, or with an error."""
        policy: Self = super(PI0Policy, cls).from_pretrained(pretrained_name_or_path, strict=strict, **kwargs)
        return policy

    def forward(self, batch: dict[str, Any], reduction: str = "mean") -> tuple[Tensor, dict[str, Any]]:
        """Return the loss of a training batch and its parts: pi0's flow matching, and the auxiliary loss.

        Args:
            batch: Preprocessed: the inputs, `action` (b, k, a), and `privileged.target_px` (b, 3) where
                it was recorded.
            reduction: `mean` for one loss, `none` for one per sample, (b,), to be weighted.
        """
        batch = varied(self.config, batch) if self.training else batch
        loss, parts = super().forward(batch, reduction)
        found = dict(zip(self.config.image_features, self.model.found, strict=False)).get(self.config.target_camera)
        self.model.found = []
        if found is not None and TARGET in batch:
            target = target_loss(found, batch[TARGET])
            loss = loss + self.config.target_weight * (target if reduction == "none" else target.mean())
            parts |= {"flow_loss": parts["loss"], "target_loss": target.mean().item(), "loss": loss.mean().item()}
        return loss, parts

    def _preprocess_images(self, batch: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        check_cameras(self.config, batch)
        if self.config.vision == Vision.SIGLIP:
            images: tuple[list[Tensor], list[Tensor]] = super()._preprocess_images(batch)
            return images
        own = [2.0 * batch[key] - 1.0 for key in self.config.image_features]
        return own, [image.new_ones(image.shape[0]).bool() for image in own]
