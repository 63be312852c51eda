"""The planner's copy of the world: rebuilt from an episode and a state vector, in any process."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from robots.errors import PlanningError, SpecError
from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.experts.collision import ArmIndices, CollisionChecker
from robots.sim.experts.grasps import candidate_grasps
from robots.sim.experts.pick import plan_pick
from robots.sim.experts.trajectory import JointPlan, Pace
from robots.sim.experts.workcell import Workcell
from robots.sim.kinematics import ArmKinematics
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import HOME_RAD
from robots.sim.tasks import TASKS
from robots.types import Float


class ExpertWorld:
    """Plans picks for an episode in a given state. Holds one compiled scene and one graphics context.

    Args:
        dt_s: Control period that plans are paced for [s].
    """

    def __init__(self, *, dt_s: float) -> None:
        self._dt_s = dt_s
        self._robot = MujocoRobot(SimConfig(control_hz=1.0 / dt_s), lambda: 0.0)
        self._robot.connect()
        self._truth = PrivilegedView(self._robot)
        self._arm = ArmIndices.of(self._robot.model)
        self._kinematics = ArmKinematics(np.array(HOME_RAD))
        self._episode: dict[str, Any] | None = None
        self._spec: EpisodeSpec | None = None

    def warm(self, rng: np.random.Generator) -> None:
        """Plan in a sampled episode, so that the first real request meets no cold start."""
        for seed in range(3):
            spec = sample_episode(next(iter(TASKS)), seed)
            self._robot.reset(spec)
            try:
                self.plan(spec.to_dict(), self._robot.data.qpos.copy(), rng, min_visible_fraction=0.0)
            except PlanningError:
                continue
            return

    def plan(
        self, episode: dict[str, Any], qpos: Float, rng: np.random.Generator, *, min_visible_fraction: float
    ) -> JointPlan:
        """Return a pick of the episode's target from the state `qpos`, (nq,).

        Raises:
            PlanningError: The target is absent, hardly visible in the wrist image, or out of reach.
            SpecError: The episode or the state does not fit the scene.
        """
        spec = self._load(episode, qpos)
        item = next((item for item in spec.objects if item.name == spec.target_name), None)
        if item is None:
            raise PlanningError("The target is not in the scene.")
        fraction = self._truth.visibility().fraction
        if fraction < min_visible_fraction:
            raise PlanningError(f"Only {fraction:.0%} of the target is visible in the wrist image.")
        return self._pick(spec, item, rng)

    def _load(self, episode: dict[str, Any], qpos: Float) -> EpisodeSpec:
        if self._spec is None or episode != self._episode:
            self._spec, self._episode = EpisodeSpec.from_dict(episode), episode
            self._robot.reset(self._spec)
        data = self._robot.data
        if qpos.shape != data.qpos.shape or not np.isfinite(qpos).all():
            raise SpecError(f"privileged.qpos: expected {data.qpos.shape[0]} finite values, got shape {qpos.shape}.")
        data.qpos[:] = qpos
        data.qvel[:] = 0.0
        mujoco.mj_forward(self._robot.model, data)
        return self._spec

    def _pick(self, spec: EpisodeSpec, item: ObjectSpec, rng: np.random.Generator) -> JointPlan:
        data = self._robot.data
        body = self._robot.model.body(item.name).id
        pose = np.eye(4)
        pose[:3, :3] = data.xmat[body].reshape(3, 3)
        pose[:3, 3] = data.xpos[body]
        cell = Workcell(
            q_rad=data.qpos[list(self._arm.joints)].copy(),
            home_rad=np.array(HOME_RAD),
            kinematics=self._kinematics,
            checker=CollisionChecker(self._robot.model, data.qpos.copy(), body),
            pace=Pace(dt_s=self._dt_s),
            rng=rng,
        )
        return plan_pick(cell, list(candidate_grasps(item, pose)), front_x_m=spec.region.front_x_m)
