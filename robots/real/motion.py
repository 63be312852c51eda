"""From a wanted action to the joint target that may be sent: checks, kinematics, limits. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robots.errors import ActionRejectedError
from robots.real.kinematics import SerialArm
from robots.safety import SafetyLimits, limit_joint_target, limit_workspace_velocity
from robots.types import Action, ActionSpace, Float

_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What may be sent.

    Attributes:
        joints_rad: (n,).
        velocity_rad_s: (n,), the change per second that the target makes.
        clipped: A limit changed what was asked for.
    """

    joints_rad: Float
    velocity_rad_s: Float
    clipped: bool


class Motion:
    """The commanded state of the arm, and the limits between it and every new target.

    Args:
        limits: The envelope, already scaled to the chosen speed.
        dt_s: Control period [s].
        following_error_rad: Largest lead of a target over the measured joint [rad].
        arm: Kinematics, or None: then only joint spaces are accepted and the workspace is not checked.
    """

    def __init__(self, limits: SafetyLimits, dt_s: float, following_error_rad: float, arm: SerialArm | None) -> None:
        self.arm = arm
        self._limits, self._dt_s, self._lead_rad = limits, dt_s, following_error_rad
        self.joints_rad: Float = np.zeros(len(limits.lower_rad))
        self.velocity_rad_s: Float = np.zeros_like(self.joints_rad)

    @property
    def spaces(self) -> tuple[ActionSpace, ...]:
        """The action spaces that can be realised."""
        joint_spaces = (ActionSpace.JOINT_VELOCITY, ActionSpace.JOINT_POSITION)
        return joint_spaces if self.arm is None else (ActionSpace.CARTESIAN_VELOCITY, *joint_spaces)

    def rest_at(self, joints_rad: Float) -> None:
        """Take the measured pose as the commanded one, at rest."""
        self.joints_rad, self.velocity_rad_s = joints_rad.astype(np.float64), np.zeros_like(joints_rad, dtype=float)

    def plan(self, action: Action, measured_rad: Float) -> Target:
        """Return the target for this control period, nearest to `action` within all limits.

        Raises:
            ActionRejectedError: The action is not finite, has the wrong width or an unsupported space.
        """
        values = self._checked(action)
        if action.space is ActionSpace.JOINT_POSITION:
            return self._limited(values, measured_rad, clipped=False)
        if action.space is ActionSpace.JOINT_VELOCITY:
            return self._limited(self.joints_rad + values * self._dt_s, measured_rad, clipped=False)
        return self._cartesian(values, measured_rad)

    def brake(self) -> Target:
        """Return the target that brings the arm to rest within the limits."""
        joints = limit_joint_target(self._limits, self.joints_rad, self.velocity_rad_s, self.joints_rad, self._dt_s)
        return self._target(joints, clipped=False)

    def commit(self, joints_rad: Float) -> None:
        """Take in what was really sent."""
        self.velocity_rad_s = (joints_rad - self.joints_rad) / self._dt_s
        self.joints_rad = joints_rad

    def executed(self, space: ActionSpace, target: Target) -> Float:
        """Return a target in the units of `space`."""
        if space is ActionSpace.JOINT_POSITION:
            return target.joints_rad
        if space is ActionSpace.JOINT_VELOCITY or self.arm is None:
            return target.velocity_rad_s
        return self.arm.jacobian(target.joints_rad) @ target.velocity_rad_s

    def _cartesian(self, twist: Float, measured_rad: Float) -> Target:
        assert self.arm is not None
        point = self.arm.forward(self.joints_rad)[:3, 3]
        linear = limit_workspace_velocity(self._limits, point, twist[:3], self._dt_s)
        clipped = bool(np.abs(linear - twist[:3]).max() > _TOLERANCE)
        speed = np.array(self._limits.velocity_rad_s)
        low = np.clip((np.array(self._limits.lower_rad) - self.joints_rad) / self._dt_s, -speed, 0.0)
        high = np.clip((np.array(self._limits.upper_rad) - self.joints_rad) / self._dt_s, 0.0, speed)
        velocity = self.arm.joint_velocity(self.joints_rad, np.concatenate([linear, twist[3:]]), low, high)
        return self._limited(self.joints_rad + velocity * self._dt_s, measured_rad, clipped=clipped)

    def _limited(self, wanted_rad: Float, measured_rad: Float, *, clipped: bool) -> Target:
        led = np.clip(wanted_rad, measured_rad - self._lead_rad, measured_rad + self._lead_rad)
        joints = limit_joint_target(self._limits, self.joints_rad, self.velocity_rad_s, led, self._dt_s)
        if self._leaves_workspace(joints):
            joints, clipped = self.brake().joints_rad, True
        return self._target(joints, clipped=clipped or bool(np.abs(joints - wanted_rad).max() > _TOLERANCE))

    def _leaves_workspace(self, joints_rad: Float) -> bool:
        """Whether the arm, braking after this target, would come to rest further outside the box than it is now."""
        if self.arm is None:
            return False
        velocity = (joints_rad - self.joints_rad) / self._dt_s
        braking = velocity * np.abs(velocity) / (2.0 * np.array(self._limits.acceleration_rad_s2))
        rest = self._outside(self.arm.forward(joints_rad + braking)[:3, 3])
        now = self._outside(self.arm.forward(self.joints_rad)[:3, 3])
        return bool((rest > now + _TOLERANCE).any())

    def _outside(self, point_m: Float) -> Float:
        low, high = self._limits.workspace_min_m, self._limits.workspace_max_m
        return np.maximum(np.maximum(np.array(low) - point_m, point_m - np.array(high)), 0.0)

    def _target(self, joints_rad: Float, *, clipped: bool) -> Target:
        return Target(joints_rad, (joints_rad - self.joints_rad) / self._dt_s, clipped)

    def _checked(self, action: Action) -> Float:
        if action.space not in self.spaces:
            why = " without a `model:` in its profile" if action.space is ActionSpace.CARTESIAN_VELOCITY else ""
            taken = ", ".join(self.spaces)
            raise ActionRejectedError(f"The robot does not take {action.space}{why}; it takes {taken}.")
        width = 6 if action.space is ActionSpace.CARTESIAN_VELOCITY else len(self.joints_rad)
        values = np.asarray(action.values, dtype=np.float64)
        if values.shape != (width,):
            raise ActionRejectedError(f"A {action.space} action needs shape ({width},), got {values.shape}.")
        if not np.isfinite(values).all() or not math.isfinite(action.gripper or 0.0):
            raise ActionRejectedError("The action holds values that are not finite.")
        return values
