"""Chooses a grasp: the first candidate that the law of `servo` carries out from here without touching anything."""

from __future__ import annotations

import numpy as np

from robots.sim.experts.collision import CollisionChecker, TargetContact
from robots.sim.grasping.servo import Attempt, Gains, HandState, command
from robots.sim.kinematics import ArmKinematics
from robots.types import Float

LONGEST = 110  # control periods of one rehearsal
CHECKED_EVERY = 2
CLOSING = 6


class Rehearsal:
    """Runs the law on the arm's kinematics alone, with collision checks.

    Args:
        kinematics: The arm, resting where the robot's own does.
        checker: Collisions, with the named object as target.
        dt_s: Control period [s].
    """

    def __init__(self, kinematics: ArmKinematics, checker: CollisionChecker, dt_s: float) -> None:
        self._kinematics, self._checker, self._dt_s = kinematics, checker, dt_s

    def succeeds(self, attempt: Attempt, q_rad: Float, gains: Gains | None = None) -> bool:
        """Return whether the attempt ends with the object out, from a posture (n,) [rad] with the gripper open."""
        q, gripper, held, base_z, closing = q_rad.copy(), 0.0, False, 0.0, 0
        for step in range(LONGEST):
            pose = self._kinematics.forward(q).gripper_to_world
            lifted = float(pose[2, 3]) - base_z if held else 0.0
            wanted = command(attempt, HandState(pose, gripper, held, lifted), gains)
            if wanted.done:
                return True
            if wanted.gripper > 0.5 and not held:
                closing += 1
                gripper = min(gripper + 0.1, 0.5)
                held, base_z = closing >= CLOSING, float(pose[2, 3])
            if step % CHECKED_EVERY == 0 and not self._free(q, held=held):
                return False
            world = np.concatenate([pose[:3, :3] @ wanted.twist[:3], pose[:3, :3] @ wanted.twist[3:]])
            q = q + self._dt_s * self._kinematics.twist_to_joint_velocity(q, world, dt_s=self._dt_s)
        return False

    def _free(self, q_rad: Float, *, held: bool) -> bool:
        return self._checker.free(q_rad, TargetContact.ANY if held else TargetContact.FINGERS)
