"""Tiny LeRobot policies with random weights that fit the simulated arm and the simulated tasks."""

from __future__ import annotations

from pathlib import Path

IMAGE_PX = 64


def save_tiny_policy(folder: Path, *, actions: int, spread: float, seed: int = 0) -> Path:
    """ACT on the wrist image (64 x 64) and 8 states; chunks of 5 actions around zero, `spread` wide."""
    import torch
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    config = ACTConfig(
        input_features={
            "observation.images.wrist": PolicyFeature(FeatureType.VISUAL, (3, IMAGE_PX, IMAGE_PX)),
            "observation.state": PolicyFeature(FeatureType.STATE, (8,)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (actions,))},
        chunk_size=5,
        n_action_steps=5,
        dim_model=32,
        n_heads=2,
        dim_feedforward=32,
        n_encoder_layers=1,
        n_decoder_layers=1,
        n_vae_encoder_layers=1,
        latent_dim=4,
        pretrained_backbone_weights=None,
        device="cpu",
    )
    torch.manual_seed(seed)
    policy = ACTPolicy(config)
    stats = {
        "observation.images.wrist": {"mean": torch.full((3, 1, 1), 0.5), "std": torch.full((3, 1, 1), 0.25)},
        "observation.state": {"mean": torch.zeros(8), "std": torch.ones(8)},
        "action": {"mean": torch.zeros(actions), "std": torch.full((actions,), spread)},
    }
    for part in (policy, *make_pre_post_processors(config, dataset_stats=stats)):
        part.save_pretrained(folder)
    return folder
