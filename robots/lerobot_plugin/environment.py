"""The simulated tasks as a LeRobot environment: `--env.type=baton`.

Observations reach a policy as `observation.state`, float32 (n + 1,): joint angles [rad] and the gripper, 0 open to
1 closed, and as `observation.images.<camera>`. Actions are those of `robots.sim.gym_env`, in [-1, 1]: by default (7,),
the gripper's translation and rotation as shares of the largest step, and the gripper from -1 open to 1 closed. What
only the simulator knows is in the environment's `info`, which no policy is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.envs.utils import NEW_ROLLOUT_OPTION, FreezeAfterEpisodeEnd
from lerobot.utils.constants import ACTION, OBS_IMAGES, OBS_STATE

from robots.errors import UsageError
from robots.lerobot_plugin.robot import image_shapes, scalar_names
from robots.sim import gym_env
from robots.sim.config import SimConfig
from robots.sim.tasks import scene_of
from robots.types import ActionSpace

PREFIX, SUFFIX = "baton/", "-v0"
AGENT_POS = "agent_pos"
TWIST_WIDTH = 6


def task_names() -> tuple[str, ...]:
    """Return every task and variant that has an environment, sorted: `bookshelf_duck`, `bookshelf_duck_absent`, ..."""
    names = (name for name in gymnasium.registry if name.startswith(PREFIX) and name.endswith(SUFFIX))
    return tuple(sorted(name.removeprefix(PREFIX).removesuffix(SUFFIX) for name in names))


@EnvConfig.register_subclass("baton")
@dataclass
class BatonEnvConfig(EnvConfig):
    """Options of the environment.

    Raises:
        UsageError: The task is unknown, or an image size is out of range.
    """

    # Task or variant: bookshelf_duck, bookshelf_duck_absent, ...
    task: str | None = "bookshelf_pineapple"
    # Control rate [Hz]; fixed by the simulation.
    fps: int = 15
    # What actions mean: cartesian_velocity, joint_velocity or joint_position, each scaled to [-1, 1].
    control: str = ActionSpace.CARTESIAN_VELOCITY.value
    # Longest episode, in control periods.
    episode_length: int = gym_env.MAX_EPISODE_STEPS
    # Width and height of the wrist image [px].
    wrist_px: tuple[int, int] = (224, 224)
    # Width and height of the third-person image [px]; null for no such camera.
    third_person_px: tuple[int, int] | None = None
    features: dict[str, PolicyFeature] = field(default_factory=dict)
    features_map: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in task_names():
            raise UsageError.unknown("task", str(self.task), task_names(), where="--env.task")
        if self.episode_length < 1:
            raise UsageError(f"--env.episode_length must be at least 1, got {self.episode_length}.")
        if self.control not in tuple(ActionSpace):
            raise UsageError.unknown("action space", self.control, map(str, ActionSpace), where="--env.control")
        self.features = {**self._vectors(), **_images(self.sim_config)}
        self.features_map = {name: OBS_STATE if name == AGENT_POS else name for name in self.features}

    @property
    def sim_config(self) -> SimConfig:
        """Settings of the simulated robot."""
        return SimConfig(
            control_hz=float(self.fps),
            wrist_px=self.wrist_px,
            third_person_px=self.third_person_px,
            scene=scene_of(gymnasium.spec(self.gym_id).kwargs["task"]),
        )

    @property
    def package_name(self) -> str:
        """The module that registers the environments."""
        return gym_env.__name__

    @property
    def gym_id(self) -> str:
        """The registered name."""
        return f"{PREFIX}{self.task}{SUFFIX}"

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        """Arguments of `gymnasium.make`."""
        options = {"config": self.sim_config, "control": self.control}
        return {**options, "render_mode": "rgb_array", "max_episode_steps": self.episode_length}

    def create_envs(self, n_envs: int, use_async_envs: bool = False) -> dict[str, dict[int, VectorEnv]]:  # noqa: FBT001, FBT002
        """Return `{"baton": {0: vector environment}}`; an episode that ended is not simulated any further."""
        make = partial(_make_one, self.gym_id, self.gym_kwargs)
        if use_async_envs and n_envs > 1:
            envs: VectorEnv = AsyncVectorEnv(
                [make] * n_envs, context="forkserver", autoreset_mode=AutoresetMode.SAME_STEP
            )
        else:
            envs = SyncVectorEnv([make] * n_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        return {self.type: {0: envs}}

    def _vectors(self) -> dict[str, PolicyFeature]:
        states = len(scalar_names(self.sim_config))
        actions = TWIST_WIDTH + 1 if self.control == ActionSpace.CARTESIAN_VELOCITY else states
        return {
            ACTION: PolicyFeature(type=FeatureType.ACTION, shape=(actions,)),
            AGENT_POS: PolicyFeature(type=FeatureType.STATE, shape=(states,)),
        }


class WithoutRolloutMark(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Takes LeRobot's own mark of a new rollout out of the reset options, which the environment would refuse."""

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset with the other options."""
        kept = {name: value for name, value in (options or {}).items() if name != NEW_ROLLOUT_OPTION}
        return self.env.reset(seed=seed, options=kept)


def _make_one(gym_id: str, kwargs: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    gym_env.register_envs()
    env = gymnasium.make(gym_id, disable_env_checker=True, **kwargs)
    frozen: gymnasium.Env[Any, Any] = FreezeAfterEpisodeEnd(WithoutRolloutMark(env))
    return frozen


def _images(config: SimConfig) -> dict[str, PolicyFeature]:
    return {
        f"{OBS_IMAGES}.{name}": PolicyFeature(type=FeatureType.VISUAL, shape=shape)
        for name, shape in image_shapes(config).items()
    }
