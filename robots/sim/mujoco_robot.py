"""The simulated robot: MuJoCo behind the `Robot` contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

import mujoco
import numpy as np

from robots.errors import ActionRejectedError, RobotDisconnectedError, SpecError
from robots.sim import snapshot
from robots.sim.appearance import ControlSpec
from robots.sim.arms import arm_of
from robots.sim.cameras import Cameras
from robots.sim.channel import Channel
from robots.sim.commands import SAME, SPACES, CommandCounts, CommandReader
from robots.sim.config import SimConfig
from robots.sim.episode import EpisodeSpec
from robots.sim.rendering import TARGET_GROUP, SceneRenderer
from robots.sim.scene import THIRD_PERSON_CAMERA, arrange, build_scene, place_parts
from robots.sim.touch import TouchJudge
from robots.types import Action, ActionSpace, Float, Observation, RobotDescription


class MujocoRobot:
    """One arm in one scene. Call `reset` with an episode before driving it.

    Time passes only in `send_action` and `hold`, one control period per call.

    Args:
        config: Settings.
        now: The loop's clock [s], for capture times.
    """

    def __init__(self, config: SimConfig, now: Callable[[], float]) -> None:
        self.config, self.arm = config, arm_of(config.scene)
        self.dt_s = 1.0 / config.control_hz
        self.spec: EpisodeSpec | None = None
        self._substeps = max(1, math.ceil(self.dt_s / config.timestep_s - 0.5))
        self.scene = build_scene(config.scene, timestep_s=self.dt_s / self._substeps)
        self.model = self.scene.model
        self.data = mujoco.MjData(self.model)
        self.renderer = SceneRenderer(self.model)
        self._sensor = Cameras(self.model, self.renderer, self._cameras(), now, on_demand=config.draw_on_demand)
        self._commands = CommandReader(self.arm, self.dt_s)
        self._lag_s = np.array(self.arm.damping) / np.array(self.arm.stiffness)
        self._touch = TouchJudge(self.model, self.arm)
        self._index_model()
        self._connected = False
        self._channel = self._open_channel(ControlSpec(), 0, self.arm.home_rad)
        self._gripper = 0.0
        self._observation: Observation | None = None
        self.steps = 0
        self.collision_steps = 0
        self._rejected = self._clipped = 0

    @property
    def counters(self) -> CommandCounts:
        """How many commands of this episode were rejected, and how many clipped."""
        return CommandCounts(self._rejected, self._clipped)

    @property
    def description(self) -> RobotDescription:
        """Names, cameras, action spaces and rate."""
        return RobotDescription(
            name="sim",
            joint_names=self.arm.joint_names,
            action_spaces=SPACES,
            cameras=self._sensor.intrinsics,
            control_hz=self.config.control_hz,
            home_rad=self.arm.home_rad,
        )

    def connect(self) -> None:
        """Open the graphics context, which takes a few control periods, and accept commands from now on.

        Raises:
            GraphicsError: Cameras cannot be rendered; the message says what to install.
        """
        self.renderer.open()
        self._connected = True

    def disconnect(self) -> None:
        """Refuse commands from now on. The graphics context is kept for the next episode; `close` frees it."""
        self._connected = False

    def close(self) -> None:
        """Disconnect for good and free the graphics context."""
        self.disconnect()
        self.renderer.close()

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        self.disconnect()

    def reset(self, spec: EpisodeSpec) -> None:
        """Set up an episode: the same specification gives the same bytes.

        Raises:
            SpecError: The episode takes place in another scene than the robot's, or starts with another number of
                joints.
        """
        if spec.scene != self.config.scene:
            raise SpecError(f"The episode takes place in scene {spec.scene!r}, the robot is in {self.config.scene!r}.")
        if len(spec.home_rad) != len(self.arm.joint_names):
            raise SpecError(
                f"episode.home_rad: expected {len(self.arm.joint_names)} values for arm {self.arm.name}, "
                f"got {len(spec.home_rad)}."
            )
        self.spec = spec
        arrange(self.scene, spec)
        self._mark_target(spec)
        self._sensor.begin(spec.appearance, spec.seed)
        mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_setConst(self.model, self.data)
        mujoco.mj_resetData(self.model, self.data)
        self._channel = self._open_channel(spec.appearance.control, spec.seed, spec.home_rad)
        self._gripper = 0.0
        self.data.qpos[self._qpos] = spec.home_rad
        self.data.qpos[self._fingers] = self.arm.finger_stroke
        self.data.ctrl[self._arm_actuators] = spec.home_rad
        self.data.ctrl[self._gripper_actuator] = self.arm.finger_stroke
        place_parts(self.scene, self.data, spec)
        mujoco.mj_forward(self.model, self.data)
        self.steps = self.collision_steps = self._rejected = self._clipped = 0
        self._observation = None

    def get_observation(self) -> Observation:
        """Return the state after the last control period; it is drawn and stamped on the first call for it."""
        self._require_ready()
        if self._observation is None:
            self._observation = self._observe()
        return self._observation

    def send_action(self, action: Action) -> Action:
        """Execute one control period; returns what was executed, in the action's own space.

        A well-formed action is clipped to the arm's limits: joint range, speed and acceleration, and in Cartesian
        space also the largest step and the workspace box. `counters` says how often that changed it. A malformed one
        moves nothing and takes no time.

        Raises:
            ActionRejectedError: The space is unknown, the width is wrong, or a value is no finite number.
            RobotDisconnectedError: The robot is not connected or has no episode.
        """
        self._require_ready()
        try:
            values = self._commands.checked(action)
        except ActionRejectedError:
            self._rejected += 1
            raise
        gripper = None if action.gripper is None else min(max(float(action.gripper), 0.0), 1.0)
        target, clipped = self._commands.joint_target(action.space, values, self._channel.sent)
        self._advance(target, gripper)
        clipped = clipped or bool(np.abs(self._channel.sent.target_rad - target).max() > SAME)
        self._clipped += clipped or gripper != action.gripper
        return Action(action.space, self._commands.executed(action.space, self._channel.sent), gripper=gripper)

    def hold(self) -> Action:
        """Brake within the limits and keep the pose for one control period."""
        self._require_ready()
        self._advance(self._channel.sent.target_rad, None, noisy=False)
        return Action(ActionSpace.JOINT_POSITION, self._channel.sent.target_rad.copy())

    def state(self) -> snapshot.State:
        """Return the whole dynamic state as plain numbers; with the `EpisodeSpec` it rebuilds the scene exactly."""
        self._require_ready()
        return {
            **snapshot.save(self.model, self.data),
            "channel": self._channel.state(),
            "cameras": self._sensor.state(),
            "counters": [self._gripper, *map(float, (self.steps, self.collision_steps, self._rejected, self._clipped))],
        }

    def load_state(self, state: snapshot.State) -> None:
        """Continue from a `state` of the same episode, possibly of another process.

        Raises:
            SpecError: The state does not fit the scene.
        """
        self._require_ready()
        counters = state.get("counters", [])
        if len(counters) != 5 or not np.isfinite(counters).all():
            raise SpecError("state.counters: expected five finite numbers.")
        snapshot.restore(self.model, self.data, state)
        self._channel.load_state(state["channel"])
        self._sensor.load_state(state["cameras"])
        self._gripper = counters[0]
        self.steps, self.collision_steps, self._rejected, self._clipped = (int(value) for value in counters[1:])
        self._observation = None

    def _advance(self, wanted_rad: Float, gripper: float | None, *, noisy: bool = True) -> None:
        self._sensor.before_step(self.data, self.steps + 1)
        start = self._channel.arrived.target_rad
        gripper = self._channel.carry(wanted_rad, gripper, self.steps, noisy=noisy)
        target, velocity = self._channel.arrived.target_rad, self._channel.arrived.velocity_rad_s
        if gripper is not None:
            self._gripper = gripper
        data = self.data
        data.ctrl[self._gripper_actuator] = self.arm.finger_stroke * (1.0 - self._gripper)
        # The servo trails its target by kv/kp; leading by as much lets the arm follow without lag.
        lead = self._lag_s * velocity
        for index in range(self._substeps):
            data.ctrl[self._arm_actuators] = start + (target - start) * ((index + 1) / self._substeps) + lead
            mujoco.mj_step(self.model, data)
        mujoco.mj_forward(self.model, data)
        self.steps += 1
        self.collision_steps += int(self._touch.collides(data))
        self._sensor.after_step(self.steps)
        self._observation = None

    def _observe(self) -> Observation:
        data, frame = self.data, self._sensor.frame(self.data)
        hand = np.eye(4)
        hand[:3, :3] = data.site_xmat[self._site].reshape(3, 3)
        hand[:3, 3] = data.site_xpos[self._site]
        return Observation(
            captured_at_s=frame.captured_at_s,
            capture_id=frame.capture_id,
            images=frame.images,
            joint_positions_rad=data.qpos[self._qpos].copy(),
            joint_velocities_rad_s=data.qvel[self._dofs].copy(),
            gripper=float(np.clip(1.0 - data.qpos[self._fingers].mean() / self.arm.finger_stroke, 0.0, 1.0)),
            gripper_to_world=hand,
            camera_to_world=frame.camera_to_world,
        )

    def _open_channel(self, control: ControlSpec, seed: int, start_rad: tuple[float, ...]) -> Channel:
        return Channel(control, seed, self.arm.limits, np.array(start_rad), self.dt_s)

    def _require_ready(self) -> None:
        if not self._connected:
            raise RobotDisconnectedError("The simulated robot is not connected; call connect() first.")
        if self.spec is None:
            raise RobotDisconnectedError("The simulated robot has no episode; call reset(spec) first.")

    def _cameras(self) -> dict[str, tuple[int, int]]:
        extra = {} if self.config.third_person_px is None else {THIRD_PERSON_CAMERA: self.config.third_person_px}
        return {self.arm.wrist_camera: self.config.wrist_px, **extra}

    def _index_model(self) -> None:
        model, arm = self.model, self.arm
        self._qpos = np.array([model.joint(name).qposadr[0] for name in arm.joint_names])
        self._dofs = np.array([model.joint(name).dofadr[0] for name in arm.joint_names])
        self._fingers = np.array([model.joint(name).qposadr[0] for name in arm.finger_joints])
        self._arm_actuators = np.array([model.actuator(name).id for name in arm.joint_names])
        self._gripper_actuator = model.actuator(arm.gripper_actuator).id
        self._site = model.site(arm.gripper_site).id
        self._groups = model.geom_group.copy()

    def _mark_target(self, spec: EpisodeSpec) -> None:
        model = self.model
        model.geom_group[:] = self._groups
        target = None if spec.target_name is None else model.body(spec.target_name).id
        if target is not None:
            model.geom_group[model.geom_bodyid == target] = TARGET_GROUP
        self._touch.allow(target)
