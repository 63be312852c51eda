"""The planner's copy of the world: rebuilt from an episode and a state vector, in any process."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from robots.errors import PlanningError, SpecError
from robots.region import Opening
from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.experts.collision import ArmIndices, CollisionChecker
from robots.sim.experts.grasps import candidate_grasps
from robots.sim.experts.lift import body_pose, plan_lift
from robots.sim.experts.opening import HandlePath, goal_of, openings_to, plan_opening
from robots.sim.experts.pick import plan_pick
from robots.sim.experts.trajectory import JointPlan, Pace
from robots.sim.experts.workcell import Workcell
from robots.sim.furniture import Part, find_furniture
from robots.sim.kinematics import ArmKinematics
from robots.sim.koch import KOCH
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.objects import find_class
from robots.sim.privileged import PrivilegedView
from robots.types import Float


class Stage:
    """The planner's copy of one scene: a compiled model with its own graphics context.

    Args:
        scene: Name of the furniture.
        dt_s: Control period that plans are paced for [s].
    """

    def __init__(self, scene: str, *, dt_s: float) -> None:
        self._dt_s = dt_s
        self._robot = MujocoRobot(SimConfig(control_hz=1.0 / dt_s, scene=scene), lambda: 0.0)
        self._robot.connect()
        self._indices = ArmIndices.of(self._robot.model, self._robot.arm)
        self._kinematics = ArmKinematics(np.array(self._robot.arm.home_rad), self._robot.arm)
        self._episode: dict[str, Any] | None = None
        self._spec: EpisodeSpec | None = None
        self.truth = PrivilegedView(self._robot)

    def load(self, episode: dict[str, Any], qpos: Float) -> EpisodeSpec:
        """Put the world into the state `qpos`, (nq,), of an episode.

        Raises:
            SpecError: The episode or the state does not fit the scene.
        """
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

    def start(self, spec: EpisodeSpec) -> Float:
        """Set up an episode and return its first state, (nq,)."""
        self._robot.reset(spec)
        self._episode = None
        return self._robot.data.qpos.copy()

    def pick(self, spec: EpisodeSpec, item: ObjectSpec, rng: np.random.Generator) -> JointPlan:
        """Plan a pick of an object from where everything is now.

        Raises:
            PlanningError: No grasp is reachable without a collision.
        """
        body = self._robot.model.body(item.name).id
        pose = body_pose(self._robot.data, body)
        cell = self._cell(self._checker(body), rng)
        if self._robot.arm is KOCH:
            return plan_lift(cell, pose, item.scale)
        index = spec.region.index_of(pose[:3, 3] + np.array([0.0, 0.0, 0.02]))
        place = None if index is None else spec.region.compartments[index]
        above = place is not None and place.opening is Opening.TOP
        grasps = list(candidate_grasps(item, pose, from_above=above))
        if place is None or above:
            return plan_pick(cell, grasps, front_x_m=None if above else spec.region.front_x_m)
        kind = find_class(item.kind)
        return plan_pick(
            cell,
            grasps,
            front_x_m=spec.region.front_x_m,
            headroom_m=place.clearance_m - item.scale * kind.height_m,
            length_m=2.0 * item.scale * kind.radius_m,
        )

    def open(self, part: Part, rng: np.random.Generator, goal: float | None = None) -> JointPlan:
        """Plan the opening of a door or drawer from where everything is now.

        Raises:
            PlanningError: No grasp of the handle can be followed over the whole arc.
        """
        data = self._robot.data
        now = float(data.joint(part.name).qpos[0])
        cell = self._cell(self._checker(part=part.name), rng)
        handle = HandlePath(self._robot.model, part)
        return plan_opening(cell, handle, openings_to(now, goal_of(part) if goal is None else goal))

    def _checker(self, target_body: int = -1, *, part: str | None = None) -> CollisionChecker:
        robot = self._robot
        return CollisionChecker(robot.model, robot.data.qpos.copy(), target_body, part=part, arm=robot.arm)

    def _cell(self, checker: CollisionChecker, rng: np.random.Generator) -> Workcell:
        return Workcell(
            q_rad=self._robot.data.qpos[list(self._indices.joints)].copy(),
            home_rad=np.array(self._robot.arm.home_rad),
            kinematics=self._kinematics,
            checker=checker,
            pace=Pace(dt_s=self._dt_s),
            rng=rng,
        )


class ExpertWorld:
    """Plans picks and openings for an episode in a given state. Scenes are built when they are first asked for.

    Args:
        dt_s: Control period that plans are paced for [s].
    """

    def __init__(self, *, dt_s: float) -> None:
        self._dt_s = dt_s
        self._stages: dict[str, Stage] = {}

    def stage(self, scene: str) -> Stage:
        """Return the copy of a scene, built on the first call (about a second).

        Raises:
            UsageError: There is no such scene.
        """
        if scene not in self._stages:
            self._stages[scene] = Stage(scene, dt_s=self._dt_s)
        return self._stages[scene]

    def warm(self, rng: np.random.Generator, task: str = "bookshelf_pineapple") -> None:
        """Plan in a sampled episode, so that the first real request meets no cold start."""
        for seed in range(3):
            spec = sample_episode(task, seed)
            try:
                self.plan(spec.to_dict(), self.stage(spec.scene).start(spec), rng, min_visible_fraction=0.0)
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
        stage = self._stage_of(episode)
        spec = stage.load(episode, qpos)
        item = next((item for item in spec.objects if item.name == spec.target_name), None)
        if item is None:
            raise PlanningError("The target is not in the scene.")
        fraction = stage.truth.visibility().fraction
        if fraction < min_visible_fraction:
            raise PlanningError(f"Only {fraction:.0%} of the target is visible in the wrist image.")
        return stage.pick(spec, item, rng)

    def plan_opening(self, episode: dict[str, Any], qpos: Float, part: str, rng: np.random.Generator) -> JointPlan:
        """Return a motion that opens a door or drawer from the state `qpos`, (nq,).

        Raises:
            PlanningError: The part cannot be opened from here.
            UsageError: The scene has no such part.
            SpecError: The episode or the state does not fit the scene.
        """
        stage = self._stage_of(episode)
        spec = stage.load(episode, qpos)
        return stage.open(find_furniture(spec.scene).part(part), rng)

    def _stage_of(self, episode: dict[str, Any]) -> Stage:
        return self.stage(EpisodeSpec.from_dict(episode).scene)
