"""The scripted pick as a LeRobot teleoperator: `--teleop.type=baton_expert`.

It plans with the simulator's own state, so it drives the simulated robot of the same process only, and what it records
is a demonstration, never an evaluation. Units are those of `robots.lerobot_plugin.robot`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from lerobot.teleoperators import Teleoperator, TeleoperatorConfig

from robots.errors import PlanningError, RobotDisconnectedError
from robots.lerobot_plugin.robot import BatonSimRobot, find_robot
from robots.sim.experts.trajectory import JointPlan
from robots.sim.experts.world import ExpertWorld
from robots.sim.mujoco_robot import MujocoRobot
from robots.types import Float

logger = logging.getLogger(__name__)


@TeleoperatorConfig.register_subclass("baton_expert")
@dataclass(kw_only=True)
class BatonExpertConfig(TeleoperatorConfig):
    """Options of the scripted expert."""

    # --robot.id of the simulated robot; null where there is only one.
    robot_id: str | None = None
    # Demonstrate only episodes in which at least this share of the target is visible in the first wrist image.
    min_visible_fraction: float = 0.0


class BatonExpert(Teleoperator):
    """Drives the simulated robot through a planned pick, one joint target per call, then holds.

    Episodes that it cannot demonstrate (no reachable grasp, target absent or hidden) are skipped before a recording
    begins. While the recorder waits for the scene to be reset it keeps still.
    """

    config_class = BatonExpertConfig
    name = "baton_expert"

    def __init__(self, config: BatonExpertConfig) -> None:
        self._robot: BatonSimRobot | None = None
        super().__init__(config)
        self.config = config
        self._world: ExpertWorld | None = None
        self._plan: JointPlan | None = None
        self._planned_for = -1
        self._step = 0

    @property
    def action_features(self) -> dict[str, type]:
        """The same as those of its robot, which must have been built.

        Raises:
            UsageError: There is no simulated robot in this process.
        """
        return (self._robot or find_robot(self.config.robot_id)).action_features

    @property
    def feedback_features(self) -> dict[str, type]:
        """None."""
        return {}

    @property
    def is_connected(self) -> bool:
        """Whether it has found its robot."""
        return self._robot is not None

    @property
    def is_calibrated(self) -> bool:
        """Always True: there is nothing to calibrate."""
        return True

    def calibrate(self) -> None:
        """Do nothing."""

    def configure(self) -> None:
        """Do nothing."""

    def connect(self, calibrate: bool = True) -> None:  # noqa: FBT001, FBT002 - LeRobot's own signature
        """Find the robot and build the planner's world.

        Raises:
            UsageError: There is no simulated robot in this process.
        """
        if self._robot is None:
            robot = find_robot(self.config.robot_id)
            self._world = ExpertWorld(dt_s=1.0 / robot.config.control_hz)
            robot.add_condition(self._demonstrates)
            self._robot = robot

    def get_action(self) -> dict[str, Any]:
        """Return the plan's next joint targets [rad] and gripper.

        Raises:
            RobotDisconnectedError: `connect` was not called.
        """
        if self._robot is None:
            raise RobotDisconnectedError("baton_expert is not connected; call connect() first.")
        if self._planned_for != self._robot.episode:
            self._start(self._robot)
        if self._plan is None or self._robot.timer.waiting:
            return self._still(self._robot)
        index = min(self._step, len(self._plan) - 1)
        self._step += 1
        return _action(self._robot, self._plan.joints_rad[index], float(self._plan.gripper[index]))

    def send_feedback(self, feedback: dict[str, Any]) -> None:
        """Do nothing: a script feels nothing."""

    def disconnect(self) -> None:
        """Let go of the robot."""
        self._robot = None

    def _start(self, robot: BatonSimRobot) -> None:
        """Take up the plan made when the episode was accepted; plan now if the robot had been connected before."""
        if self._plan is None:
            self._demonstrates(robot.sim)
        self._planned_for, self._step = robot.episode, 0

    def _demonstrates(self, sim: MujocoRobot) -> bool:
        if self._world is None or sim.spec is None:
            return False
        self._plan, self._planned_for = None, -1
        rng = np.random.default_rng(sim.spec.seed)
        try:
            self._plan = self._world.plan(
                sim.spec.to_dict(),
                sim.data.qpos.copy(),
                rng,
                min_visible_fraction=self.config.min_visible_fraction,
            )
        except PlanningError as error:
            logger.info("Episode of seed %d is skipped: %s", sim.spec.seed, error)
            return False
        logger.info("Episode of seed %d: a pick of %d steps.", sim.spec.seed, len(self._plan))
        return True

    def _still(self, robot: BatonSimRobot) -> dict[str, Any]:
        seen = robot.sim.get_observation()
        return _action(robot, seen.joint_positions_rad, seen.gripper)


def _action(robot: BatonSimRobot, joints_rad: Float, gripper: float) -> dict[str, Any]:
    return dict(zip(robot.scalars, [*joints_rad.tolist(), gripper], strict=True))
