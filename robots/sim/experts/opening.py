"""Scripted opening of doors and drawers: the grasp is chosen by checking that the whole arc is reachable and free.

A bar handle leaves the hand free to turn about the bar while the panel moves. Each candidate is a pair of such turns,
at the start and at the end, and the side of the hand that points along the bar. Many of them lead the arm into a joint
limit, or the hand into the panel, somewhere on the way: a grasp that looks good at the start says little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import mujoco
import numpy as np

from robots.errors import PlanningError
from robots.sim.experts.trajectory import CLOSE_STEPS, OPEN_STEPS, JointPlan, follow, join, rest
from robots.sim.experts.workcell import Workcell
from robots.sim.furniture import Part, PartKind
from robots.types import Float

DOOR_GOAL_RAD = 1.5
DRAWER_GOAL_M = 0.18
ARC_STEPS = 24
BACK_M = 0.10  # straight way to the handle, and away from it
_TURNS_RAD = np.radians((0, 20, -20, 40, -40))


@dataclass(frozen=True, slots=True)
class HandleGrasp:
    """How the hand holds a bar handle while the panel moves.

    Attributes:
        first_rad: Turn about the bar, away from facing the panel, at the start.
        last_rad: The same at the end; in between it changes evenly.
        side: Which side of the hand points along the bar: 1 for the wrist camera's, -1 for the other one.
    """

    first_rad: float
    last_rad: float
    side: int


class HandlePath:
    """Where a part's handle is, for any opening.

    Args:
        model: The compiled scene.
        part: A door or drawer.
    """

    def __init__(self, model: mujoco.MjModel, part: Part) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._address = int(model.joint(part.name).qposadr[0])
        self._site = model.site(f"{part.name}_handle").id

    def pose(self, opening: float) -> Float:
        """Return the handle's pose, (4, 4): x along the bar, z out of the panel."""
        self._data.qpos[self._address] = opening
        mujoco.mj_kinematics(self._model, self._data)
        pose = np.eye(4)
        pose[:3, :3] = self._data.site_xmat[self._site].reshape(3, 3)
        pose[:3, 3] = self._data.site_xpos[self._site]
        return pose


def handle_grasps() -> Iterator[HandleGrasp]:
    """Yield the candidates, those that turn the hand least first."""
    turns = sorted(product(_TURNS_RAD, _TURNS_RAD), key=lambda pair: abs(pair[0]) + abs(pair[1] - pair[0]))
    for first, last in turns:
        for side in (1, -1):
            yield HandleGrasp(float(first), float(last), side)


def goal_of(part: Part) -> float:
    """Return how far the expert opens a part: an angle [rad] for a door, a length [m] for a drawer."""
    return DOOR_GOAL_RAD if part.kind is PartKind.DOOR else DRAWER_GOAL_M


def plan_opening(cell: Workcell, handle: HandlePath, openings: Float) -> JointPlan:
    """Return the first motion that takes the handle, leads it along its whole arc, lets go and goes home.

    Args:
        cell: The arm and the world; its checker was made for the part (`CollisionChecker.of_part`).
        handle: Where the handle is.
        openings: The part's openings to pass through, (m,), the first is the present one.

    Raises:
        PlanningError: No grasp of the handle is reachable and free over the whole arc.
    """
    for grasp in handle_grasps():
        poses = _poses(grasp, openings, handle)
        for start in cell.kinematics.solutions(poses[0], [cell.q_rad, cell.home_rad], cell.rng, restarts=2):
            arc = _arc(cell, start, poses, openings)
            plan = None if arc is None else _plan_around(cell, arc, poses, openings)
            if plan is not None:
                return plan
    raise PlanningError("No grasp of the handle can be followed over the whole arc.")


def openings_to(start: float, goal: float) -> Float:
    """Return the openings that a plan passes through, (ARC_STEPS + 1,)."""
    return np.linspace(start, max(start, goal), ARC_STEPS + 1)


def _poses(grasp: HandleGrasp, openings: Float, handle: HandlePath) -> list[Float]:
    turns = np.linspace(grasp.first_rad, grasp.last_rad, len(openings))
    return [
        hand_pose(handle.pose(float(at)), float(turn), grasp.side) for at, turn in zip(openings, turns, strict=True)
    ]


def hand_pose(handle: Float, turn_rad: float, side: int) -> Float:
    """Return the gripper pose (4, 4) on a bar, its approach turned about the bar from facing the panel.

    Args:
        handle: The handle's pose, (4, 4).
        turn_rad: The turn about the bar.
        side: Which side of the hand points along the bar.
    """
    bar, inward = handle[:3, 0], -handle[:3, 2]
    approach = np.cos(turn_rad) * inward + np.sin(turn_rad) * np.cross(bar, inward)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([side * bar, np.cross(approach, side * bar), approach])
    pose[:3, 3] = handle[:3, 3]
    return pose


def _arc(cell: Workcell, start_rad: Float, poses: list[Float], openings: Float) -> Float | None:
    """Return postures (m, n) along the arc, or None where the arm cannot follow or would touch something."""
    postures = [start_rad]
    for pose, opening in zip(poses, openings, strict=True):
        found = cell.next_posture(pose, postures[-1])
        if found is None:
            return None
        cell.checker.set_opening(float(opening))
        if not cell.checker.free(found):
            return None
        postures.append(found)
    return np.stack(postures[1:])


def _plan_around(cell: Workcell, arc: Float, poses: list[Float], openings: Float) -> JointPlan | None:
    """Add the ways to the handle and home again to an arc; None when one of them is not free."""
    checker, pace = cell.checker, cell.pace
    checker.set_opening(float(openings[0]))
    entry = cell.line(arc[0], poses[0], -BACK_M * poses[0][:3, 2])
    way_in = None if entry is None or not checker.path_free(entry) else cell.transit(cell.q_rad, entry[-1])
    checker.set_opening(float(openings[-1]))
    retreat = cell.line(arc[-1], poses[-1], -BACK_M * poses[-1][:3, 2])
    if entry is None or way_in is None or retreat is None or not checker.path_free(retreat):
        return None
    way_home = cell.transit(retreat[-1], cell.home_rad)
    if way_home is None:
        return None
    return join(
        rest(cell.q_rad, OPEN_STEPS, 0.0),
        follow(way_in, 0.0, pace.transit_rad_s, pace),
        follow(entry[::-1], 0.0, pace.approach_rad_s, pace),
        rest(arc[0], CLOSE_STEPS, 1.0),
        follow(arc, 1.0, pace.approach_rad_s, pace),
        rest(arc[-1], CLOSE_STEPS, 0.0),
        follow(retreat, 0.0, pace.approach_rad_s, pace),
        follow(way_home, 0.0, pace.transit_rad_s, pace),
    )
