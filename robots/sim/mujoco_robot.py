"""The simulated robot: MuJoCo behind the `Robot` contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

import mujoco
import numpy as np

from robots.errors import ActionRejectedError, RobotDisconnectedError, SpecError
from robots.safety import limit_twist, limit_workspace_velocity
from robots.sim import arm, snapshot
from robots.sim.appearance import ControlSpec
from robots.sim.cameras import Cameras
from robots.sim.channel import Channel
from robots.sim.config import LIMITS, STEP_M, STEP_RAD, SimConfig
from robots.sim.episode import EpisodeSpec
from robots.sim.kinematics import ArmKinematics
from robots.sim.rendering import TARGET_GROUP, SceneRenderer
from robots.sim.scene import HOME_RAD, THIRD_PERSON_CAMERA, arrange, build_scene
from robots.types import Action, ActionSpace, Float, Observation, RobotDescription

_SPACES = {ActionSpace.CARTESIAN_VELOCITY: 6, ActionSpace.JOINT_VELOCITY: 7, ActionSpace.JOINT_POSITION: 7}
_LAG_S = np.array(arm.DAMPING) / np.array(arm.STIFFNESS)


class MujocoRobot:
    """The arm in front of the bookcase. Call `reset` with an episode before driving it.

    Time passes only in `send_action` and `hold`, one control period per call.

    Args:
        config: Settings.
        now: The loop's clock [s], for capture times.
    """

    def __init__(self, config: SimConfig, now: Callable[[], float]) -> None:
        self.config = config
        self.dt_s = 1.0 / config.control_hz
        self.spec: EpisodeSpec | None = None
        self._substeps = max(1, math.ceil(self.dt_s / config.timestep_s - 0.5))
        self.scene = build_scene(config.scene, timestep_s=self.dt_s / self._substeps)
        self.model = self.scene.model
        self.data = mujoco.MjData(self.model)
        self.renderer = SceneRenderer(self.model)
        self._sensor = Cameras(self.model, self.renderer, self._cameras(), now)
        self._kinematics = ArmKinematics(np.array(HOME_RAD))
        self._index_model()
        self._connected = False
        self._channel = self._open_channel(ControlSpec(), 0, HOME_RAD)
        self._gripper = 0.0
        self._observation: Observation | None = None
        self.steps = 0
        self.collision_steps = 0

    @property
    def description(self) -> RobotDescription:
        """Names, cameras, action spaces and rate."""
        return RobotDescription(
            name="sim",
            joint_names=arm.JOINT_NAMES,
            action_spaces=tuple(_SPACES),
            cameras=self._sensor.intrinsics,
            control_hz=self.config.control_hz,
            home_rad=HOME_RAD,
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
            SpecError: The episode takes place in another scene than the robot's.
        """
        if spec.scene != self.config.scene:
            raise SpecError(f"The episode takes place in scene {spec.scene!r}, the robot is in {self.config.scene!r}.")
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
        self.data.qpos[self._fingers] = arm.FINGER_STROKE_M
        self.data.ctrl[self._arm_actuators] = spec.home_rad
        self.data.ctrl[self._gripper_actuator] = arm.FINGER_STROKE_M
        mujoco.mj_forward(self.model, self.data)
        self.steps = self.collision_steps = 0
        self._observation = None

    def get_observation(self) -> Observation:
        """Return the state after the last control period; it is drawn and stamped on the first call for it."""
        self._require_ready()
        if self._observation is None:
            self._observation = self._observe()
        return self._observation

    def send_action(self, action: Action) -> Action:
        """Limit and execute one control period; returns what was executed, in the action's own space."""
        self._require_ready()
        values = self._checked(action)
        self._advance(self._joint_target(action.space, values), action.gripper)
        gripper = None if action.gripper is None else self._gripper
        return Action(action.space, self._executed(action.space), gripper=gripper)

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
            "counters": [self._gripper, float(self.steps), float(self.collision_steps)],
        }

    def load_state(self, state: snapshot.State) -> None:
        """Continue from a `state` of the same episode, possibly of another process.

        Raises:
            SpecError: The state does not fit the scene.
        """
        self._require_ready()
        snapshot.restore(self.model, self.data, state)
        self._channel.load_state(state["channel"])
        self._sensor.load_state(state["cameras"])
        self._gripper = state["counters"][0]
        self.steps, self.collision_steps = int(state["counters"][1]), int(state["counters"][2])
        self._observation = None

    def _joint_target(self, space: ActionSpace, values: Float) -> Float:
        if space is ActionSpace.JOINT_POSITION:
            return values
        start = self._channel.sent.target_rad
        if space is ActionSpace.JOINT_VELOCITY:
            return start + values * self.dt_s
        twist = limit_twist(values, STEP_M / self.dt_s, STEP_RAD / self.dt_s)
        point = self._kinematics.forward(start).gripper_to_world[:3, 3]
        linear = limit_workspace_velocity(LIMITS, point, twist[:3], self.dt_s)
        allowed = np.concatenate([linear, twist[3:]])
        return start + self.dt_s * self._kinematics.twist_to_joint_velocity(start, allowed, dt_s=self.dt_s)

    def _executed(self, space: ActionSpace) -> Float:
        sent = self._channel.sent
        if space is ActionSpace.JOINT_POSITION:
            return sent.target_rad.copy()
        if space is ActionSpace.JOINT_VELOCITY:
            return sent.velocity_rad_s.copy()
        return self._kinematics.jacobian(sent.target_rad) @ sent.velocity_rad_s

    def _advance(self, wanted_rad: Float, gripper: float | None, *, noisy: bool = True) -> None:
        self._sensor.before_step(self.data, self.steps + 1)
        start = self._channel.arrived.target_rad
        gripper = self._channel.carry(wanted_rad, gripper, self.steps, noisy=noisy)
        target, velocity = self._channel.arrived.target_rad, self._channel.arrived.velocity_rad_s
        if gripper is not None:
            self._gripper = min(max(gripper, 0.0), 1.0)
        data = self.data
        data.ctrl[self._gripper_actuator] = arm.FINGER_STROKE_M * (1.0 - self._gripper)
        # The servo trails its target by kv/kp; leading by as much lets the arm follow without lag.
        lead = _LAG_S * velocity
        for index in range(self._substeps):
            data.ctrl[self._arm_actuators] = start + (target - start) * ((index + 1) / self._substeps) + lead
            mujoco.mj_step(self.model, data)
        mujoco.mj_forward(self.model, data)
        self.steps += 1
        self.collision_steps += int(self._touching())
        self._sensor.after_step(self.steps)
        self._observation = None

    def _touching(self) -> bool:
        """Whether arm or hand touches the bookcase or an object other than the target."""
        for first, second in self.data.contact.geom[: self.data.ncon]:
            a, b = self._part[first], self._part[second]
            if {int(a), int(b)} == {_ARM, _SCENE}:
                return True
        return False

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
            gripper=float(np.clip(1.0 - data.qpos[self._fingers].mean() / arm.FINGER_STROKE_M, 0.0, 1.0)),
            gripper_to_world=hand,
            camera_to_world=frame.camera_to_world,
        )

    def _open_channel(self, control: ControlSpec, seed: int, start_rad: tuple[float, ...]) -> Channel:
        return Channel(control, seed, LIMITS, np.array(start_rad), self.dt_s)

    def _checked(self, action: Action) -> Float:
        width = _SPACES.get(action.space)
        if width is None:
            raise ActionRejectedError(f"The robot does not support the action space {action.space!r}.")
        values = np.asarray(action.values, dtype=np.float64)
        if values.shape != (width,):
            raise ActionRejectedError(f"A {action.space} action needs shape ({width},), got {values.shape}.")
        if not np.isfinite(values).all() or (action.gripper is not None and not math.isfinite(action.gripper)):
            raise ActionRejectedError("The action holds values that are not finite.")
        return values

    def _require_ready(self) -> None:
        if not self._connected:
            raise RobotDisconnectedError("The simulated robot is not connected; call connect() first.")
        if self.spec is None:
            raise RobotDisconnectedError("The simulated robot has no episode; call reset(spec) first.")

    def _cameras(self) -> dict[str, tuple[int, int]]:
        extra = {} if self.config.third_person_px is None else {THIRD_PERSON_CAMERA: self.config.third_person_px}
        return {arm.WRIST_CAMERA: self.config.wrist_px, **extra}

    def _index_model(self) -> None:
        model = self.model
        self._qpos = np.array([model.joint(name).qposadr[0] for name in arm.JOINT_NAMES])
        self._dofs = np.array([model.joint(name).dofadr[0] for name in arm.JOINT_NAMES])
        self._fingers = np.array([model.joint(name).qposadr[0] for name in arm.FINGER_JOINTS])
        self._arm_actuators = np.array([model.actuator(name).id for name in arm.JOINT_NAMES])
        self._gripper_actuator = model.actuator(arm.GRIPPER_ACTUATOR).id
        self._site = model.site(arm.GRIPPER_SITE).id
        root = model.body("base").id
        roots = model.body_rootid[model.geom_bodyid]
        self._arm_geoms = roots == root
        self._part = np.where(self._arm_geoms, _ARM, _SCENE)
        self._groups = model.geom_group.copy()

    def _mark_target(self, spec: EpisodeSpec) -> None:
        model = self.model
        model.geom_group[:] = self._groups
        self._part[:] = np.where(self._arm_geoms, _ARM, _SCENE)
        if spec.target_name is not None:
            mine = model.geom_bodyid == model.body(spec.target_name).id
            model.geom_group[mine] = TARGET_GROUP
            self._part[mine] = _TARGET


_ARM, _SCENE, _TARGET = 0, 1, 2
