"""Scripted pick with full knowledge of the scene: choose a grasp, approach straight, close, lift, withdraw."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.errors import PlanningError
from robots.sim.experts.collision import TargetContact
from robots.sim.experts.grasps import Grasp
from robots.sim.experts.trajectory import CLOSE_STEPS, OPEN_STEPS, JointPlan, Pace, follow, join, rest
from robots.sim.experts.workcell import Workcell
from robots.types import Float

LIFTS_M = (0.10, 0.085, 0.065)  # the lowest one still clears what counts as lifted
OUTSIDE_LIFT_M = 0.12  # of what could not be lifted inside: tall things are held far from their centre, and sag
CEILING_M = 0.012  # what is lifted stays this far below the board above it
LEVEL = np.array([1.0, 1.0, 0.0])
OUTSIDE_M = 0.04
ABOVE_M = 0.20  # a drawer is entered from, and left to, this height above the grasp
STARTS = 4  # random starting postures per inverse kinematics problem


@dataclass(frozen=True, slots=True)
class _Way:
    """What leads an object out of the furniture: see `plan_pick`, and the heights to lift it inside [m]."""

    front_x_m: float | None
    lifts_m: tuple[float, ...]
    length_m: float


def plan_pick(
    cell: Workcell,
    grasps: list[Grasp],
    *,
    front_x_m: float | None,
    headroom_m: float = math.inf,
    length_m: float = 0.0,
) -> JointPlan:
    """Return the first collision-free pick over the candidate grasps.

    Args:
        cell: The arm and the world.
        grasps: Candidates, best first.
        front_x_m: Front plane of the furniture: the approach starts, and the withdrawal ends, before it. None for an
            object that is reached from above: the hand withdraws upwards.
        headroom_m: Between the object's top and the board above it. What is too tall to be lifted on the shelf is
            raised a little, carried out and lifted there.
        length_m: The object's longest side, by which it is carried further out before it is lifted there.

    Raises:
        PlanningError: No candidate is reachable without a collision.
    """
    way = _Way(front_x_m, _lifts(headroom_m), length_m)
    for grasp in grasps:
        for goal in cell.kinematics.solutions(grasp.pose, [cell.q_rad, cell.home_rad], cell.rng, restarts=STARTS):
            if not cell.checker.hand_free(goal, TargetContact.FINGERS):
                break  # the hand is at the same place in every other solution
            plan = _plan_from_goal(cell, goal, grasp, way)
            if plan is not None:
                return plan
    raise PlanningError("No grasp of the target is reachable without a collision.")


def _lifts(headroom_m: float) -> tuple[float, ...]:
    """Return the heights to try inside the furniture, the highest first [m]."""
    room = headroom_m - CEILING_M
    return tuple(height for height in LIFTS_M if height <= room) or (max(room, 0.5 * headroom_m),)


def _plan_from_goal(cell: Workcell, goal: Float, grasp: Grasp, way: _Way) -> JointPlan | None:
    if not cell.checker.free(goal, TargetContact.FINGERS):
        return None
    back_m = -_way_m(grasp, way.front_x_m) * grasp.approach
    entry = cell.line(goal, grasp.pose, back_m)
    if entry is None or not cell.checker.path_free(entry[::2], TargetContact.FINGERS):
        return None
    carried = _carry_up(cell, goal, grasp) if way.front_x_m is None else _carry(cell, goal, grasp, back_m, way)
    if carried is None:
        return None
    transit = cell.transit(cell.q_rad, entry[-1])
    return None if transit is None else _paced(cell.q_rad, transit, entry[::-1], *carried, cell.pace)


def _way_m(grasp: Grasp, front_x_m: float | None) -> float:
    """Return how far before the grasp the straight approach starts [m]."""
    if front_x_m is None:
        return ABOVE_M
    return float(max((grasp.pose[0, 3] - front_x_m + OUTSIDE_M) / grasp.approach[0], 0.10))


def _carry_up(cell: Workcell, goal: Float, grasp: Grasp) -> tuple[Float, Float] | None:
    """Return a path straight up, and staying there; None when it is not free."""
    lift = cell.line(goal, grasp.pose, np.array([0.0, 0.0, ABOVE_M]))
    if lift is None or not cell.checker.path_free(lift[::2], TargetContact.ANY):
        return None
    return lift, lift[-1:]


def _carry(cell: Workcell, goal: Float, grasp: Grasp, back_m: Float, way: _Way) -> tuple[Float, Float] | None:
    """Return the paths up and level out of the shelf, the highest free lift first, or None."""
    for height in way.lifts_m:
        lift = cell.line(goal, grasp.pose, np.array([0.0, 0.0, height]))
        if lift is None or not cell.checker.path_free(lift[::2], TargetContact.ANY):
            continue
        lifted = _moved(grasp.pose, np.array([0.0, 0.0, height]))
        if height >= LIFTS_M[-1]:
            out = cell.line(lift[-1], lifted, back_m * LEVEL)
        else:
            out = _out_and_up(cell, lift[-1], lifted, back_m * LEVEL, way.length_m)
        if out is not None and cell.checker.path_free(out[::2], TargetContact.ANY):
            return lift, out
    return None


def _out_and_up(cell: Workcell, start_rad: Float, pose: Float, back_m: Float, length_m: float) -> Float | None:
    """Return the level path until nothing of the object is below the board any more, and up from there."""
    back_m = back_m * (1.0 + length_m / float(np.linalg.norm(back_m)))
    out = cell.line(start_rad, pose, back_m)
    rise = None if out is None else cell.line(out[-1], _moved(pose, back_m), np.array([0.0, 0.0, OUTSIDE_LIFT_M]))
    return None if out is None or rise is None else np.concatenate([out, rise[1:]])


def _moved(pose: Float, offset_m: Float) -> Float:
    moved = pose.copy()
    moved[:3, 3] += offset_m
    return moved


def _paced(q_rad: Float, transit: Float, entry: Float, lift: Float, exit_path: Float, pace: Pace) -> JointPlan:
    return join(
        rest(q_rad, OPEN_STEPS, 0.0),
        follow(transit, 0.0, pace.transit_rad_s, pace),
        follow(entry, 0.0, pace.approach_rad_s, pace),
        rest(entry[-1], OPEN_STEPS, 0.0),
        rest(entry[-1], CLOSE_STEPS, 1.0),
        follow(lift, 1.0, pace.approach_rad_s, pace),
        follow(exit_path, 1.0, pace.approach_rad_s, pace),
        rest(exit_path[-1], CLOSE_STEPS, 1.0),
    )
