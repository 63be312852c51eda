"""The grasp as a law of the state: align before the shelf, advance straight, close, lift, withdraw. Pure.

Nothing is remembered: wherever a disturbance leaves the hand, the same law says what to do next. That makes it an
expert that can label any state (DAgger, arXiv 1011.0686).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.sim.experts.grasps import Grasp
from robots.sim.kinematics import rotation_vector
from robots.types import Float

OUTSIDE_M = 0.04  # the finger tips stay this far before the front while they align
CLEAR_M = 0.025  # before the place where the withdrawal ends, an object may be raised: nothing is above it any more
LIFTED_M = 0.075  # above what the judge asks for, because a held object sags
TWIST_DIM = 6


@dataclass(frozen=True, slots=True)
class Gains:
    """How fast the hand moves, and how well it must be aligned.

    Attributes:
        per_s: Speed per metre and per radian of error [1/s].
        free_m_s: Largest speed before the shelf.
        inside_m_s: Largest speed within it.
        turn_rad_s: Largest angular speed.
        lift_m_s: Largest speed of the lift.
    """

    per_s: float = 4.0
    free_m_s: float = 0.40
    inside_m_s: float = 0.28
    turn_rad_s: float = 1.5
    lift_m_s: float = 0.22


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One way to take an object out.

    Attributes:
        grasp: Gripper pose at the grasp, and the approach.
        way_m: Length of the straight approach; it starts before the shelf.
        front_x_m: Front plane of the furniture.
        lift_m: How far the object is raised on its shelf.
        raise_m: How high it is raised before the shelf, where there is no board above it.
        length_m: How much further out it is carried before that.
    """

    grasp: Grasp
    way_m: float
    front_x_m: float
    lift_m: float
    raise_m: float
    length_m: float


@dataclass(frozen=True, slots=True, eq=False)
class HandState:
    """What the law looks at.

    Attributes:
        gripper_to_world: (4, 4).
        gripper: Measured, 0.0 open to 1.0 closed.
        held: Both fingers touch the object, and have come to rest.
        lifted_m: Height of the object above where it stood.
    """

    gripper_to_world: Float
    gripper: float
    held: bool
    lifted_m: float


@dataclass(frozen=True, slots=True, eq=False)
class HandCommand:
    """What the hand is to do for one control period.

    Attributes:
        twist: (6,) of the gripper in its own frame [m/s, rad/s].
        gripper: Target, 0.0 open or 1.0 closed.
        done: The object is out and up.
    """

    twist: Float
    gripper: float
    done: bool = False


def command(attempt: Attempt, state: HandState, gains: Gains | None = None) -> HandCommand:
    """Return what to do in a state."""
    gains = gains or Gains()
    if state.held:
        return _carry(attempt, state, gains)
    return _reach(attempt, state, gains)


def misalignment(attempt: Attempt, gripper_to_world: Float) -> tuple[Float, Float]:
    """Return where the gripper is in the grasp's frame, (3,) [m], and the turn to the grasp in its own, (3,) [rad]."""
    goal = attempt.grasp.pose
    offset = goal[:3, :3].T @ (gripper_to_world[:3, 3] - goal[:3, 3])
    return offset, rotation_vector(gripper_to_world[:3, :3].T @ goal[:3, :3])


def _reach(attempt: Attempt, state: HandState, gains: Gains) -> HandCommand:
    offset, turn = misalignment(attempt, state.gripper_to_world)
    behind, aside, angle = -float(offset[2]), float(np.hypot(*offset[:2])), float(np.linalg.norm(turn))
    if _closes(behind, aside, angle, state.gripper):
        return HandCommand(np.zeros(TWIST_DIM), 1.0)
    share = _progress(attempt, behind, aside, angle)
    inside = behind < attempt.way_m - 0.01
    limit = gains.inside_m_s if inside else gains.free_m_s
    target = share * max(behind, 0.0) + (1.0 - share) * (behind - attempt.way_m)
    wanted = np.array([*(-gains.per_s * offset[:2]), gains.per_s * target])
    wanted[:2] = _shortened(wanted[:2], limit)
    wanted[2] = min(max(wanted[2], -limit), limit)
    goal_to_gripper = state.gripper_to_world[:3, :3].T @ attempt.grasp.pose[:3, :3]
    spin = _shortened(gains.per_s * turn, gains.turn_rad_s)
    return HandCommand(np.concatenate([goal_to_gripper @ wanted, spin]), 0.0)


def _closes(behind: float, aside: float, angle: float, gripper: float) -> bool:
    """Whether the fingers close: around the grasp, and in a wider region once they have begun to."""
    if gripper > 0.97:
        return False  # nothing between them
    slack = 2.5 if gripper > 0.12 else 1.0
    return behind < 0.006 * slack and aside < 0.006 * slack and angle < 0.07 * slack


def _progress(attempt: Attempt, behind: float, aside: float, angle: float) -> float:
    """Return the share of the way that may be gone: 1 when aligned, 0 when the hand must wait or go back out.

    The funnel narrows towards the object.
    """
    depth = min(max(behind / attempt.way_m, 0.0), 1.0)
    off = max(aside / (0.010 + 0.012 * depth), angle / (0.08 + 0.10 * depth))
    return min(max(2.0 * (1.5 - off), 0.0), 1.0)


def _carry(attempt: Attempt, state: HandState, gains: Gains) -> HandCommand:
    pose, backwards = state.gripper_to_world, -attempt.grasp.approach * np.array([1.0, 1.0, 0.0])
    backwards = backwards / np.linalg.norm(backwards)
    out_m = float(pose[0, 3]) - (attempt.front_x_m - OUTSIDE_M - CLEAR_M - attempt.length_m)
    clear = out_m <= CLEAR_M
    goal_m = attempt.raise_m if clear else attempt.lift_m
    missing_m = goal_m - state.lifted_m
    velocity = np.zeros(3)
    velocity[2] = min(max(gains.per_s * missing_m, -0.05), gains.lift_m_s)
    if out_m > 0.0:
        share = 1.0 if clear else min(max(1.0 - (missing_m - 0.006) / 0.015, 0.0), 1.0)
        velocity += share * min(gains.per_s * out_m + 0.02, gains.inside_m_s) * backwards
    done = clear and missing_m < 0.012
    return HandCommand(np.concatenate([pose[:3, :3].T @ velocity, np.zeros(3)]), 1.0, done)


def _shortened(vector: Float, most: float) -> Float:
    return vector * min(1.0, most / max(float(np.linalg.norm(vector)), 1e-9))


def way_of(grasp: Grasp, front_x_m: float) -> float:
    """Return how long the straight approach must be for it to start before the front [m]."""
    return float(max((grasp.pose[0, 3] - front_x_m + OUTSIDE_M) / grasp.approach[0], 0.10))


def attempt_of(grasp: Grasp, *, front_x_m: float, headroom_m: float, length_m: float) -> Attempt:
    """Return the attempt that follows from a grasp and the room above the object.

    Args:
        grasp: Where to take it.
        front_x_m: Front plane of the furniture.
        headroom_m: Between the object's top and the board above it.
        length_m: The object's longest side.
    """
    room = headroom_m - 0.012
    inside = min(LIFTED_M, room if room > 0.0 else 0.5 * headroom_m)
    low = inside < LIFTED_M
    return Attempt(
        grasp=grasp,
        way_m=way_of(grasp, front_x_m),
        front_x_m=front_x_m,
        lift_m=inside,
        raise_m=max(LIFTED_M + (0.025 if low else 0.0), inside),
        length_m=length_m if low else 0.0,
    )


def is_level(pose: Float) -> bool:
    """Whether an object stands upright, (4, 4)."""
    return bool(pose[2, 2] > math.cos(0.5))
