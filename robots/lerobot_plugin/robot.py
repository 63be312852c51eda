"""The simulated arm as a LeRobot robot: `--robot.type=baton_sim`.

Units: `<joint>.pos` are joint angles [rad], in observations and as position targets in actions; `gripper.pos` runs from
0.0 (open) to 1.0 (closed). Cameras are uint8 RGB images (h, w, 3). Every scalar ends in `.pos`, because LeRobot's
rollout passes no others to a policy. What only the simulator knows is in no feature.
"""

from __future__ import annotations

import logging
import math
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lerobot.robots import Robot, RobotConfig

from robots.errors import ActionRejectedError, PlanningError, RobotDisconnectedError, UsageError
from robots.lerobot_plugin.timing import EpisodeTimer
from robots.sim.arms import arm_of
from robots.sim.config import SimConfig
from robots.sim.episode import EpisodeSpec
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.privileged import PrivilegedView
from robots.sim.randomization import find_randomization
from robots.sim.scene import THIRD_PERSON_CAMERA
from robots.sim.tasks import scene_of
from robots.types import Action, ActionSpace, CameraIntrinsics, Float

logger = logging.getLogger(__name__)

GRIPPER = "gripper.pos"
DRAWS = 50  # episodes looked at before giving up when a condition refuses all of them

EpisodeCondition = Callable[[MujocoRobot], bool]

_alive: weakref.WeakValueDictionary[str, BatonSimRobot] = weakref.WeakValueDictionary()


@RobotConfig.register_subclass("baton_sim")
@dataclass(kw_only=True)
class BatonSimRobotConfig(RobotConfig):
    """Options of the simulated robot."""

    # Task that episodes are drawn for.
    task: str = "bookshelf_pineapple"
    # Seed of the first episode; each later one uses the next seed.
    seed: int = 900_000
    # Leave the target out of every episode.
    variant: str = "standard"
    # What varies besides the layout, errors of cameras and control included: none, train, shifted, extreme, or a file.
    randomization: str = "train"
    # Width and height of the wrist image [px].
    wrist_px: tuple[int, int] = (224, 224)
    # Width and height of the third-person image [px]; null for no such camera.
    third_person_px: tuple[int, int] | None = (320, 240)
    # Control rate [Hz]; run LeRobot's commands at the same --fps or --dataset.fps.
    control_hz: float = 15.0
    # The recorder's episode_time_s [s]; 0: episodes change only when the robot is connected again.
    episode_time_s: float = 0.0
    # The recorder's reset_time_s [s]; the next episode is set up half-way through it.
    reset_time_s: float = 0.0


class BatonSimRobot(Robot):
    """One simulated arm. Every `connect` and every `next_episode` begins the episode of the next seed.

    Time passes only in `send_action`: one control period per call.

    Raises:
        UsageError: The task is unknown, or a value is out of range.
    """

    config_class = BatonSimRobotConfig
    name = "baton_sim"
    simulated = True  # its time stands still while nothing is sent to it

    def __init__(self, config: BatonSimRobotConfig, now: Callable[[], float] = time.monotonic) -> None:
        scene = scene_of(config.task)
        find_randomization(config.randomization)
        if config.seed < 0:
            raise UsageError(f"baton_sim: seed must not be negative, got {config.seed}.")
        self._sim: MujocoRobot | None = None
        self.timer = EpisodeTimer(config.episode_time_s, config.reset_time_s)
        self.settings = SimConfig(
            control_hz=config.control_hz,
            wrist_px=config.wrist_px,
            third_person_px=config.third_person_px,
            scene=scene,
        )
        self.scalars = scalar_names(self.settings)
        super().__init__(config)
        self.config = config
        self.episode = 0
        self._seed = config.seed
        self._now = now
        self._connected = False
        self._conditions: list[EpisodeCondition] = []
        _alive[config.id or ""] = self

    @property
    def sim(self) -> MujocoRobot:
        """The robot behind the features; for experts and judges, who may see everything."""
        if self._sim is None:
            self._sim = MujocoRobot(self.settings, self._now)
        return self._sim

    @property
    def cameras(self) -> Mapping[str, CameraIntrinsics]:
        """Intrinsics by camera name; LeRobot counts them to size its image writers."""
        return self.sim.description.cameras

    @property
    def observation_features(self) -> dict[str, type | tuple[int, int, int]]:
        """Joint angles [rad], the gripper, and an image (h, w, 3) per camera."""
        return {**dict.fromkeys(self.scalars, float), **image_shapes(self.settings)}

    @property
    def action_features(self) -> dict[str, type]:
        """Joint angle targets [rad] and the gripper target."""
        return dict.fromkeys(self.scalars, float)

    @property
    def is_connected(self) -> bool:
        """Whether the robot accepts commands."""
        return self._connected

    @property
    def is_calibrated(self) -> bool:
        """Always True: there is nothing to calibrate."""
        return True

    def calibrate(self) -> None:
        """Do nothing."""

    def configure(self) -> None:
        """Do nothing."""

    def connect(self, calibrate: bool = True) -> None:  # noqa: FBT001, FBT002 - LeRobot's own signature
        """Open the graphics context and begin the next episode. Ignored when connected.

        Raises:
            GraphicsError: Cameras cannot be rendered.
            PlanningError: A condition refuses every episode.
        """
        if self._connected:
            return
        self.sim.connect()
        self._connected = True
        self.next_episode()

    def next_episode(self) -> None:
        """Begin the episode of the next seed that every condition accepts.

        Raises:
            PlanningError: `DRAWS` episodes in a row were refused.
        """
        self.timer.restart()
        self._begin()

    def add_condition(self, accepts: EpisodeCondition) -> None:
        """Skip episodes, from the next one on, for which `accepts` returns False right after the reset."""
        self._conditions.append(accepts)

    def get_observation(self) -> dict[str, Any]:
        """Return joint angles [rad], gripper and images after the last control period.

        Raises:
            RobotDisconnectedError: The robot is not connected.
        """
        self._require_link()
        if self.timer.due(self._now()):
            self._begin()
        seen = self.sim.get_observation()
        scalars = [*seen.joint_positions_rad.tolist(), seen.gripper]
        return {**dict(zip(self.scalars, scalars, strict=True)), **{name: i.copy() for name, i in seen.images.items()}}

    def send_action(self, action: Mapping[str, Any]) -> dict[str, Any]:
        """Execute one control period towards joint angles [rad] and a gripper value; return what was really sent.

        Raises:
            ActionRejectedError: A value is missing, unknown or not finite; nothing moved.
            RobotDisconnectedError: The robot is not connected.
        """
        self._require_link()
        values = _values(action, self.scalars)
        self.timer.acted(self._now())
        sent = self.sim.send_action(Action(ActionSpace.JOINT_POSITION, values[:-1], float(values[-1])))
        gripper = values[-1] if sent.gripper is None else sent.gripper
        return dict(zip(self.scalars, [*sent.values.tolist(), float(gripper)], strict=True))

    def disconnect(self) -> None:
        """Stop the robot. The graphics context is kept for the next `connect`."""
        if self._connected:
            self._report()
            self._connected = False
            self.sim.disconnect()

    def _begin(self) -> None:
        self._report()
        for _ in range(DRAWS):
            self.sim.reset(self._episode(self._seed))
            self._seed += 1
            if all(accepts(self.sim) for accepts in self._conditions):
                self.episode += 1
                return
        raise PlanningError(f"None of {DRAWS} episodes of {self.config.task} was accepted for demonstration.")

    def _episode(self, seed: int) -> EpisodeSpec:
        config = self.config
        return sample_episode(config.task, seed, variant=config.variant, randomization=config.randomization)

    def _report(self) -> None:
        if self._connected and self.sim.spec is not None and self.sim.steps:
            lifted = PrivilegedView(self.sim).judge().success
            logger.info(
                "Episode of seed %d ended: target %s.", self.sim.spec.seed, "lifted" if lifted else "not lifted"
            )

    def _require_link(self) -> None:
        if not self._connected:
            raise RobotDisconnectedError("baton_sim is not connected; call connect() first.")


def scalar_names(settings: SimConfig) -> tuple[str, ...]:
    """Return LeRobot's names of the joints of the scene's arm, then of the gripper."""
    return (*(f"{name}.pos" for name in arm_of(settings.scene).joint_names), GRIPPER)


def image_shapes(settings: SimConfig) -> dict[str, tuple[int, int, int]]:
    """Return the shape (h, w, 3) of each camera's image."""
    sizes = {arm_of(settings.scene).wrist_camera: settings.wrist_px, THIRD_PERSON_CAMERA: settings.third_person_px}
    return {name: (size[1], size[0], 3) for name, size in sizes.items() if size is not None}


def find_robot(robot_id: str | None) -> BatonSimRobot:
    """Return the simulated robot of this process with that `--robot.id`; with None, the only one there is.

    LeRobot builds robot and teleoperator from separate options and never introduces them to each other.

    Raises:
        UsageError: There is none, or more than one could be meant.
    """
    if robot_id is None and len(_alive) == 1:
        return next(iter(_alive.values()))
    robot = _alive.get(robot_id or "")
    if robot is None:
        known = ", ".join(repr(name) for name in sorted(_alive)) or "none"
        raise UsageError(
            f"baton_expert drives only --robot.type=baton_sim in the same process; robots with an id here: {known}."
        )
    return robot


def _values(action: Mapping[str, Any], names: tuple[str, ...]) -> Float:
    """Return (n + 1,) joint targets [rad] and gripper from LeRobot's flat dictionary."""
    if missing := [name for name in names if name not in action]:
        raise ActionRejectedError(f"baton_sim: the action lacks {', '.join(missing)}.")
    if unknown := sorted(set(action) - set(names)):
        raise ActionRejectedError(f"baton_sim: the action has unknown entries {', '.join(unknown)}.")
    values = np.array([float(action[name]) for name in names])
    if not all(map(math.isfinite, values)):
        raise ActionRejectedError("baton_sim: the action holds values that are not finite; nothing moved.")
    return values
