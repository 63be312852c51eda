"""Drive the wrist camera to a pose with bounded twists, around drawers and doors, backing out first where needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from robots.region import Opening, SearchRegion
from robots.types import Float, Observation
from search_policy.motion.geometry import pose_difference
from search_policy.motion.route import Router


@dataclass(frozen=True, slots=True)
class MoverConfig:
    """Limits of the camera's motion and when it has arrived."""

    # Largest linear speed [m/s]
    linear_m_s: float = 0.6
    # Largest angular speed [rad/s]
    angular_rad_s: float = 1.6
    # Largest linear acceleration [m/s^2]
    linear_m_s2: float = 3.0
    # Largest angular acceleration [rad/s^2]
    angular_rad_s2: float = 8.0
    # Distance at which a pose counts as reached [m]
    arrive_m: float = 0.02
    # Angle at which a pose counts as reached [rad]
    arrive_rad: float = 0.07
    # Control steps without progress after which the mover gives up
    stuck_steps: int = 10
    # Distance and angle at which a stuck mover still counts as arrived [m] [rad]
    settle_m: float = 0.06
    settle_rad: float = 0.2
    # Finger tips deeper than this in front of the opening (negative: inside) are pulled back first [m]
    tip_margin_m: float = 0.03
    # Via poses out of the arm's reach that are replaced by others before the mover gives up
    vias: int = 3
    # Distance and angle at which a via pose counts as passed [m] [rad]
    pass_m: float = 0.05
    pass_rad: float = 0.25


class MoverState(StrEnum):
    """How a motion is going."""

    MOVING = "moving"
    ARRIVED = "arrived"
    STUCK = "stuck"


class Mover:
    """Moves the camera at bounded speed and acceleration. The robot solves the joint motion.

    The way is straight where the hand stays clear of the furniture, and leads over via poses elsewhere.

    Args:
        region: The furniture to keep out of.
        config: Limits.
        control_hz: Rate at which `twist` is called.
        camera: Name of the camera that is moved.
    """

    def __init__(self, region: SearchRegion, config: MoverConfig, *, control_hz: float, camera: str) -> None:
        self._region = region
        self._config = config
        self._dt_s = 1.0 / control_hz
        self._camera = camera
        self._router = Router.of(region)
        self.stop()

    def stop(self) -> None:
        """Forget target and speed: the next motion starts from rest."""
        self._target: Float | None = None
        self._via: Float | None = None
        self._unreachable: list[Float] = []
        self._velocity: Float = np.zeros(6)
        self._best = math.inf
        self._idle = 0
        self.state = MoverState.ARRIVED

    def start(self, camera_to_world: Float) -> None:
        """Set a new target pose, (4, 4); the present speed is kept, so consecutive motions blend."""
        self._target, self._via, self._unreachable = camera_to_world, None, []
        self._best = math.inf
        self._idle = 0
        self.state = MoverState.MOVING

    def twist(self, observation: Observation) -> Float:
        """Return the gripper twist for this control period, world frame, (6,) [m/s, rad/s], and update `state`."""
        if self._target is None:
            return self.ramp(np.zeros(6), observation)
        current = observation.camera_to_world[self._camera]
        goal = self._next(current)
        shift, turn = pose_difference(current, self._target if goal is None else goal)
        distance, angle = float(np.linalg.norm(shift)), float(np.linalg.norm(turn))
        self._judge(distance, angle, last=goal is self._target)
        if goal is None or self._must_back_out(observation, shift):
            return self.ramp(self._outwards(observation), observation)
        return self.ramp(self._wanted(shift, turn, distance, angle), observation)

    def ramp(self, wanted: Float, observation: Observation) -> Float:
        """Return a wanted camera twist, its change limited, as a twist of the gripper point, world frame, (6,) both."""
        change = wanted - self._velocity
        change[:3] *= min(1.0, self._config.linear_m_s2 * self._dt_s / max(float(np.linalg.norm(change[:3])), 1e-9))
        change[3:] *= min(1.0, self._config.angular_rad_s2 * self._dt_s / max(float(np.linalg.norm(change[3:])), 1e-9))
        self._velocity = self._velocity + change
        lever = observation.gripper_to_world[:3, 3] - observation.camera_to_world[self._camera][:3, 3]
        gripper = self._velocity.copy()
        gripper[:3] += np.cross(self._velocity[3:], lever)
        return gripper

    def _next(self, current: Float) -> Float | None:
        """Return the pose to head for: the target or, where the way is not clear, a via pose; None without one."""
        assert self._target is not None
        if self._via is self._target:
            return self._target
        on_the_way = self._via is not None and not self._passed(current)
        if on_the_way and not self._router.keep_out.is_clear(current, self._target):
            return self._via
        via = self._router.via(current, self._target, self._unreachable)
        if via is not None:
            self._via, self._best = via, math.inf
        return via

    def _passed(self, current: Float) -> bool:
        assert self._via is not None
        shift, turn = pose_difference(current, self._via)
        config = self._config
        return bool(np.linalg.norm(shift) < config.pass_m and np.linalg.norm(turn) < config.pass_rad)

    def _outwards(self, observation: Observation) -> Float:
        """Return the way out of what the hand is in, (6,): upwards out of a drawer, else back towards the robot."""
        speed = 0.6 * self._config.linear_m_s
        tip = observation.gripper_to_world[:3, 3]
        drawer = any(c.opening is Opening.TOP and c.holds(tip, slack_m=0.05) for c in self._region.compartments)
        return np.array([0, 0, speed, 0, 0, 0]) if drawer else np.array([-speed, 0, 0, 0, 0, 0])

    def _judge(self, distance: float, angle: float, *, last: bool) -> None:
        config = self._config
        if last and distance < config.arrive_m and angle < config.arrive_rad:
            self.state = MoverState.ARRIVED
            return
        remaining = distance + 0.3 * angle
        self._idle = 0 if remaining < self._best - 0.002 else self._idle + 1
        self._best = min(self._best, remaining)
        if self._idle < config.stuck_steps:
            return
        if not last and self._via is not None and len(self._unreachable) < config.vias:
            self._unreachable.append(self._via)
            self._via, self._idle = None, 0
        else:
            settled = last and distance < config.settle_m and angle < config.settle_rad
            self.state = MoverState.ARRIVED if settled else MoverState.STUCK

    def _must_back_out(self, observation: Observation, shift: Float) -> bool:
        """Return whether the tips are inside the bookcase and the motion leads sideways or out."""
        tip_x = observation.gripper_to_world[0, 3]
        inside = tip_x > self._region.front_x_m - self._config.tip_margin_m
        if inside and (shift[0] < 0.0 or np.linalg.norm(shift[1:]) > 0.05):
            self._best, self._idle = math.inf, min(self._idle, self._config.stuck_steps - 1)
            return True
        return False

    def _wanted(self, shift: Float, turn: Float, distance: float, angle: float) -> Float:
        config = self._config
        speed = _approach(distance, config.linear_m_s, config.linear_m_s2, self._dt_s)
        rate = _approach(angle, config.angular_rad_s, config.angular_rad_s2, self._dt_s)
        linear = shift * (speed / max(distance, 1e-9))
        return np.concatenate([linear, turn * (rate / max(angle, 1e-9))])


def _approach(distance: float, speed: float, acceleration: float, dt_s: float) -> float:
    """Return the largest speed from which a stop within `distance` is possible, one period of delay included."""
    slack = acceleration * dt_s
    braking = math.sqrt(slack * slack + 2.0 * acceleration * distance) - slack
    return min(speed, braking, distance / dt_s)
