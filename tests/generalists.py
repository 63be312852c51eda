"""Tiny generalists with random weights, of LeRobot's own classes, saved as their users save theirs.

pi0 and pi0.5 have their sizes as literals in their code; for these tests their transformers are replaced by small ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

HEADS = 8  # a literal in LeRobot's joint attention
WIDTH = 32
WORDS = ["pick", "up", "the", "red", "mug", "duck", "from", "shelf", "task", "state", "action"]
CAMERAS = {"wrist": (32, 32), "third_person": (24, 32)}


def features(
    action: int, state: int = 8, cameras: dict[str, tuple[int, int]] = CAMERAS
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return input and output features of a policy on this many values."""
    from lerobot.configs.types import FeatureType, PolicyFeature

    images = {
        f"observation.images.{name}": PolicyFeature(FeatureType.VISUAL, (3, *size)) for name, size in cameras.items()
    }
    inputs = images | {"observation.state": PolicyFeature(FeatureType.STATE, (state,))}
    return inputs, {"action": PolicyFeature(FeatureType.ACTION, (action,))}


def statistics(config: Any, scale: float = 0.05) -> dict[str, dict[str, Any]]:
    """Return statistics that keep the actions of a random policy small."""
    import torch

    stats = {}
    for key, feature in (config.input_features | config.output_features).items():
        shape = (3, 1, 1) if "images" in key else feature.shape
        spread = scale if key == "action" else 1.0
        values = {"mean": 0.0, "std": spread, "min": -spread, "max": spread, "q01": -spread, "q99": spread}
        stats[key] = {name: torch.full(shape, value) for name, value in values.items()}
    return stats


def save(policy: Any, processors: tuple[Any, Any], folder: Path) -> Path:
    """Save a policy folder."""
    for part in (policy, *processors):
        part.save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, words: list[str] = WORDS) -> Any:
    """Save a small tokenizer as `folder`, and return it."""
    from vla_bridge.policies.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(words)
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_plain(config: Any, folder: Path, seed: int = 0) -> Path:
    """Save a policy of a type that needs nothing but its configuration."""
    import torch
    from lerobot.policies.factory import get_policy_class, make_pre_post_processors

    torch.manual_seed(seed)
    policy = get_policy_class(config.type)(config)
    return save(policy, make_pre_post_processors(config, dataset_stats=statistics(config)), folder)


def save_act(folder: Path, action: int = 8, **options: Any) -> Path:
    """ACT: no language, no flow."""
    from lerobot.policies.act.configuration_act import ACTConfig

    inputs, outputs = features(action)
    sizes = {"dim_model": 32, "n_heads": 2, "dim_feedforward": 32, "latent_dim": 4}
    layers = dict.fromkeys(("n_encoder_layers", "n_decoder_layers", "n_vae_encoder_layers"), 1)
    return save_plain(
        ACTConfig(
            input_features=inputs,
            output_features=outputs,
            chunk_size=8,
            n_action_steps=8,
            pretrained_backbone_weights=None,
            device="cpu",
            **sizes,
            **layers,
            **options,
        ),
        folder,
    )


def save_diffusion(folder: Path, action: int = 8, **options: Any) -> Path:
    """Diffusion policy of one observation; it plans 8 steps and gives 4 of them."""
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig

    inputs, outputs = features(action, cameras={"wrist": (64, 64)})
    settings = {"n_obs_steps": 1, "horizon": 8, "n_action_steps": 4, "drop_n_last_frames": 4} | options
    return save_plain(
        DiffusionConfig(
            input_features=inputs,
            output_features=outputs,
            crop_shape=None,
            pretrained_backbone_weights=None,
            down_dims=(16, 32),
            spatial_softmax_num_keypoints=4,
            diffusion_step_embed_dim=8,
            num_train_timesteps=5,
            n_groups=4,
            device="cpu",
            **settings,
        ),
        folder,
    )


def shrink_pi(monkeypatch: Any) -> None:
    """Make LeRobot build pi0 and pi0.5 small, until the test ends."""
    from lerobot.policies.pi0 import modeling_pi0
    from lerobot.policies.pi05 import modeling_pi05

    for module in (modeling_pi0, modeling_pi05):
        small = module.GemmaConfig(WIDTH, 2, 2 * WIDTH, HEADS, 1, 8)
        monkeypatch.setattr(module, "get_gemma_config", lambda _, small=small: small)
        monkeypatch.setattr(module, "PaliGemmaWithExpertModel", _small_transformers(module))


def save_pi(kind: str, folder: Path, monkeypatch: Any, action: int = 8, **options: Any) -> Path:
    """pi0 or pi0.5 with its stock processors; the tokenizer that they name is saved inside the folder."""
    import torch
    from lerobot.policies.factory import get_policy_class, make_policy_config, make_pre_post_processors
    from lerobot.processor import tokenizer_processor

    shrink_pi(monkeypatch)
    tokenizer = save_tokenizer(folder / "tokenizer")
    inputs, outputs = features(action)
    settings = {"chunk_size": 8, "n_action_steps": 8, "num_inference_steps": 2, "image_resolution": (32, 32)} | options
    config = make_policy_config(kind, input_features=inputs, output_features=outputs, device="cpu", **settings)
    torch.manual_seed(0)
    policy = get_policy_class(kind)(config)
    with monkeypatch.context() as patch:  # LeRobot names a gated repository of the hub in its code
        patch.setattr(tokenizer_processor.AutoTokenizer, "from_pretrained", lambda name: tokenizer)
        processors = make_pre_post_processors(config, dataset_stats=statistics(config))
    return save(policy, processors, folder)


def save_smolvla(folder: Path, action: int = 8) -> Path:
    """SmolVLA with a backbone of its own in `vlm/`; no class is changed."""
    import torch
    from lerobot.policies.factory import make_pre_post_processors
    from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

    save_small_smolvlm(folder / "vlm")
    inputs, outputs = features(action)
    config = SmolVLAConfig(
        input_features=inputs,
        output_features=outputs,
        chunk_size=8,
        n_action_steps=8,
        num_steps=2,
        num_vlm_layers=2,
        resize_imgs_with_padding=(32, 32),
        vlm_model_name=str(folder / "vlm"),
        device="cpu",
    )
    torch.manual_seed(0)
    policy = SmolVLAPolicy(config)
    processors = make_pre_post_processors(config, dataset_stats=statistics(config))
    config.vlm_model_name = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
    return save(policy, processors, folder)


def save_small_smolvlm(folder: Path) -> None:
    """Save a configuration and a processor of SmolVLM, without weights."""
    from transformers import (
        PreTrainedTokenizerFast,
        SmolVLMConfig,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    from vla_bridge.policies.tokenizer import PAD, build_tokenizer

    marks = {name: f"<{name}>" for name in ("fake_image_token", "image_token", "global_image_token")}
    marks["end_of_utterance_token"] = "<end_of_utterance>"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=build_tokenizer(WORDS).backend_tokenizer, pad_token=PAD, extra_special_tokens=marks
    )
    text = {
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "vocab_size": len(tokenizer),
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    config = SmolVLMConfig(
        text_config=text, vision_config=vision, scale_factor=2, image_token_id=tokenizer.image_token_id
    )
    config.save_pretrained(folder)
    SmolVLMProcessor(SmolVLMImageProcessor(), tokenizer, SmolVLMVideoProcessor(), image_seq_len=4).save_pretrained(
        folder
    )


def save_mini(kind: str, folder: Path, action: int = 8) -> Path:
    """Baton's own policies on Baton's own observation."""
    import torch
    from lerobot.policies.factory import get_policy_class, make_policy_config, make_pre_post_processors

    import vla_bridge.policies  # noqa: F401 - registers them

    inputs, outputs = features(action, cameras={"wrist": (96, 96), "third_person": (96, 128)})
    small = {"width": 32, "depth": 1, "eye_width": 8} if kind == "pi0_mini" else {"width": 8, "hidden_width": 32}
    config = make_policy_config(kind, input_features=inputs, output_features=outputs, device="cpu", **small)
    torch.manual_seed(0)
    policy = get_policy_class(kind)(config)
    return save(policy, make_pre_post_processors(config, dataset_stats=statistics(config)), folder)


def observed(schema: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """Return one random observation that fits a schema, with a valid pose of the gripper."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for spec in schema.observation:
        shape = tuple(48 if length == -1 else length for length in spec.shape)
        if spec.dtype == "uint8":
            arrays[spec.name] = rng.integers(0, 256, shape, dtype=np.uint8)
        elif spec.name == "observation.gripper_to_world":
            arrays[spec.name] = np.eye(4, dtype=np.float32)
        else:
            arrays[spec.name] = rng.uniform(0.0, 0.5, shape).astype(np.float32)
    return arrays


def _small_transformers(module: Any) -> type:
    from torch import nn
    from transformers import GemmaConfig, PaliGemmaConfig, SiglipVisionConfig

    class Small(module.PaliGemmaWithExpertModel):
        def __init__(self, vlm_config: Any, expert: Any, use_adarms: Any = None, precision: str = "float32", **_: Any):
            nn.Module.__init__(self)
            self.freeze_vision_encoder = self.train_expert_only = False
            norms = use_adarms or [False, False]
            vision = SiglipVisionConfig(
                hidden_size=WIDTH,
                intermediate_size=WIDTH,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=32,
                patch_size=16,
                projection_dim=WIDTH,
            )
            text = _gemma(norms[0])
            paligemma = PaliGemmaConfig(
                text_config=text, vision_config=vision, hidden_size=WIDTH, projection_dim=WIDTH, image_token_index=0
            )
            self.paligemma = module.PaliGemmaForConditionalGenerationWithPiGemma(config=paligemma)
            self.gemma_expert = module.PiGemmaForCausalLM(config=GemmaConfig(**_gemma(norms[1])))
            self.gemma_expert.model.embed_tokens = None
            self.to_bfloat16_for_selected_params(precision)

    return Small


def _gemma(adarms: bool) -> dict[str, Any]:
    return {
        "model_type": "gemma",
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "num_hidden_layers": 2,
        "head_dim": 8,
        "vocab_size": 300,
        "hidden_activation": "gelu_pytorch_tanh",
        "dtype": "float32",
        "use_adarms": adarms,
        "adarms_cond_dim": WIDTH if adarms else None,
    }
