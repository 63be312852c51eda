"""What an action means for the joints: checked, then limited in the space that it was given in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.errors import ActionRejectedError
from robots.safety import limit_twist, limit_workspace_velocity
from robots.sim.arm_model import ArmModel
from robots.sim.channel import Motion
from robots.sim.kinematics import ArmKinematics
from robots.types import Action, ActionSpace, Float

SPACES = (ActionSpace.CARTESIAN_VELOCITY, ActionSpace.JOINT_VELOCITY, ActionSpace.JOINT_POSITION)
SAME = 1e-9  # a command that was changed by less was executed as it is
_HUGE = 1e6  # values beyond it are far out of every limit; with it no arithmetic on them overflows


@dataclass(frozen=True, slots=True)
class CommandCounts:
    """What became of an episode's commands.

    Attributes:
        rejected: Refused as malformed; nothing moved.
        clipped: Executed, but changed to respect a limit.
    """

    rejected: int = 0
    clipped: int = 0


class CommandReader:
    """Turns actions into joint targets and back.

    Args:
        arm: The arm.
        dt_s: Control period [s].
    """

    def __init__(self, arm: ArmModel, dt_s: float) -> None:
        self._arm, self._dt_s = arm, dt_s
        self._kinematics = ArmKinematics(np.array(arm.home_rad), arm)

    def checked(self, action: Action) -> Float:
        """Return the action's values as a new array, (a,).

        Raises:
            ActionRejectedError: The space is unknown, the width is wrong, or a value is no finite number.
        """
        if action.space not in SPACES:
            raise ActionRejectedError(f"The robot does not support the action space {action.space!r}.")
        width = self._arm.width(action.space)
        numbers = np.asarray(action.values)
        if numbers.shape != (width,):
            raise ActionRejectedError(f"A {action.space} action needs shape ({width},), got {numbers.shape}.")
        gripper = 0.0 if action.gripper is None else action.gripper
        if numbers.dtype.kind not in "iuf" or not isinstance(gripper, (int, float, np.number)):
            raise ActionRejectedError("The action holds values that are not real numbers.")
        values = numbers.astype(np.float64)
        if not (np.isfinite(values).all() and np.isfinite(gripper)):
            raise ActionRejectedError("The action holds values that are not finite.")
        return np.clip(values, -_HUGE, _HUGE)

    def joint_target(self, space: ActionSpace, values: Float, last: Motion) -> tuple[Float, bool]:
        """Return the joint targets (n,) [rad] that an action asks for, and whether its twist had to be shortened.

        Args:
            space: What the values mean.
            values: (a,) as from `checked`.
            last: The motion that the action continues.
        """
        if space is ActionSpace.JOINT_POSITION:
            return values, False
        start, dt_s, arm = last.target_rad, self._dt_s, self._arm
        if space is ActionSpace.JOINT_VELOCITY:
            return start + values * dt_s, False
        twist = limit_twist(values, arm.step_m / dt_s, arm.step_rad / dt_s)
        point = self._kinematics.forward(start).gripper_to_world[:3, 3]
        linear = limit_workspace_velocity(arm.limits, point, twist[:3], dt_s)
        allowed = np.concatenate([linear, twist[3:]])
        target = start + dt_s * self._kinematics.twist_to_joint_velocity(start, allowed, dt_s=dt_s)
        return target, bool(np.abs(allowed - values).max() > SAME)

    def executed(self, space: ActionSpace, sent: Motion) -> Float:
        """Return the values (a,) of the action that a motion amounts to."""
        if space is ActionSpace.JOINT_POSITION:
            return sent.target_rad.copy()
        if space is ActionSpace.JOINT_VELOCITY:
            return sent.velocity_rad_s.copy()
        return self._kinematics.jacobian(sent.target_rad) @ sent.velocity_rad_s
