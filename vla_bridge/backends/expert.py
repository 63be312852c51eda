"""The simulation stand-in for a generalist: plans the grasp with the simulator's own state, and says so.

It refuses when the target is hardly visible in the wrist image, because a policy that acts from pixels could not
grasp what it does not see; so "no search" is not rescued by privileged knowledge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import PlanningError, SpecError
from robots.specs import ArraySpec
from robots.types import ActionSpace, Float
from vla_bridge.backends.base import BackendConfig, Prediction
from vla_bridge.messages import GripperConvention, Infer, PolicySchema

if TYPE_CHECKING:
    from robots.sim.experts.trajectory import JointPlan
    from robots.sim.experts.world import ExpertWorld

LABEL = "simulation expert (privileged)"
JOINTS = 7
MAX_PLANS = 8
TIE_BREAK_RAD = 0.004  # per period of disagreement with the clock


@dataclass(frozen=True)
class ExpertConfig(BackendConfig):
    """Options of the simulation expert."""

    # Number of joint targets per chunk.
    horizon: int = 16
    # Control rate that the targets are meant for [Hz].
    control_hz: float = 15.0
    # Refuse to grasp when less than this share of the target is visible in the wrist image.
    min_visible_fraction: float = 0.2
    # Seed of the planner's random starting postures.
    seed: int = 0


@dataclass(slots=True)
class _Attempt:
    """One plan being followed: how far, and when the last request was captured."""

    plan: JointPlan
    index: int
    captured_at_s: float


class ExpertBackend:
    """Satisfies `vla_bridge.backends.base.Backend`. One plan per session and epoch, made at the first request.

    Later requests are answered with the part of the plan that lies ahead of the measured posture.
    """

    def __init__(self, config: ExpertConfig) -> None:
        self._config = config
        self._world: ExpertWorld | None = None
        self._attempts: dict[tuple[str, int], _Attempt] = {}
        self._rng = np.random.default_rng(config.seed)

    def load(self) -> None:
        """Build the scene that plans are made in."""
        from robots.sim.experts.world import ExpertWorld

        self._world = ExpertWorld(dt_s=1.0 / self._config.control_hz)

    @property
    def schema(self) -> PolicySchema:
        """Joint position targets from joint positions and the simulator's state."""
        return PolicySchema(
            policy=LABEL,
            observation=(
                ArraySpec("observation.joint_positions", (JOINTS,), "float32", "rad"),
                ArraySpec("privileged.episode", (-1,), "uint8", "JSON"),
                ArraySpec("privileged.qpos", (-1,), "float64", "m, rad"),
            ),
            action=ArraySpec("actions", (self._config.horizon, JOINTS), "float32", "rad", low=-3.8, high=3.8),
            action_space=ActionSpace.JOINT_POSITION,
            control_hz=self._config.control_hz,
            gripper=GripperConvention.OPEN_0_CLOSED_1,
        )

    def warm(self) -> None:
        """Plan one pick in a synthetic episode, which also loads the graphics library."""
        if self._world is not None:
            self._world.warm(self._rng)

    def infer(self, request: Infer) -> Prediction:
        """Return the next targets of the attempt's plan.

        Raises:
            PlanningError: The target is absent, hardly visible, or no grasp is reachable.
        """
        key = (request.session, request.epoch)
        posture = np.asarray(request.arrays["observation.joint_positions"], dtype=np.float64)
        attempt = self._attempts.get(key)
        if attempt is None:
            attempt = _Attempt(self._plan(request), -1, request.captured_at_s)
            self._remember(key, attempt)
        else:
            self._advance(attempt, posture, request.captured_at_s)
        ahead = np.minimum(np.arange(1, self._config.horizon + 1) + attempt.index, len(attempt.plan) - 1)
        return Prediction(
            actions=attempt.plan.joints_rad[ahead].astype(np.float32),
            gripper=attempt.plan.gripper[ahead].astype(np.float32),
            done=attempt.index >= len(attempt.plan) - 1,
        )

    def reset(self, session: str) -> None:
        """Forget the session's plans."""
        for key in [key for key in self._attempts if key[0] == session]:
            del self._attempts[key]

    def _plan(self, request: Infer) -> JointPlan:
        if self._world is None:
            raise PlanningError("The simulation expert is not loaded.")
        return self._world.plan(
            _episode_of(request.arrays["privileged.episode"]),
            np.asarray(request.arrays["privileged.qpos"]),
            self._rng,
            min_visible_fraction=self._config.min_visible_fraction,
        )

    def _advance(self, attempt: _Attempt, posture_rad: Float, captured_at_s: float) -> None:
        """Move on to the plan's posture nearest to the measured one; where it stands still, time decides."""
        elapsed = round((captured_at_s - attempt.captured_at_s) * self._config.control_hz)
        window = np.arange(max(attempt.index, 0), min(attempt.index + 2 * self._config.horizon, len(attempt.plan)))
        distance = np.abs(attempt.plan.joints_rad[window] - posture_rad).max(axis=1)
        disagreement = np.abs(window - (attempt.index + elapsed))
        attempt.index = int(window[np.argmin(distance + TIE_BREAK_RAD * disagreement)])
        attempt.captured_at_s = captured_at_s

    def _remember(self, key: tuple[str, int], attempt: _Attempt) -> None:
        while len(self._attempts) >= MAX_PLANS:
            self._attempts.pop(next(iter(self._attempts)))
        self._attempts[key] = attempt


def _episode_of(data: NDArray[Any]) -> dict[str, Any]:
    try:
        decoded = json.loads(data.tobytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SpecError(f"privileged.episode: not valid JSON ({error}).") from error
    if not isinstance(decoded, dict):
        raise SpecError("privileged.episode: expected a JSON object.")
    return decoded
