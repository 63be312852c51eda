"""Opens doors and drawers in simulation, with plans of the scripted expert."""

from __future__ import annotations

import numpy as np

from robots.errors import PlanningError, RobotDisconnectedError
from robots.sim.experts.trajectory import JointPlan
from robots.sim.experts.world import ExpertWorld
from robots.sim.furniture import Part, PartKind, find_furniture
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.privileged import PrivilegedView
from robots.types import Observation


class SimulatedOpener:
    """Satisfies `search_policy.interactive.Opener`.

    It reads how far doors and drawers stand open, and plans with the whole scene: a stand-in for what an installation
    measures once (where handles and hinges are) and perceives (how far they are open).

    Args:
        robot: The simulated robot.
        truth: Its state.
        seed: Seed of the planner's random starting postures.
    """

    def __init__(self, robot: MujocoRobot, truth: PrivilegedView, *, seed: int = 0) -> None:
        self._robot, self._truth = robot, truth
        self._world = ExpertWorld(dt_s=robot.dt_s)
        self._rng = np.random.default_rng(seed)

    def closed(self) -> tuple[str, ...]:
        """Return what is less than half open: the one that stands most ajar first, and the higher one among equals."""
        shut = [part for part in self._parts() if not self._truth.opened(part.name)]
        return tuple(part.name for part in sorted(shut, key=self._promise, reverse=True))

    def plan(self, closure: str, observation: Observation) -> JointPlan:
        """Plan from where everything is now.

        Raises:
            PlanningError: It cannot be opened from here.
        """
        spec = self._robot.spec
        if spec is None:
            raise RobotDisconnectedError("The simulated robot has no episode; call reset(spec) first.")
        plan = self._world.plan_opening(spec.to_dict(), self._robot.data.qpos.copy(), closure, self._rng)
        if np.abs(plan.joints_rad[0] - observation.joint_positions_rad).max() > 0.5:
            raise PlanningError("The arm has moved away from where the plan begins.")
        return plan

    def _parts(self) -> tuple[Part, ...]:
        parts = find_furniture(self._robot.config.scene).parts
        return tuple(part for part in parts if part.kind is not PartKind.SCREEN)

    def _promise(self, part: Part) -> tuple[float, float]:
        region = find_furniture(self._robot.config.scene).region
        ajar = (self._truth.part_positions()[part.name] - part.low) / (part.high - part.low)
        return round(ajar, 3), region.find(part.compartment).floor_z_m
