"""Scripted pick with full knowledge of the scene: choose a grasp, approach straight, close, lift, withdraw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.errors import PlanningError
from robots.sim.experts.collision import CollisionChecker, TargetContact
from robots.sim.experts.grasps import Grasp
from robots.sim.experts.trajectory import interpolate, time_parametrize
from robots.sim.kinematics import ArmKinematics
from robots.types import Float

CLOSE_STEPS = 9
OPEN_STEPS = 3
LIFTS_M = (0.10, 0.085, 0.065)  # the lowest one still clears what counts as lifted
LEVEL = np.array([1.0, 1.0, 0.0])
OUTSIDE_M = 0.04
LINE_STEP_M = 0.012
MAX_JUMP_RAD = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class PickPlan:
    """Joint targets for a whole pick, one per control period.

    Attributes:
        joints_rad: (k, 7).
        gripper: (k,) 0.0 open to 1.0 closed.
    """

    joints_rad: Float
    gripper: Float

    def __len__(self) -> int:
        return len(self.joints_rad)


@dataclass(frozen=True, slots=True)
class PickConfig:
    """How a pick is planned and paced.

    Attributes:
        front_x_m: Front plane of the bookcase: the approach starts, and the withdrawal ends, before it.
        transit_rad_s: Largest joint speed on the way to the approach.
        approach_rad_s: Largest joint speed inside the bookcase.
        acceleration_rad_s2: Joint acceleration.
        dt_s: Control period [s].
        starts: Random starting postures per inverse kinematics problem.
    """

    front_x_m: float
    transit_rad_s: float = 1.2
    approach_rad_s: float = 0.6
    acceleration_rad_s2: float = 3.0
    dt_s: float = 1 / 15
    starts: int = 4


def plan_pick(
    q_rad: Float,
    home_rad: Float,
    grasps: list[Grasp],
    checker: CollisionChecker,
    kinematics: ArmKinematics,
    config: PickConfig,
    rng: np.random.Generator,
) -> PickPlan:
    """Return the first collision-free pick over the candidate grasps.

    Args:
        q_rad: Present joint positions, (7,) [rad].
        home_rad: A posture from which every part of the bookcase can be entered, (7,) [rad].
        grasps: Candidates, best first.
        checker: Collisions in the present state of the world.
        kinematics: The arm.
        config: Pace and clearances.
        rng: Draws the starting postures of the inverse kinematics.

    Raises:
        PlanningError: No candidate is reachable without a collision.
    """
    for grasp in grasps:
        for goal in kinematics.solutions(grasp.pose, [q_rad, home_rad], rng, restarts=config.starts):
            if not checker.hand_free(goal, TargetContact.FINGERS):
                break  # the hand is at the same place in every other solution
            plan = _plan_from_goal(q_rad, home_rad, goal, grasp, checker, kinematics, config, rng)
            if plan is not None:
                return plan
    raise PlanningError("No grasp of the target is reachable without a collision.")


def _plan_from_goal(
    q_rad: Float,
    home_rad: Float,
    goal: Float,
    grasp: Grasp,
    checker: CollisionChecker,
    kinematics: ArmKinematics,
    config: PickConfig,
    rng: np.random.Generator,
) -> PickPlan | None:
    if not checker.free(goal, TargetContact.FINGERS):
        return None
    back_m = max((grasp.pose[0, 3] - config.front_x_m + OUTSIDE_M) / grasp.approach[0], 0.10) * -grasp.approach
    entry = _line(goal, grasp.pose, back_m, kinematics, rng)
    if entry is None or not checker.path_free(entry[::2], TargetContact.FINGERS):
        return None
    carried = _carry(goal, grasp, back_m, checker, kinematics, rng)
    if carried is None:
        return None
    transit = _transit(q_rad, home_rad, entry[-1], checker)
    return None if transit is None else _paced(q_rad, transit, entry[::-1], *carried, config)


def _carry(
    goal: Float,
    grasp: Grasp,
    back_m: Float,
    checker: CollisionChecker,
    kinematics: ArmKinematics,
    rng: np.random.Generator,
) -> tuple[Float, Float] | None:
    """Return the paths up and level out of the shelf, the highest free lift first, or None."""
    for height in LIFTS_M:
        lift = _line(goal, grasp.pose, np.array([0.0, 0.0, height]), kinematics, rng)
        if lift is None or not checker.path_free(lift[::2], TargetContact.ANY):
            continue
        lifted = grasp.pose.copy()
        lifted[2, 3] += height
        out = _line(lift[-1], lifted, back_m * LEVEL, kinematics, rng)
        if out is not None and checker.path_free(out[::2], TargetContact.ANY):
            return lift, out
    return None


def _line(
    start_rad: Float, pose: Float, offset_m: Float, kinematics: ArmKinematics, rng: np.random.Generator
) -> Float | None:
    """Return postures (m, 7) that move the gripper from `pose` by `offset_m` in a straight line, or None."""
    count = max(int(np.ceil(float(np.linalg.norm(offset_m)) / LINE_STEP_M)), 1)
    postures = [start_rad]
    for share in np.linspace(0.0, 1.0, count + 1)[1:]:
        target = pose.copy()
        target[:3, 3] += share * offset_m
        found = kinematics.solve(target, [postures[-1]], rng, restarts=0)
        if found is None or np.abs(found - postures[-1]).max() > MAX_JUMP_RAD:
            return None
        postures.append(found)
    return np.stack(postures)


def _transit(start_rad: Float, home_rad: Float, end_rad: Float, checker: CollisionChecker) -> Float | None:
    """Return a free joint path from start to end: straight, or over the home posture; None when neither is free."""
    straight = interpolate(start_rad, end_rad, step_rad=0.06)
    if checker.path_free(straight):
        return straight
    over = np.concatenate(
        [interpolate(start_rad, home_rad, step_rad=0.06), interpolate(home_rad, end_rad, step_rad=0.06)[1:]]
    )
    return over if checker.path_free(over) else None


def _paced(q_rad: Float, transit: Float, entry: Float, lift: Float, exit_path: Float, config: PickConfig) -> PickPlan:
    def timed(path: Float, speed: float) -> Float:
        return time_parametrize(
            path, speed_rad_s=speed, acceleration_rad_s2=config.acceleration_rad_s2, dt_s=config.dt_s
        )

    goal = entry[-1]
    parts = [
        (np.repeat(q_rad[None], OPEN_STEPS, axis=0), 0.0),
        (timed(transit, config.transit_rad_s), 0.0),
        (timed(entry, config.approach_rad_s), 0.0),
        (np.repeat(goal[None], OPEN_STEPS, axis=0), 0.0),
        (np.repeat(goal[None], CLOSE_STEPS, axis=0), 1.0),
        (timed(lift, config.approach_rad_s), 1.0),
        (timed(exit_path, config.approach_rad_s), 1.0),
        (np.repeat(exit_path[-1:], CLOSE_STEPS, axis=0), 1.0),
    ]
    return PickPlan(
        np.concatenate([joints for joints, _ in parts]),
        np.concatenate([np.full(len(joints), gripper) for joints, gripper in parts]),
    )
