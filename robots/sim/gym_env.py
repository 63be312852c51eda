"""The simulated tasks as Gymnasium environments: `gymnasium.make("robots.sim.gym_env:baton/bookshelf_duck-v0")`.

Importing this module, which the part before the colon does, registers `baton/<task>-v0` and, per variant,
`baton/<task>_<variant>-v0` for every task. It is no plugin of Gymnasium: then every import of Gymnasium would load
MuJoCo.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from robots.errors import ActionRejectedError, UsageError
from robots.sim.config import SimConfig
from robots.sim.episode import EpisodeSpec, Variant
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import THIRD_PERSON_CAMERA
from robots.sim.tasks import TASKS, find_task, scene_of
from robots.types import Action, ActionSpace, Float

MAX_EPISODE_STEPS = 450  # 30 s at 15 Hz
USER_SEEDS = 900_000  # unseeded resets draw from here on, apart from training, validation and test

ObsType = dict[str, Any]


class BookshelfEnv(gymnasium.Env[ObsType, NDArray[np.float32]]):
    """Search, grasp the target, lift it. The reward is 1.0 in the step that lifts it, else 0.0.

    Action, float32 in [-1, 1], its last value the gripper from -1 open to 1 closed. Before it, by `control`:
    `cartesian_velocity`, the gripper's translation (3) and rotation (3) in the world frame as shares of the arm's
    largest step (Panda: 0.075 m and 0.15 rad); `joint_velocity`, (n,) shares of the largest speeds; `joint_position`,
    (n,) from the lowest to the highest position.

    Observation: `pixels`, one uint8 image (h, w, 3) per camera, and `agent_pos`, float32 (n + 1,): joint positions
    [rad] and the gripper, 0 open to 1 closed. What only the simulator knows is in `info["privileged"]` and never in the
    observation.

    Args:
        task: Registered task name.
        variant: Variant of every sampled episode, see `robots.sim.layout.sample_episode`.
        config: Settings of the robot, except the scene, which is the task's; a third-person image appears in the
            observation if it has one.
        control: The action space, see above.
        render_mode: `rgb_array` or None.

    Raises:
        UsageError: There is no such task or action space.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(
        self,
        task: str,
        *,
        variant: Variant | str = Variant.STANDARD,
        config: SimConfig | None = None,
        control: str = ActionSpace.CARTESIAN_VELOCITY,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise UsageError.unknown("render mode", str(render_mode), ["rgb_array"])
        self._own_task = find_task(task)
        self.task, self.task_description = self._own_task.name, self._own_task.instruction
        self.render_mode = render_mode
        self._max_episode_steps = MAX_EPISODE_STEPS
        self._variant = variant
        if control not in set(ActionSpace):
            raise UsageError.unknown("action space", control, list(ActionSpace))
        self._control = ActionSpace(control)
        self._robot = MujocoRobot(replace(config or SimConfig(), scene=scene_of(task)), self._now)
        self._truth = PrivilegedView(self._robot)
        self._middle, self._scale = _action_range(self._robot, self._control)
        self.action_space = spaces.Box(-1.0, 1.0, (len(self._scale) + 1,), np.float32)
        self.observation_space = _observation_space(self._robot)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObsType, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: The episode's seed, as in `sample_episode`; drawn from 900 000 up when None.
            options: `{"episode": EpisodeSpec.to_dict()}` replays that episode instead.

        Raises:
            UsageError: An option is unknown.
            SpecError: The episode does not fit the scene.
        """
        super().reset(seed=seed)
        spec = self._given(options or {})
        if spec is None:
            drawn = USER_SEEDS + int(self.np_random.integers(2**31)) if seed is None else seed
            spec = sample_episode(self._own_task.name, drawn, variant=self._variant)
        self.task, self.task_description = spec.task.name, spec.task.instruction
        self._robot.connect()
        self._robot.reset(spec)
        return self._observation(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[ObsType, float, bool, bool, dict[str, Any]]:
        """Execute one control period.

        Raises:
            ActionRejectedError: The action has the wrong width or is not finite.
        """
        values = np.asarray(action, dtype=np.float64)
        if values.shape != self.action_space.shape:
            raise ActionRejectedError(f"An action needs shape {self.action_space.shape}, got {values.shape}.")
        gripper = float(np.clip(0.5 * (values[-1] + 1.0), 0.0, 1.0))
        target = self._middle + np.clip(values[:-1], -1.0, 1.0) * self._scale
        self._robot.send_action(Action(self._control, target, gripper))
        info = self._info()
        success = info["is_success"]
        return self._observation(), float(success), success, False, info

    def render(self) -> NDArray[np.uint8] | None:
        """Return the third-person image, (360, 480, 3), or None without a render mode."""
        if self.render_mode is None:
            return None
        return self._robot.renderer.color(self._robot.data, THIRD_PERSON_CAMERA, (480, 360))

    def close(self) -> None:
        """Free the graphics context."""
        self._robot.close()

    def _given(self, options: dict[str, Any]) -> EpisodeSpec | None:
        for name in options.keys() - {"episode"}:
            raise UsageError.unknown("reset option", str(name), ["episode"])
        return EpisodeSpec.from_dict(options["episode"]) if "episode" in options else None

    def _observation(self) -> ObsType:
        seen = self._robot.get_observation()
        position = np.append(seen.joint_positions_rad, seen.gripper).astype(np.float32)
        return {"pixels": {name: image.copy() for name, image in seen.images.items()}, "agent_pos": position}

    def _info(self) -> dict[str, Any]:
        return {"is_success": self._truth.judge().success, "privileged": dict(self._truth.observe().values)}

    def _now(self) -> float:
        return self._robot.steps * self._robot.dt_s


def _action_range(robot: MujocoRobot, space: ActionSpace) -> tuple[Float, Float]:
    """Return the middle and the half width of what an action's values mean, (a,) each."""
    limits = robot.arm.limits
    if space is ActionSpace.CARTESIAN_VELOCITY:
        return np.zeros(6), np.repeat([robot.arm.step_m, robot.arm.step_rad], 3) / robot.dt_s
    if space is ActionSpace.JOINT_VELOCITY:
        return np.zeros(len(limits.lower_rad)), np.array(limits.velocity_rad_s)
    lower, upper = np.array(limits.lower_rad), np.array(limits.upper_rad)
    return 0.5 * (lower + upper), 0.5 * (upper - lower)


def _observation_space(robot: MujocoRobot) -> spaces.Dict:
    cameras = robot.description.cameras
    images = {
        name: spaces.Box(0, 255, (camera.height_px, camera.width_px, 3), np.uint8) for name, camera in cameras.items()
    }
    # Servos yield a little at their limits, so a measured joint may lie just beyond them.
    margin = 0.1
    low = np.append(np.array(robot.arm.limits.lower_rad) - margin, 0.0).astype(np.float32)
    high = np.append(np.array(robot.arm.limits.upper_rad) + margin, 1.0).astype(np.float32)
    return spaces.Dict({"pixels": spaces.Dict(images), "agent_pos": spaces.Box(low, high, dtype=np.float32)})


def register_envs() -> None:
    """Register every variant of every task; a second call changes nothing."""
    for task in TASKS:
        for variant in Variant:
            suffix = "" if variant is Variant.STANDARD else f"_{variant}"
            name = f"baton/{task}{suffix}-v0"
            if name not in gymnasium.registry:
                gymnasium.register(
                    name,
                    entry_point=f"{__name__}:{BookshelfEnv.__name__}",
                    max_episode_steps=MAX_EPISODE_STEPS,
                    kwargs={"task": task, "variant": str(variant)},
                )


register_envs()
