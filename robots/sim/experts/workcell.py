"""What every scripted motion plans with, and the two kinds of path they are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.sim.experts.collision import CollisionChecker, TargetContact
from robots.sim.experts.trajectory import Pace, interpolate
from robots.sim.kinematics import ArmKinematics
from robots.types import Float

LINE_STEP_M = 0.012
TRANSIT_STEP_RAD = 0.06
MAX_JUMP_RAD = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Workcell:
    """An arm in the present state of its world.

    Attributes:
        q_rad: Present joint positions, (n,) [rad].
        home_rad: A posture from which every part of the furniture can be entered, (n,) [rad].
        kinematics: The arm.
        checker: Collisions.
        pace: Speeds.
        rng: Draws starting postures of the inverse kinematics.
    """

    q_rad: Float
    home_rad: Float
    kinematics: ArmKinematics
    checker: CollisionChecker
    pace: Pace
    rng: np.random.Generator

    def line(self, start_rad: Float, pose: Float, offset_m: Float) -> Float | None:
        """Return postures (m, n) that move the gripper from `pose` (4, 4) by `offset_m` in a straight line, or None."""
        count = max(int(np.ceil(float(np.linalg.norm(offset_m)) / LINE_STEP_M)), 1)
        postures = [start_rad]
        for share in np.linspace(0.0, 1.0, count + 1)[1:]:
            target = pose.copy()
            target[:3, 3] += share * offset_m
            found = self.next_posture(target, postures[-1])
            if found is None:
                return None
            postures.append(found)
        return np.stack(postures)

    def next_posture(self, pose: Float, near_rad: Float) -> Float | None:
        """Return the posture that reaches `pose` (4, 4) without leaving the branch of `near_rad`, or None."""
        found = self.kinematics.solve(pose, [near_rad], self.rng, restarts=0)
        return None if found is None or np.abs(found - near_rad).max() > MAX_JUMP_RAD else found

    def transit(self, start_rad: Float, end_rad: Float, target: TargetContact = TargetContact.NONE) -> Float | None:
        """Return a free joint path, (m, n): straight, or over the home posture; None when neither is free."""
        straight = interpolate(start_rad, end_rad, step_rad=TRANSIT_STEP_RAD)
        if self.checker.path_free(straight, target):
            return straight
        to_home = interpolate(start_rad, self.home_rad, step_rad=TRANSIT_STEP_RAD)
        over = np.concatenate([to_home, interpolate(self.home_rad, end_rad, step_rad=TRANSIT_STEP_RAD)[1:]])
        return over if self.checker.path_free(over, target) else None
