"""The two transformers of `pi0_mini`: pi0's own classes, built at other sizes, and the eyes in place of SigLIP."""

from __future__ import annotations

from typing import Any

import torch
from lerobot.policies.pi0.modeling_pi0 import PaliGemmaWithExpertModel
from lerobot.policies.pi_gemma import PaliGemmaForConditionalGenerationWithPiGemma, PiGemmaForCausalLM
from torch import Tensor, nn
from transformers import GemmaConfig, PaliGemmaConfig, SiglipVisionConfig

from vla_bridge.policies.pi0_mini.configuration_pi0_mini import HEADS, Pi0MiniConfig, Vision
from vla_bridge.policies.vision import Eye, Keypoints


class MiniTransformers(PaliGemmaWithExpertModel):
    """pi0's vision-language model and action expert. Their joint attention is inherited.

    Overridden: `__init__`, because pi0's has its sizes as literals (0.5 billion parameters for the vocabulary alone);
    `embed_image`, because with `coordconv` the model makes the tokens where it knows the instruction.
    """

    def __init__(self, config: Pi0MiniConfig) -> None:
        nn.Module.__init__(self)
        self.freeze_vision_encoder = self.train_expert_only = False
        self.vision = config.vision
        self.paligemma = PaliGemmaForConditionalGenerationWithPiGemma(config=_paligemma(config))
        self.gemma_expert = PiGemmaForCausalLM(config=_gemma(config))
        self.gemma_expert.model.embed_tokens = None
        # No text is ever generated: the two heads over the vocabulary would be dead weight.
        self.paligemma.lm_head = self.gemma_expert.lm_head = nn.Identity()
        if config.vision == Vision.COORDCONV:
            self.paligemma.model.vision_tower = self.paligemma.model.multi_modal_projector = nn.Identity()
        self.to_bfloat16_for_selected_params(config.dtype)

    def embed_image(self, image: Tensor) -> Tensor:
        """Return an image's tokens (b, l, width): SigLIP's, or those that `Retina` already made of it."""
        return super().embed_image(image) if self.vision == Vision.SIGLIP else image


class Retina(nn.Module):
    """One camera as tokens: a grid of patches of the features, and one token that holds all keypoints."""

    def __init__(self, config: Pi0MiniConfig, *, coarse: bool) -> None:
        super().__init__()
        self.eye = Eye(config.eye_width, config.width, coarse=coarse)
        self.grid = nn.Conv2d(config.eye_width, config.width, config.patch, stride=config.patch)
        self.points = nn.Linear(3 * config.eye_width, config.width)

    def forward(self, image: Tensor, instruction: Tensor) -> tuple[Tensor, Keypoints]:
        """Return the tokens (b, l, width) and the keypoints of images (b, 3, h, w) in [-1, 1], as pi0 has them."""
        features, found = self.eye(0.5 * image + 0.5, instruction)
        points = self.points(torch.cat((found.place.flatten(1), found.strength), dim=1))
        return torch.cat((points[:, None], self.grid(features).flatten(2).transpose(1, 2)), dim=1), found


def _sizes(config: Pi0MiniConfig) -> dict[str, Any]:
    return {
        "hidden_size": config.width,
        "intermediate_size": config.mlp_width,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "num_hidden_layers": config.depth,
        "head_dim": config.head_width,
        "vocab_size": config.vocab_size,
        "hidden_activation": "gelu_pytorch_tanh",
        "dtype": "float32",
        "use_adarms": False,
    }


def _gemma(config: Pi0MiniConfig) -> GemmaConfig:
    return GemmaConfig(**_sizes(config))


def _paligemma(config: Pi0MiniConfig) -> PaliGemmaConfig:
    vision = SiglipVisionConfig(
        hidden_size=config.eye_width,
        intermediate_size=2 * config.eye_width,
        num_hidden_layers=config.siglip_layers,
        num_attention_heads=4,
        image_size=config.image_resolution[0],
        patch_size=config.siglip_patch_px,
        projection_dim=config.width,
        vision_use_head=False,
    )
    return PaliGemmaConfig(
        vision_config=vision,
        text_config=_gemma(config),
        projection_dim=config.width,
        hidden_size=config.width,
        image_token_index=config.vocab_size,
        vocab_size=config.vocab_size,
    )
