"""Any LeRobot policy saved in a local folder: ACT, pi0, SmolVLA, or one registered by a plug-in.

Nothing is downloaded, no code from the folder is run, and a folder that is damaged or incomplete is refused before it
can answer. Torch and LeRobot are imported when the policy is loaded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import CheckpointError, SchemaError, SpecError, UsageError
from robots.specs import ArraySpec
from robots.types import ActionSpace
from vla_bridge.backends.base import BackendConfig, Prediction
from vla_bridge.backends.checkpoints import (
    POSTPROCESSOR,
    PREPROCESSOR,
    WEIGHTS,
    check_tensors,
    read_steps,
    read_weights_header,
)
from vla_bridge.messages import GripperConvention, Infer, PolicySchema

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

IMAGES = "observation.images."


@dataclass(frozen=True)
class LeRobotConfig(BackendConfig):
    """Options of the `lerobot` backend: what a policy folder does not say about itself."""

    # Folder with config.json, model.safetensors and the saved processors.
    path: Path
    # What the actions mean: cartesian_velocity, joint_velocity or joint_position.
    action_space: str = "joint_position"
    # Rate at which the policy was trained to act [Hz].
    control_hz: float = 15.0
    # Whether the last action value is the gripper.
    gripper: bool = True
    # Gripper value that means open.
    gripper_open: float = 0.0
    # Gripper value that means closed.
    gripper_closed: float = 1.0
    # Names of the policy's cameras on this robot, where they differ: policy's name to robot's name.
    cameras: dict[str, str] = field(default_factory=dict)
    # SHA-256 that model.safetensors must have; not checked when empty.
    sha256: str = ""
    # Torch device.
    device: str = "cpu"
    # Seed of policies that sample; an answer depends on it, the epoch and the request's number only.
    seed: int = 0

    def __post_init__(self) -> None:
        if self.action_space not in tuple(ActionSpace):
            raise UsageError.unknown("action space", self.action_space, ActionSpace)
        if not self.control_hz > 0.0 or self.gripper_open == self.gripper_closed:
            raise UsageError("A policy needs a positive control_hz, and gripper_open and gripper_closed that differ.")


class LeRobotBackend:
    """Serves a LeRobot policy folder. See `vla_bridge.backends.base.Backend` for the contract."""

    def __init__(self, config: LeRobotConfig) -> None:
        self._config = config
        self._policy: Any = None
        self._preprocess: Any = None
        self._postprocess: Any = None
        self._schema: PolicySchema | None = None

    @property
    def schema(self) -> PolicySchema:
        """What the policy needs and gives.

        Raises:
            UsageError: It has not been loaded yet.
        """
        if self._schema is None:
            raise UsageError("The policy has no schema before it was loaded.")
        return self._schema

    def load(self) -> None:
        """Verify the folder, build the policy, load the weights strictly, and restore its processors.

        Raises:
            CheckpointError: The folder is damaged, incomplete, of an unknown type, or its digest is another one.
        """
        os.environ["HF_HUB_OFFLINE"] = "1"
        folder = self._config.path
        saved = read_weights_header(folder, self._config.sha256)
        overrides = self._overrides(read_steps(folder, PREPROCESSOR))
        read_steps(folder, POSTPROCESSOR)
        policy_config = _read_config(folder, self._config.device)
        self._policy = _build(policy_config, folder, saved)
        self._preprocess, self._postprocess = _processors(policy_config, folder, overrides)
        self._schema = _schema(policy_config, self._config)
        logger.info("Loaded a %s policy with %d tensors from %s.", policy_config.type, len(saved), folder)

    def warm(self) -> None:
        """Run one synthetic observation and check the answer's shape and values.

        Raises:
            CheckpointError: The answer does not fit the folder's own description, or is not finite.
        """
        arrays = {spec.name: spec.zeros() for spec in self.schema.observation}
        prediction = self.infer(Infer("warm", 0, 0, 0.0, 0.0, "warm up", arrays))
        try:
            self.schema.action.validate(prediction.actions)
        except SpecError as error:
            raise CheckpointError(f"{self._config.path} answers with the wrong {error}") from None

    def infer(self, request: Infer) -> Prediction:
        """Compute a chunk. Images are scaled to [0, 1] and put channels first, as LeRobot policies expect.

        Raises:
            SchemaError: An array is missing; nothing is ever filled in for it.
        """
        import torch

        torch.manual_seed(np.random.SeedSequence((self._config.seed, request.epoch, request.seq)).generate_state(1)[0])
        with torch.inference_mode():
            batch = self._preprocess(self._batch(request))
            actions = self._postprocess(self._policy.predict_action_chunk(batch))
        return self._split(actions.squeeze(0).to("cpu", torch.float32).numpy())

    def reset(self, session: str) -> None:
        """Forget the policy's internal queues; chunks are computed from one observation, so sessions share nothing."""
        self._policy.reset()

    def _batch(self, request: Infer) -> dict[str, Any]:
        names = {self._robot_name(key): key for key in self._policy.config.input_features}
        batch: dict[str, Any] = {"task": request.instruction}
        for spec in self.schema.observation:
            if spec.name not in request.arrays:
                raise SchemaError(f"{spec.name}: the policy needs it, but the request does not hold it.")
            batch[names[spec.name]] = _tensor(request.arrays[spec.name])
        return batch

    def _robot_name(self, key: str) -> str:
        return _robot_name(key, self._config.cameras)

    def _split(self, values: NDArray[np.float32]) -> Prediction:
        if not self._config.gripper:
            return Prediction(values)
        span = self._config.gripper_closed - self._config.gripper_open
        closed = (values[:, -1] - self._config.gripper_open) / span
        return Prediction(np.ascontiguousarray(values[:, :-1]), np.clip(closed, 0.0, 1.0).astype(np.float32))

    def _overrides(self, steps: tuple[str, ...]) -> dict[str, dict[str, str]]:
        """Point the saved steps at this device, and at a tokenizer inside the folder where there is one."""
        overrides: dict[str, dict[str, str]] = {}
        if "device_processor" in steps:
            overrides["device_processor"] = {"device": self._config.device}
        tokenizer = self._config.path / "tokenizer"
        if "tokenizer_processor" in steps and tokenizer.is_dir():
            overrides["tokenizer_processor"] = {"tokenizer_name": str(tokenizer)}
        return overrides


def _robot_name(key: str, cameras: Mapping[str, str]) -> str:
    name = key.removeprefix(IMAGES)
    return f"{IMAGES}{cameras.get(name, name)}" if key.startswith(IMAGES) else key


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    import torch

    tensor = torch.from_numpy(np.array(array))  # torch may write into its tensors, the wire's buffers must stay as sent
    if array.dtype == np.uint8 and array.ndim == 3:
        return tensor.permute(2, 0, 1).contiguous().to(torch.float32) / 255.0
    return tensor


def _read_config(folder: Path, device: str) -> Any:  # noqa: ANN401
    import draccus
    import lerobot.policies  # noqa: F401 - registers the policy types
    from lerobot.configs.policies import PreTrainedConfig

    try:
        config = PreTrainedConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, draccus.ParsingError) as error:
        raise CheckpointError(f"{folder / 'config.json'} cannot be used: {error}") from None
    if getattr(config, "n_obs_steps", 1) != 1:
        raise CheckpointError(f"{folder} needs {config.n_obs_steps} observations at a time; only 1 is supported.")
    config.device = device
    for name, value in (("pretrained_backbone_weights", None), ("load_vlm_weights", False)):
        if hasattr(config, name):  # the folder's own weights replace them; loading them would need the network
            setattr(config, name, value)
    return config


def _build(config: Any, folder: Path, saved: Mapping[str, tuple[int, ...]]) -> Any:  # noqa: ANN401
    from lerobot.policies.factory import get_policy_class
    from safetensors.torch import load_model

    try:
        policy = get_policy_class(config.type)(config)
    except (ImportError, OSError, ValueError) as error:
        raise CheckpointError(f"The {config.type} policy of {folder} cannot be built here: {error}") from None
    policy.to(config.device)
    check_tensors(policy.state_dict(), saved, folder)
    load_model(policy, folder / WEIGHTS, strict=True, device=config.device)
    policy.eval()
    return policy


def _processors(config: Any, folder: Path, overrides: dict[str, dict[str, str]]) -> tuple[Any, Any]:  # noqa: ANN401
    from lerobot.policies.factory import make_pre_post_processors

    try:
        return make_pre_post_processors(config, pretrained_path=str(folder), preprocessor_overrides=overrides)
    except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The processors of {folder} cannot be restored: {error}") from None


def _schema(policy_config: Any, config: LeRobotConfig) -> PolicySchema:  # noqa: ANN401
    specs = []
    for key, feature in policy_config.input_features.items():
        name = _robot_name(key, config.cameras)
        if feature.type.value == "VISUAL":
            channels, height, width = feature.shape
            specs.append(ArraySpec(name, (height, width, channels), "uint8", "rgb"))
        else:
            specs.append(ArraySpec(name, tuple(feature.shape), "float32", "as trained"))
    width = policy_config.output_features["action"].shape[0] - int(config.gripper)
    horizon = len(policy_config.action_delta_indices)
    return PolicySchema(
        policy=f"{policy_config.type}:{config.path.name}",
        observation=tuple(specs),
        action=ArraySpec("actions", (horizon, width), "float32", "as trained"),
        action_space=ActionSpace(config.action_space),
        control_hz=config.control_hz,
        gripper=GripperConvention.OPEN_0_CLOSED_1 if config.gripper else GripperConvention.NONE,
    )
