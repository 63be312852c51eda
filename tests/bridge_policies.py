"""A tiny LeRobot policy with random weights, saved as its users save theirs."""

from __future__ import annotations

from pathlib import Path


def save_tiny_act(folder: Path, *, seed: int = 0) -> Path:
    """ACT on one 32 x 48 camera and 4 states; chunks of 5 actions: 3 joints and the gripper."""
    import torch
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    config = ACTConfig(
        input_features={
            "observation.images.wrist": PolicyFeature(FeatureType.VISUAL, (3, 32, 48)),
            "observation.state": PolicyFeature(FeatureType.STATE, (4,)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (4,))},
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
        "observation.state": {"mean": torch.full((4,), 0.1), "std": torch.full((4,), 2.0)},
        "action": {"mean": torch.full((4,), 0.5), "std": torch.full((4,), 0.3)},
    }
    preprocess, postprocess = make_pre_post_processors(config, dataset_stats=stats)
    policy.save_pretrained(folder)
    preprocess.save_pretrained(folder)
    postprocess.save_pretrained(folder)
    return folder
