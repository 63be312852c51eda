"""Scripted search and pick for the small arm at its table: pan until the cube is seen, then take it from above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import mujoco
import numpy as np

from robots.errors import PlanningError
from robots.sim.experts.collision import CollisionChecker, TargetContact
from robots.sim.experts.grasps import Grasp
from robots.sim.experts.trajectory import CLOSE_STEPS, OPEN_STEPS, JointPlan, Pace, follow, join, rest
from robots.sim.experts.workcell import Workcell
from robots.sim.kinematics import ArmKinematics
from robots.sim.koch import HOME_RAD, KOCH
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.objects import CUBE_M
from robots.sim.privileged import PrivilegedView
from robots.types import Action, ActionSpace, Float

ABOVE_M = 0.045  # straight way down to the cube, and up from it
TILTS_RAD = (0.0, 0.2, -0.2, 0.4)  # of the hand, outwards at the wrist
QUARTERS_RAD = 0.5 * np.pi * np.arange(-2, 3)  # the cube looks the same from four sides
SEEN_FRACTION, SEEN_PX = 0.6, 10
SCAN_RAD = 1.9  # pan to either side
STILL_RAD_S = 0.03


class LiftExpert:
    """Drives the arm through one episode of `koch_lift`. It sees the cube by ground truth, once the camera shows it.

    Args:
        robot: The arm, reset and connected; other arms are refused by `act`'s planner.
        rng: Chooses the side that is searched first.
    """

    def __init__(self, robot: MujocoRobot, rng: np.random.Generator) -> None:
        self._robot, self._truth, self._rng = robot, PrivilegedView(robot), rng
        self._kinematics = ArmKinematics(np.array(HOME_RAD), KOCH)
        self._pace = Pace(dt_s=robot.dt_s)
        start, side = robot.get_observation().joint_positions_rad, 1.0 if rng.random() < 0.5 else -1.0
        self._scan = iter(scan(np.array(start), side, self._pace).joints_rad)
        self._plan: Iterator[tuple[Float, float]] | None = None
        self._found = False
        self._last = Action(ActionSpace.JOINT_POSITION, start, 0.0)

    def act(self) -> Action:
        """Return the next joint targets; the last ones again once everything is done.

        Raises:
            PlanningError: The cube was not seen anywhere, or cannot be reached without a collision.
        """
        if self._plan is None:
            self._found = self._found or self._sees()
            if not self._found:
                self._last = self._next_view()
                return self._last
            if np.abs(self._robot.get_observation().joint_velocities_rad_s).max() > STILL_RAD_S:
                return self._last
            plan = self._planned()
            self._plan = iter(zip(plan.joints_rad, plan.gripper.tolist(), strict=True))
        joints, gripper = next(self._plan, (self._last.values, self._last.gripper))
        self._last = Action(ActionSpace.JOINT_POSITION, joints, gripper)
        return self._last

    def _sees(self) -> bool:
        seen = self._truth.visibility()
        return seen.visible_px >= SEEN_PX and seen.fraction >= SEEN_FRACTION

    def _next_view(self) -> Action:
        joints = next(self._scan, None)
        if joints is None:
            raise PlanningError("The cube was not seen anywhere on the table.")
        return Action(ActionSpace.JOINT_POSITION, joints, 0.0)

    def _planned(self) -> JointPlan:
        robot, spec = self._robot, self._robot.spec
        if spec is None or spec.target_name is None:
            raise PlanningError("The target is not in the scene.")
        body = robot.model.body(spec.target_name).id
        cell = Workcell(
            q_rad=robot.get_observation().joint_positions_rad.copy(),
            home_rad=np.array(HOME_RAD),
            kinematics=self._kinematics,
            checker=CollisionChecker(robot.model, robot.data.qpos.copy(), body, arm=KOCH),
            pace=self._pace,
            rng=self._rng,
        )
        scale = next(item.scale for item in spec.objects if item.name == spec.target_name)
        return plan_lift(cell, body_pose(robot.data, body), scale)


def scan(start_rad: Float, side: float, pace: Pace) -> JointPlan:
    """Return a motion that pans the home view over one side of the table, then over the other.

    Args:
        start_rad: (5,) where the arm is [rad].
        side: 1 for the left side first, -1 for the right one.
        pace: Speeds.
    """
    first, second = np.array(HOME_RAD), np.array(HOME_RAD)
    first[0], second[0] = side * SCAN_RAD, -side * SCAN_RAD
    speed = pace.approach_rad_s
    return join(*(follow(np.stack(leg), 0.0, speed, pace) for leg in ((start_rad, first), (first, second))))


def plan_lift(cell: Workcell, cube_to_world: Float, scale: float) -> JointPlan:
    """Return a collision-free pick of the cube from above that ends with it held up before the arm.

    Args:
        cell: The arm and the world.
        cube_to_world: Pose of the cube, (4, 4); the origin is its base.
        scale: Its size, times 25 mm.

    Raises:
        PlanningError: No grasp is reachable without a collision.
    """
    point = cube_to_world[:3, 3] + cube_to_world[:3, :3] @ np.array([0.0, 0.0, 0.5 * scale * CUBE_M])
    bearing = float(np.arctan2(point[1], point[0]))
    facing = np.array(HOME_RAD)
    facing[0] = bearing
    for grasp in grasps_from_above(cube_to_world, point, bearing):
        goal = cell.kinematics.solve(grasp.pose, [facing], cell.rng, restarts=2)
        if goal is None or not cell.checker.free(goal, TargetContact.FINGERS):
            continue
        plan = _plan_from(replace(cell, home_rad=facing), goal, grasp)
        if plan is not None:
            return plan
    raise PlanningError("The cube cannot be taken from above without a collision.")


def grasps_from_above(cube_to_world: Float, point_m: Float, bearing_rad: float) -> Iterator[Grasp]:
    """Yield grasps across the cube's sides, straight down first, then with the hand tilted in the arm's own plane.

    Args:
        cube_to_world: Pose of the cube, (4, 4).
        point_m: Its centre in the world frame, (3,).
        bearing_rad: Direction of the cube from the arm.
    """
    heading = float(np.arctan2(cube_to_world[1, 0], cube_to_world[0, 0]))
    yaws = sorted((heading + QUARTERS_RAD - bearing_rad + np.pi) % (2 * np.pi) - np.pi, key=abs)
    for tilt, yaw in product(TILTS_RAD, yaws):
        pose = np.eye(4)
        turned = bearing_rad + yaw
        side = np.array([np.cos(turned), np.sin(turned), 0.0])
        down = np.column_stack([side, np.cross([0.0, 0.0, -1.0], side), [0.0, 0.0, -1.0]])
        pose[:3, :3] = _about(np.array([-np.sin(bearing_rad), np.cos(bearing_rad), 0.0]), -tilt) @ down
        pose[:3, 3] = point_m
        yield Grasp(pose, pose[:3, 2])


def body_pose(data: mujoco.MjData, body: int) -> Float:
    """Return the pose of a body in the world frame, (4, 4)."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = data.xmat[body].reshape(3, 3), data.xpos[body]
    return pose


def _plan_from(cell: Workcell, goal: Float, grasp: Grasp) -> JointPlan | None:
    up = np.array([0.0, 0.0, ABOVE_M])
    entry = cell.line(goal, grasp.pose, up)
    if entry is None or not cell.checker.path_free(entry, TargetContact.FINGERS):
        return None
    carry = cell.home_rad.copy()
    carry[4] = goal[4]
    transit, away = cell.transit(cell.q_rad, entry[-1]), cell.transit(entry[-1], carry, TargetContact.ANY)
    if transit is None or away is None:
        return None
    pace, slow = cell.pace, cell.pace.approach_rad_s
    return join(
        rest(cell.q_rad, OPEN_STEPS, 0.0),
        follow(transit, 0.0, pace.transit_rad_s, pace),
        follow(entry[::-1], 0.0, slow, pace),
        rest(goal, OPEN_STEPS, 0.0),
        rest(goal, CLOSE_STEPS, 1.0),
        follow(entry, 1.0, slow, pace),
        follow(away, 1.0, slow, pace),
        rest(away[-1], CLOSE_STEPS, 1.0),
    )


def _about(axis: Float, angle_rad: float) -> Float:
    quat, matrix = np.empty(4), np.empty(9)
    mujoco.mju_axisAngle2Quat(quat, axis, angle_rad)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)
