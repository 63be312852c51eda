"""The simulated robot as a place to grasp in: observations, who stands where, what is seen, what is held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.sim.arm import WRIST_CAMERA
from robots.sim.arms import arm_of
from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.experts.collision import ArmIndices, CollisionChecker
from robots.sim.experts.lift import body_pose
from robots.sim.frustum import may_hide, may_show
from robots.sim.kinematics import ArmKinematics
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.objects import find_class
from robots.sim.privileged import LIFT_M, PrivilegedView
from robots.types import Float, Observation

SCENE = "bookcase"
WRIST_PX, THIRD_PERSON_PX = (168, 168), (224, 168)
SEEN_PX = (96, 96)  # of the segmentations that say what is seen
REST_M_S = 0.02


@dataclass(frozen=True, slots=True)
class Sight:
    """How an object appears in the wrist image of `SEEN_PX`.

    Attributes:
        pixels: Pixels that show it.
        center: Their centre, x right and y down, from -1 to 1 at the borders; (0, 0) when it is not seen.
    """

    pixels: int
    center: tuple[float, float] = (0.0, 0.0)


class GraspWorld:
    """The robot with its cameras, and the truth about the objects. One per process.

    Args:
        control_hz: Control rate.
    """

    def __init__(self, *, control_hz: float = 15.0) -> None:
        config = SimConfig(
            control_hz=control_hz,
            wrist_px=WRIST_PX,
            third_person_px=THIRD_PERSON_PX,
            scene=SCENE,
            draw_on_demand=True,
        )
        self._time_s = 0.0
        self.robot = MujocoRobot(config, lambda: self._time_s)
        self.robot.connect()
        self.truth = PrivilegedView(self.robot)
        self.kinematics = ArmKinematics(np.array(arm_of(SCENE).home_rad), self.robot.arm)
        self._indices = ArmIndices.of(self.robot.model, self.robot.arm)
        self._fingers = [self.robot.model.joint(name).dofadr[0] for name in self.robot.arm.finger_joints]

    @property
    def spec(self) -> EpisodeSpec:
        """The present episode."""
        assert self.robot.spec is not None, "reset first"
        return self.robot.spec

    @property
    def target(self) -> ObjectSpec | None:
        """The named object, or None when it is absent."""
        return next((item for item in self.spec.objects if item.name == self.spec.target_name), None)

    def reset(self, spec: EpisodeSpec) -> None:
        """Set up an episode."""
        self._time_s = 0.0
        self.robot.reset(spec)

    def close(self) -> None:
        """Free the graphics context."""
        self.robot.close()

    def tick(self) -> None:
        """Advance the clock that observations are stamped with by one control period."""
        self._time_s += self.robot.dt_s

    def observe(self) -> Observation:
        """Return the newest observation."""
        return self.robot.get_observation()

    def posture(self) -> Float:
        """Return the joint positions, (n,) [rad]."""
        return self.robot.data.qpos[list(self._indices.joints)].copy()

    def gripper_to_world(self) -> Float:
        """Return the gripper's pose, (4, 4)."""
        site = self.robot.model.site(self.robot.arm.gripper_site).id
        pose = np.eye(4)
        pose[:3, :3] = self.robot.data.site_xmat[site].reshape(3, 3)
        pose[:3, 3] = self.robot.data.site_xpos[site]
        return pose

    def object_pose(self, name: str) -> Float:
        """Return an object's pose, (4, 4); the origin is its base."""
        return body_pose(self.robot.data, self.robot.model.body(name).id)

    def checker(self, name: str | None) -> CollisionChecker:
        """Return collisions in the present state, with an object that the fingers may touch."""
        body = -1 if name is None else self.robot.model.body(name).id
        return CollisionChecker(self.robot.model, self.robot.data.qpos.copy(), body, arm=self.robot.arm)

    def at_rest(self) -> bool:
        """Whether the fingers do not move."""
        return bool(np.abs(self.robot.data.qvel[self._fingers]).max() < REST_M_S)

    def lifted(self) -> tuple[str, ...]:
        """Return the names of the objects that stand at least `LIFT_M` higher than at the start."""
        data, model = self.robot.data, self.robot.model
        rises = ((item.name, data.xpos[model.body(item.name).id][2] - item.position_m[2]) for item in self.spec.objects)
        return tuple(name for name, rise in rises if rise >= LIFT_M)

    def moved(self, *, least_m: float = 0.03) -> tuple[str, ...]:
        """Return the names of the objects besides the target that were pushed or fell."""
        return tuple(
            item.name
            for item in self.spec.objects
            if item.name != self.spec.target_name
            and float(np.linalg.norm(self.object_pose(item.name)[:3, 3] - item.position_m)) > least_m
        )

    def sights(self) -> dict[str, Sight]:
        """Return how every object of the episode appears in the wrist image, by name."""
        robot = self.robot
        ids = robot.renderer.geom_ids(robot.data, WRIST_CAMERA, SEEN_PX)
        bodies = np.where(ids >= 0, robot.model.geom_bodyid[ids], -1)
        return {item.name: _sight(bodies == robot.model.body(item.name).id) for item in self.spec.objects}

    def target_sight(self) -> Sight:
        """Return how the named object appears in the wrist image; draws only what may hide it."""
        robot, item = self.robot, self.target
        if item is None:
            return Sight(0)
        model, data, body = robot.model, robot.data, robot.model.body(item.name).id
        if not may_show(model, data, WRIST_CAMERA, body, 1.0):
            return Sight(0)
        ids = robot.renderer.geom_ids(data, WRIST_CAMERA, SEEN_PX, may_hide(model, data, WRIST_CAMERA, body))
        return _sight((ids >= 0) & (model.geom_bodyid[ids] == body))

    def alone_px(self) -> int:
        """Return how many pixels of `SEEN_PX` the named object would cover with nothing in front of it."""
        robot = self.robot
        return 0 if self.target is None else robot.renderer.target_alone_px(robot.data, WRIST_CAMERA, SEEN_PX)


def _sight(mask: np.ndarray) -> Sight:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return Sight(0)
    height, width = mask.shape
    x, y = (columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height
    return Sight(len(rows), (float(2.0 * x - 1.0), float(2.0 * y - 1.0)))


def is_graspable(item: ObjectSpec) -> bool:
    """Whether a parallel gripper can hold a thing of its class."""
    return find_class(item.kind).graspable
