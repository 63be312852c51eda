"""The closed-loop expert: sees the simulator's state, chooses a grasp from here, and follows the law of `servo`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from robots.grasp_action import ACTION_DIM, REFUSE
from robots.sim.experts.collision import CollisionChecker, TargetContact
from robots.sim.experts.grasps import Grasp, candidate_grasps
from robots.sim.grasping.choice import Rehearsal
from robots.sim.grasping.servo import (
    Attempt,
    Gains,
    HandState,
    attempt_of,
    command,
    is_level,
)
from robots.sim.grasping.world import GraspWorld
from robots.sim.objects import find_class
from robots.types import Float

MOST_CANDIDATES = 90
STEEPEST = 0.36  # vertical part of an approach with an upright wrist that the arm can follow
EMPTY = 0.05  # measured opening below which the fingers have not begun to close
MOVED_M = 0.015  # the grasp is chosen anew when the object was pushed further than that


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """What was chosen, for which place of the object; None to refuse."""

    attempt: Attempt | None
    object_m: Float


class GraspExpert:
    """Labels any state with the action that a grasp of the named object takes from there.

    The wrist stays upright: of the candidate grasps those with the camera above the hand, best first, of which the
    first is taken that a rehearsal on the kinematics carries out without touching anything. That depends on the state
    alone. The choice is kept while the object stands where it stood.

    Args:
        world: The world.
        gains: Speeds of the law.
    """

    def __init__(self, world: GraspWorld, gains: Gains | None = None) -> None:
        self._world, self._gains = world, gains
        self._choice: _Choice | None = None
        self._reopening = False
        self.done = False

    def begin(self) -> bool:
        """Choose a grasp from the present state; returns False to refuse."""
        self._choice, self._reopening, self.done = None, False, False
        return self._chosen() is not None

    def act(self) -> Float:
        """Return the action for the present state, (8,) float32; see `robots.grasp_action`."""
        attempt = self._chosen()
        if attempt is None:
            return refusal()
        state = self.state()
        if state.held:
            self._reopening = False
        elif state.gripper > 0.97:
            self._reopening = True
        elif state.gripper < 0.05:
            self._reopening = False
        wanted = command(attempt, state, self._gains)
        self.done = wanted.done
        if self._reopening:
            return action_of(np.array([0.0, 0.0, -0.06, 0.0, 0.0, 0.0]), 0.0)
        return action_of(wanted.twist, wanted.gripper)

    def state(self) -> HandState:
        """Return what the law looks at."""
        world, judgement = self._world, self._world.truth.judge()
        robot = world.robot
        finger = robot.data.qpos[[robot.model.joint(name).qposadr[0] for name in robot.arm.finger_joints]].mean()
        opening = float(np.clip(1.0 - finger / robot.arm.finger_stroke, 0.0, 1.0))
        pose = world.gripper_to_world()
        held = opening > EMPTY and ((judgement.held and world.at_rest()) or self._hangs(pose, judgement.lifted_m))
        return HandState(pose, opening, held, judgement.lifted_m)

    def _hangs(self, pose: Float, lifted_m: float) -> bool:
        """Whether the object is up between the fingers, also while a contact flickers."""
        item = self._world.target
        if item is None or lifted_m < 0.006:
            return False
        offset = self._world.object_pose(item.name)[:2, 3] - pose[:2, 3]
        return float(np.linalg.norm(offset)) < item.scale * find_class(item.kind).radius_m + 0.01

    def _chosen(self) -> Attempt | None:
        item = self._world.target
        if item is None:
            return None
        place = self._world.object_pose(item.name)
        choice = self._choice
        if choice is None or (self._pushed(place, choice) and not self.state().held):
            self._choice = choice = _Choice(self._choose(), place[:3, 3].copy())
        return choice.attempt

    def _pushed(self, place: Float, choice: _Choice) -> bool:
        return float(np.linalg.norm(place[:3, 3] - choice.object_m)) > MOVED_M

    def _choose(self) -> Attempt | None:
        world, item = self._world, self._world.target
        assert item is not None, "chosen for a target that is there"
        pose = world.object_pose(item.name)
        if not is_level(pose):
            return None
        checker, q = world.checker(item.name), world.posture()
        rehearsal = Rehearsal(world.kinematics, checker, world.robot.dt_s)
        for attempt in self._attempts(pose):
            if self._reachable(attempt, checker, q) and rehearsal.succeeds(attempt, q, self._gains):
                return attempt
        return None

    def _reachable(self, attempt: Attempt, checker: CollisionChecker, q_rad: Float) -> bool:
        """Whether the hand is free at the grasp itself: spares most rehearsals of what cannot end well."""
        kinematics = self._world.kinematics
        seeds = [q_rad, np.array(self._world.robot.arm.home_rad)]
        goal = kinematics.solve(attempt.grasp.pose, seeds, np.random.default_rng(0), restarts=0)
        return goal is not None and checker.hand_free(goal, TargetContact.FINGERS)

    def _attempts(self, pose: Float) -> Iterator[Attempt]:
        item, region = self._world.target, self._world.spec.region
        assert item is not None, "chosen for a target that is there"
        index = region.index_of(pose[:3, 3] + np.array([0.0, 0.0, 0.02]))
        if index is None:
            return
        kind, place = find_class(item.kind), region.compartments[index]
        upright = (grasp for grasp in candidate_grasps(item, pose) if _is_upright(grasp))
        for _, grasp in zip(range(MOST_CANDIDATES), upright, strict=False):
            yield attempt_of(
                grasp,
                front_x_m=region.front_x_m,
                headroom_m=place.clearance_m - item.scale * kind.height_m,
                length_m=2.0 * item.scale * kind.radius_m,
            )


def _is_upright(grasp: Grasp) -> bool:
    return bool(grasp.pose[2, 0] > 0.0 and abs(grasp.approach[2]) < STEEPEST)


def action_of(twist: Float, gripper: float) -> Float:
    """Return the action of a twist (6,) in the gripper's frame and a gripper target, (8,) float32."""
    return np.array([*twist, gripper, 0.0], dtype=np.float32)


def refusal() -> Float:
    """Return the action that refuses: still, open, (8,) float32."""
    action = np.zeros(ACTION_DIM, dtype=np.float32)
    action[REFUSE] = 1.0
    return action
