"""Building a LeRobot policy from its folder: verified weights, loaded strictly, and its own saved processors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robots.errors import CheckpointError
from vla_bridge.backends.checkpoints import CONFIG, WEIGHTS, check_loaded, check_tensors
from vla_bridge.backends.language import missing_tokenizer

# What a folder's own weights replace, or what only training needs; loading it would take the network or minutes.
NOT_AT_INFERENCE: Mapping[str, Any] = {
    "pretrained_backbone_weights": None,
    "load_vlm_weights": False,
    "compile_model": False,
    "gradient_checkpointing": False,
}
LEGACY_NAMES = "_fix_pytorch_state_dict_keys"  # LeRobot's own translation of older names of pi0's weights
QUEUED = ("diffusion", "multi_task_dit")  # they plan only from a queue that `select_action` fills


def read_config(folder: Path, device: str) -> Any:  # noqa: ANN401 - LeRobot's types are not imported here
    """Return the policy's configuration, for inference on `device`.

    Raises:
        CheckpointError: It is damaged, of an unknown type, or needs several observations at a time.
    """
    import draccus
    import lerobot.policies  # noqa: F401 - registers LeRobot's policy types
    from lerobot.configs.policies import PreTrainedConfig

    import vla_bridge.policies  # noqa: F401 - registers ours

    try:
        config = PreTrainedConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, draccus.ParsingError) as error:
        raise CheckpointError(f"{folder / CONFIG} cannot be used: {_line(error)}") from None
    if getattr(config, "n_obs_steps", 1) != 1:
        raise CheckpointError(f"{folder} needs {config.n_obs_steps} observations at a time; only 1 is supported.")
    if not config.input_features or "action" not in (config.output_features or {}):
        raise CheckpointError(f"{folder / CONFIG} does not say what the policy sees and gives.")
    config.device = device
    for name, value in NOT_AT_INFERENCE.items():
        if hasattr(config, name):
            setattr(config, name, value)
    if hasattr(config, "vlm_model_name") and (folder / "vlm").is_dir():
        config.vlm_model_name = str(folder / "vlm")
    return config


def build_policy(config: Any, folder: Path, saved: Mapping[str, tuple[int, ...]]) -> Any:  # noqa: ANN401
    """Return the policy with the folder's weights, all of them and no others, in evaluation mode.

    Raises:
        CheckpointError: It cannot be built here, or the weights do not fit or are not finite.
    """
    from lerobot.policies.factory import get_policy_class
    from safetensors.torch import load_model

    try:
        policy = get_policy_class(config.type)(config)
    except (ImportError, OSError, ValueError) as error:
        raise CheckpointError(f"The {config.type} policy of {folder} cannot be built here: {_line(error)}") from None
    policy.to(config.device)
    try:
        check_tensors(policy.state_dict(), saved, folder)
    except CheckpointError:
        if not hasattr(policy, LEGACY_NAMES):
            raise
        _load_renamed(policy, folder)
    else:
        load_model(policy, folder / WEIGHTS, strict=True, device=config.device)
    policy.eval()
    check_loaded(policy, folder)
    return policy


def build_processors(
    config: Any,  # noqa: ANN401
    folder: Path,
    steps: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Mapping[str, str]],
) -> tuple[Any, Any]:
    """Return the policy's saved preprocessor and postprocessor.

    Args:
        config: The policy's configuration.
        folder: Its folder.
        steps: The preprocessor's steps, see `read_steps`.
        overrides: What to change in them.

    Raises:
        CheckpointError: They cannot be restored, or would leave values unnormalised that the policy has normalised.
    """
    from lerobot.policies.factory import make_pre_post_processors

    try:
        processors = make_pre_post_processors(config, pretrained_path=str(folder), preprocessor_overrides={**overrides})
    except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
        name = steps.get("tokenizer_processor", {}).get("tokenizer_name")
        if name and "tokenizer_processor" in str(error) and "tokenizer_processor" not in overrides:
            raise missing_tokenizer(folder, name) from None
        raise CheckpointError(f"The processors of {folder} cannot be restored: {_line(error)}") from None
    _check_statistics(processors[0], config.input_features, folder)
    _check_statistics(processors[1], config.output_features, folder)
    return processors


def chunk_length(config: Any) -> int:  # noqa: ANN401
    """Return how many actions the policy gives for one observation."""
    return int(config.n_action_steps) if config.type in QUEUED else len(config.action_delta_indices)


def predict_chunk(policy: Any, batch: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the policy's normalised actions for a preprocessed batch of one observation, (1, k, a)."""
    import torch

    if policy.config.type not in QUEUED:
        return policy.predict_action_chunk(batch)
    policy.reset()
    return torch.stack([policy.select_action(dict(batch)) for _ in range(chunk_length(policy.config))], dim=1)


def usual_values(preprocess: Any, key: str, size: int) -> Any:  # noqa: ANN401
    """Return the mean of an input that the policy was trained on, (size,), or zeros where it is not recorded."""
    import torch

    for step in preprocess.steps:
        mean = (getattr(step, "stats", None) or {}).get(key, {}).get("mean")
        if mean is not None and len(mean) == size:
            return torch.as_tensor(mean, dtype=torch.float32)
    return torch.zeros(size)


def _load_renamed(policy: Any, folder: Path) -> None:  # noqa: ANN401
    """Load weights whose names LeRobot itself translates, as those that were converted from openpi."""
    from safetensors.torch import load_file

    tensors = getattr(policy, LEGACY_NAMES)(load_file(folder / WEIGHTS), policy.config)
    tensors = {key if key.startswith("model.") else f"model.{key}": value for key, value in tensors.items()}
    check_tensors(policy.state_dict(), {key: tuple(value.shape) for key, value in tensors.items()}, folder)
    policy.load_state_dict(tensors, strict=False)  # nothing but tied tensors is left out, says the check


def _check_statistics(processor: Any, features: Mapping[str, Any], folder: Path) -> None:  # noqa: ANN401
    """LeRobot passes on unchanged what a normaliser has no statistics for, and says nothing."""
    for step in processor.steps:
        modes = getattr(step, "norm_map", {})
        for key, feature in features.items():
            mode = modes.get(feature.type)
            if mode is None or mode.value == "IDENTITY":
                continue
            if key not in (step.stats or {}):
                raise CheckpointError(f"The processors of {folder} have no statistics of {key} to normalise it with.")
            if not all(np.isfinite(values).all() for values in step.stats[key].values()):
                raise CheckpointError(f"The processors of {folder} have statistics of {key} that are not finite.")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
