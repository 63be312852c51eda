"""The way of a command to the arm: late by some control periods, and not met exactly.

Commands are limited when they are sent, so that what waits in the queue is a motion the arm can make, and again when
they arrive, after the noise: the arm never leaves its limits. An ideal channel hands every target through untouched.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass

import numpy as np

from robots.errors import SpecError
from robots.safety import SafetyLimits, limit_joint_target
from robots.sim.appearance import ControlSpec
from robots.types import Float

_NOISE = zlib.crc32(b"action noise")


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Joint targets and how fast they move.

    Attributes:
        target_rad: (n,) joint targets [rad].
        velocity_rad_s: (n,) the change from the last targets, per second [rad/s].
    """

    target_rad: Float
    velocity_rad_s: Float

    @classmethod
    def at_rest(cls, target_rad: Float) -> Motion:
        """Return a motion that stays where it is."""
        return cls(target_rad, np.zeros_like(target_rad))

    def towards(self, wanted_rad: Float, limits: SafetyLimits, dt_s: float) -> Motion:
        """Return the next motion: the nearest to `wanted_rad` that respects the limits."""
        target = limit_joint_target(limits, self.target_rad, self.velocity_rad_s, wanted_rad, dt_s)
        return Motion(target, (target - self.target_rad) / dt_s)


class Channel:
    """Carries joint targets and gripper commands to the arm.

    Args:
        control: How late and how noisy.
        seed: What the noise is drawn from.
        limits: The arm's limits.
        start_rad: (n,) joint positions of the arm at rest [rad].
        dt_s: Control period [s].

    Attributes:
        sent: The newest command, after limits; relative commands continue from it.
        arrived: What the arm follows now.
    """

    def __init__(self, control: ControlSpec, seed: int, limits: SafetyLimits, start_rad: Float, dt_s: float) -> None:
        self._control, self._seed, self._limits, self._dt_s = control, seed, limits, dt_s
        self.sent = self.arrived = Motion.at_rest(start_rad.copy())
        self._sigma_rad = control.action_noise * np.array(limits.velocity_rad_s) * dt_s
        self._queue: deque[tuple[Float, float | None, bool]] = deque()
        for _ in range(control.latency_steps):
            self._queue.append((start_rad.copy(), None, False))

    def carry(self, wanted_rad: Float, gripper: float | None, step: int, *, noisy: bool = True) -> float | None:
        """Send one command and let the oldest arrive; returns the gripper command that arrived, if any.

        Args:
            wanted_rad: (n,) joint targets to send [rad].
            gripper: Gripper command to send, or None to leave it as it is.
            step: Control periods since the episode began.
            noisy: Whether the arm misses the target when it arrives; False for holding still.
        """
        self.sent = self.sent.towards(wanted_rad, self._limits, self._dt_s)
        if not self._queue and not self._control.action_noise:
            self.arrived = self.sent
            return gripper
        share = None if gripper is None else min(max(gripper, 0.0), 1.0)
        self._queue.append((self.sent.target_rad, share, noisy))
        target, arrived_gripper, arrived_noisy = self._queue.popleft()
        if arrived_noisy and self._control.action_noise:
            rng = np.random.default_rng([self._seed, _NOISE, step])
            target = target + self._sigma_rad * rng.standard_normal(len(target))
        self.arrived = self.arrived.towards(target, self._limits, self._dt_s)
        return arrived_gripper

    def state(self) -> list[float]:
        """Return everything that is on its way, as plain numbers."""
        queued = [
            value
            for target, gripper, noisy in self._queue
            for value in (*target.tolist(), -1.0 if gripper is None else gripper, float(noisy))
        ]
        motions = (self.sent, self.arrived)
        return [v for motion in motions for part in (motion.target_rad, motion.velocity_rad_s) for v in part] + queued

    def load_state(self, values: list[float]) -> None:
        """Continue from a `state` of the same episode.

        Raises:
            SpecError: The values do not fit.
        """
        joints, waiting = len(self.sent.target_rad), self._control.latency_steps
        if len(values) != 4 * joints + waiting * (joints + 2) or not np.isfinite(values).all():
            raise SpecError("state.channel: does not fit this episode.")
        parts = np.array(values[: 4 * joints], dtype=float).reshape(4, joints)
        self.sent, self.arrived = Motion(parts[0], parts[1]), Motion(parts[2], parts[3])
        rows = np.array(values[4 * joints :], dtype=float).reshape(waiting, joints + 2)
        self._queue = deque((row[:-2].copy(), None if row[-2] < 0.0 else float(row[-2]), bool(row[-1])) for row in rows)
