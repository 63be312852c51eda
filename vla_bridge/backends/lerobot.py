"""Any LeRobot policy saved in a local folder: ACT, pi0, SmolVLA, or one registered by a plug-in.

Nothing is downloaded unless the user names a policy on the hub, no code from the folder is run, and a folder that is
damaged or incomplete is refused before it can answer. Torch and LeRobot are imported when the policy is loaded.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import CheckpointError, SchemaError, SpecError, UsageError
from robots.types import ActionSpace
from vla_bridge.backends.base import BackendConfig, Prediction
from vla_bridge.backends.checkpoints import POSTPROCESSOR, PREPROCESSOR, read_steps, read_weights_header
from vla_bridge.backends.conversion import POSE, STATE, state_of, to_prediction
from vla_bridge.backends.hub import local_folder
from vla_bridge.backends.language import Language, tokenizer_overrides
from vla_bridge.backends.loading import (
    build_policy,
    build_processors,
    chunk_length,
    predict_chunk,
    read_config,
    usual_values,
)
from vla_bridge.backends.schemas import cameras_of, make_schema
from vla_bridge.conventions import ActionProfile, Frame, GripperAction, Part, Unit, Units
from vla_bridge.messages import Infer, PolicySchema
from vla_bridge.observations import IMAGES
from vla_bridge.profiles import CameraUse, GeneralistProfile, load_profile

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

DECLARED_BY_PROFILE = ("action_space", "control_hz", "gripper", "gripper_open", "gripper_closed")


@dataclass(frozen=True)
class LeRobotConfig(BackendConfig):
    """Options of the `lerobot` backend: what a policy folder does not say about itself."""

    # Folder with config.json, model.safetensors and the saved processors; or org/name on the Hugging Face hub.
    path: Path
    # What the values mean: a profile file, or a shipped one (baton_sim, droid_joint_velocity, libero, so101).
    profile: str = ""
    # Without a profile: what the actions mean: cartesian_velocity (world frame), joint_velocity or joint_position.
    action_space: str = "joint_position"
    # Without a profile: rate at which the policy was trained to act [Hz].
    control_hz: float = 15.0
    # Without a profile: whether the last action value is the gripper.
    gripper: bool = True
    # Without a profile: gripper value that means open.
    gripper_open: float = 0.0
    # Without a profile: gripper value that means closed.
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
        default = {item.name: item.default for item in fields(self)}
        twice = [name for name in DECLARED_BY_PROFILE if self.profile and getattr(self, name) != default[name]]
        if twice:
            raise UsageError(f"{twice[0]} is declared by the profile {self.profile}: leave the option out.")
        self.declared()

    def declared(self) -> GeneralistProfile:
        """Return the profile that the options name or describe, with this robot's camera names.

        Raises:
            UsageError: There is no such profile.
            SpecError: A field of it is wrong.
        """
        profile = load_profile(self.profile) if self.profile else self._described()
        renamed = {
            name: CameraUse(camera) if (use := profile.cameras.get(name)) is None else replace(use, camera=camera)
            for name, camera in self.cameras.items()
        }
        return replace(profile, cameras={**profile.cameras, **renamed})

    def _described(self) -> GeneralistProfile:
        twist = self.action_space == ActionSpace.CARTESIAN_VELOCITY
        action = ActionProfile(
            ActionSpace(self.action_space),
            layout=(Part.MOTION, Part.GRIPPER) if self.gripper else (Part.MOTION,),
            frame=Frame.WORLD if twist else None,
            units=Units(Unit.M_RAD if twist else Unit.RAD),
            gripper=GripperAction(self.gripper_open, self.gripper_closed),
        )
        return GeneralistProfile("options", self.control_hz, action)


class LeRobotBackend:
    """Serves a LeRobot policy folder. See `vla_bridge.backends.base.Backend` for the contract."""

    def __init__(self, config: LeRobotConfig) -> None:
        self._config = config
        self._profile = config.declared()
        self._folder = config.path
        self._policy: Any = None
        self._preprocess: Any = None
        self._postprocess: Any = None
        self._language: Language | None = None
        self._cameras: dict[str, CameraUse | None] = {}
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
            CheckpointError: The folder is damaged, incomplete, of an unknown type, its digest is another one, or it
                does not fit the profile.
        """
        folder = self._folder = local_folder(self._config.path)
        saved = read_weights_header(folder, self._config.sha256)
        steps = read_steps(folder, PREPROCESSOR)
        read_steps(folder, POSTPROCESSOR)
        overrides = tokenizer_overrides(folder, steps)
        if "device_processor" in steps:
            overrides["device_processor"] = {"device": self._config.device}
        config = read_config(folder, self._config.device)
        self._policy = build_policy(config, folder, saved)
        self._preprocess, self._postprocess = build_processors(config, folder, steps, overrides)
        self._language = Language(self._preprocess)
        self._language.check_vocabulary(self._policy, self._preprocess, folder)
        self._schema = self._agree(self._policy.config)
        logger.info("Loaded a %s policy with %d tensors from %s.", config.type, len(saved), folder)

    def warm(self) -> None:
        """Run one synthetic observation, usual for the policy, and check the answer's shape, values and range.

        Raises:
            CheckpointError: The answer does not fit the folder's own description, is not finite, or out of bounds.
        """
        arrays = {spec.name: spec.zeros() for spec in self.schema.observation}
        if POSE in arrays:
            arrays[POSE] = np.eye(4, dtype=np.float32)
        willing = replace(self._profile, action=replace(self._profile.action, refuse_above=math.inf))
        try:
            values = self._values(self._usual(), seed=(0, 0))
            self.schema.action.validate(to_prediction(willing, values, arrays).actions)
        except (SpecError, RuntimeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{self._folder} fails on a synthetic observation: {error}") from error

    def infer(self, request: Infer) -> Prediction:
        """Compute a chunk. Images are scaled to [0, 1] and put channels first, as LeRobot policies expect.

        Raises:
            SchemaError: An array is missing; nothing is ever filled in for it.
            SpecError: The instruction is too long, or the answer is not finite or outside the profile's bounds.
            PlanningError: The policy refuses.
        """
        values = self._values(self._batch(request), seed=(request.epoch, request.seq))
        return to_prediction(self._profile, values, request.arrays)

    def reset(self, session: str) -> None:
        """Forget the policy's internal queues; chunks are computed from one observation, so sessions share nothing."""
        self._policy.reset()

    def _agree(self, config: Any) -> PolicySchema:  # noqa: ANN401 - LeRobot's types are not imported here
        """Compare the checkpoint with the profile, and return what is asked of the robot."""
        inputs, masks = config.input_features, hasattr(config, "empty_cameras")
        if not self._config.profile:  # cameras that no option renames keep their names
            names = [key.removeprefix(IMAGES) for key, feature in inputs.items() if feature.type.value == "VISUAL"]
            same = {name: CameraUse(name) for name in names if not (masks and name.startswith("empty_camera_"))}
            self._profile = replace(self._profile, cameras={**same, **self._profile.cameras})
        self._cameras = cameras_of(inputs, self._profile, masks=masks)
        width = config.output_features["action"].shape[0]
        name = f"{config.type}:{self._folder.name}"
        return make_schema(name, inputs, width, chunk_length(config), self._profile, masks=masks)

    def _values(self, batch: dict[str, Any], seed: tuple[int, int]) -> NDArray[np.float32]:
        """Return the policy's answer to a batch, as its postprocessor gives it, (k, values)."""
        import torch

        assert self._language is not None
        torch.manual_seed(np.random.SeedSequence((self._config.seed, *seed)).generate_state(1)[0])
        with torch.inference_mode():
            batch = self._preprocess(batch)
            self._language.check_length(batch)
            actions = self._postprocess(predict_chunk(self._policy, batch))
        values: NDArray[np.float32] = actions.squeeze(0).to("cpu", torch.float32).numpy()
        return values[: self.schema.horizon]

    def _batch(self, request: Infer) -> dict[str, Any]:
        for spec in self.schema.observation:
            if spec.name not in request.arrays:
                raise SchemaError(f"{spec.name}: the policy needs it, but the request does not hold it.")
        batch: dict[str, Any] = {"task": request.instruction}
        for key in self._policy.config.input_features:
            use = self._cameras.get(key)
            if use is not None:
                batch[key] = _tensor(request.arrays[f"{IMAGES}{use.camera}"])
            elif key == STATE and self._profile.state is not None:
                batch[key] = _tensor(state_of(self._profile.state, request.arrays))
            elif key not in self._cameras:
                batch[key] = _tensor(request.arrays[key])
        return batch

    def _usual(self) -> dict[str, Any]:
        """Return a synthetic batch: grey images, and the mean state of the data that the policy was trained on."""
        import torch

        batch: dict[str, Any] = {"task": "warm up"}
        for key, feature in self._policy.config.input_features.items():
            if feature.type.value != "VISUAL":
                size = math.prod(feature.shape)
                batch[key] = usual_values(self._preprocess, key, size).reshape(tuple(feature.shape))
            elif self._cameras[key] is not None:
                batch[key] = torch.full(tuple(feature.shape), 0.5)
        return batch


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    import torch

    tensor = torch.from_numpy(np.array(array))  # torch may write into its tensors, the wire's buffers must stay as sent
    if array.dtype == np.uint8 and array.ndim == 3:
        return tensor.permute(2, 0, 1).contiguous().to(torch.float32) / 255.0
    return tensor
