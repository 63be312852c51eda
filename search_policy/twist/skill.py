"""The twist skill: a policy steers the wrist camera freely, a chunk of levelled twists at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError
from robots.region import SearchRegion
from robots.types import (
    Action,
    ActionSpace,
    CameraIntrinsics,
    Command,
    DetectionFrame,
    Float,
    Lease,
    Observation,
    SkillHealth,
    SkillState,
    Task,
    read_only,
)
from search_policy.memory.lookout import Lookout
from search_policy.memory.seen_map import SeenMap
from search_policy.motion.mover import Mover
from search_policy.motion.viewpoints import candidate_views
from search_policy.observations import AgentState
from search_policy.skill import SearchConfig
from search_policy.twist.config import AXES, TwistConfig
from search_policy.twist.guard import Guard
from search_policy.twist.levelled import camera_twist, commanded, speed_limits
from search_policy.twist.passing import FreeCamera, PassedViews
from search_policy.twist.policies import ChunkPolicy


@dataclass(frozen=True, slots=True, eq=False)
class TwistDecision:
    """One choice of a chunk.

    Attributes:
        state: What the policy saw.
        action: What it chose, in units of the speed limits, (h, 5) in [-1, 1].
        step: Control steps since the episode began.
    """

    state: AgentState
    action: NDArray[np.float32]
    step: int


class TwistSkill:
    """Satisfies `handoff.interfaces.Skill`. The seen-map lasts from `reset` to `reset`, across handoffs.

    Whatever the policy asks for, the camera stays in its box and the hand clear of the furniture, speeds and
    accelerations keep their limits, and the camera is held level.

    Args:
        policy: Chooses the chunks.
        region: Where to look.
        intrinsics: Of the wrist camera.
        config: Views that the agent state describes, seen-map and limits of the motion.
        twist: Chunks, levelling, margins, and when the search is exhausted.
        control_hz: Rate at which `propose` is called.
        camera: Name of the wrist camera in `Observation.images`.
        seed: Seed of the policy's randomness; every episode draws its own stream from it.
    """

    _motion: Float
    _waiting: NDArray[np.float32]

    def __init__(
        self,
        policy: ChunkPolicy,
        region: SearchRegion,
        intrinsics: CameraIntrinsics,
        *,
        config: SearchConfig | None = None,
        twist: TwistConfig | None = None,
        control_hz: float = 15.0,
        camera: str = "wrist",
        seed: int = 0,
    ) -> None:
        self.config, self.twist = config or SearchConfig(), twist or TwistConfig()
        self.views = candidate_views(region, self.config.views)
        self.seen_map = SeenMap(region, intrinsics, self.views, self.config.seen_map)
        self._policy, self._camera = policy, camera
        self._free = FreeCamera(region, camera, self.seen_map)
        self._lookout = Lookout(self.seen_map, camera)
        self._passed = PassedViews(self.views, self.twist)
        mover, margin = self.config.mover, self.twist.margin_m
        self._mover = Mover(region, mover, control_hz=control_hz, camera=camera)
        self._guard = Guard(region, self.config.views, mover, margin_m=margin, control_hz=control_hz)
        self._limits = speed_limits(mover)
        self._rng = np.random.default_rng(seed)
        self._closed: tuple[str, ...] = ()
        self._begin()

    @property
    def decision(self) -> TwistDecision | None:
        """The newest chunk of this episode, or None before the first."""
        return self._decision

    def close(self, closed: Collection[str]) -> None:
        """Take in which doors and drawers are shut, also for the episodes to come; see `SeenMap.close`.

        Raises:
            UsageError: The region has no such closure.
        """
        self.seen_map.close(closed)
        self._closed = tuple(closed)
        self._rest()

    def reset(self, task: Task) -> None:
        """Forget the last episode. The skill does not use the task: the detector knows what is looked for."""
        self._begin()

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Take in the observation; a chunk can always be chosen at once."""
        self._take_lease(lease)
        self._look(observation, None)
        return self._health.state is SkillState.READY

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the next twist of the chunk, choosing a new chunk where needed; None once exhausted.

        Raises:
            SpecError: The policy returned something that is not a chunk.
        """
        self._take_lease(lease)
        self._look(observation, frame)
        if not len(self._waiting) and not self._choose(observation):
            return None
        self._step += 1
        levelled, self._waiting = self._waiting[0] * self._limits, self._waiting[1:]
        twist = self._drive(levelled, observation)
        self._motion = commanded(twist, observation, self._camera, self.config.mover)
        action = Action(ActionSpace.CARTESIAN_VELOCITY, twist, gripper=0.0)
        self._seq += 1
        return Command(lease.holder, lease.epoch, self._seq, observation.captured_at_s, action)

    def health(self) -> SkillHealth:
        """READY, or EXHAUSTED once nothing new has been seen for long, or the step budget is spent."""
        return self._health

    def state(self, observation: Observation) -> AgentState:
        """Return the agent state that the policy would see now."""
        return self._free.state(observation, self._passed.visits, self._motion)

    def _begin(self) -> None:
        self._policy.reset(np.random.default_rng(self._rng.integers(2**63)))
        self.seen_map.reset(self._closed)
        self._lookout.reset()
        self._passed.reset()
        self._seq = self._step = self._stale = 0
        self._known = 0.0
        self._epoch: int | None = None
        self._decision: TwistDecision | None = None
        self._rest()

    def _rest(self) -> None:
        """Drop what is left of the chunk and start from rest."""
        self._mover.stop()
        self._motion = np.zeros(len(AXES))
        self._waiting = np.zeros((0, len(AXES)), dtype=np.float32)
        self._stale = 0
        self._health = SkillHealth(SkillState.READY)

    def _take_lease(self, lease: Lease) -> None:
        """A new epoch starts from rest: somebody else may have moved the arm."""
        if lease.epoch == self._epoch:
            return
        if self._epoch is not None:
            self._lookout.reject_candidate()
        self._lookout.drop_candidate()
        self._epoch, self._seq = lease.epoch, 0
        self._rest()

    def _look(self, observation: Observation, frame: DetectionFrame | None) -> None:
        self._lookout.look(observation, frame, self._step)
        self._passed.update(observation.camera_to_world[self._camera])

    def _choose(self, observation: Observation) -> bool:
        if self._exhausted():
            return False
        state = self.state(observation)
        chunk = np.asarray(self._policy.choose(state), dtype=np.float32)
        if chunk.ndim != 2 or chunk.shape[1] != len(AXES) or not len(chunk) or not np.isfinite(chunk).all():
            raise SpecError(f"twist policy: needs a chunk of finite numbers (h, {len(AXES)}), not {chunk.shape}.")
        self._waiting = np.clip(chunk, -1.0, 1.0)
        self._decision = TwistDecision(state, read_only(self._waiting), self._step)
        return True

    def _exhausted(self) -> bool:
        coverage = self.seen_map.coverage
        news = coverage >= self._known + self.twist.news
        self._known, self._stale = (coverage, 0) if news else (self._known, self._stale + 1)
        spent = 0 < self.twist.max_steps <= self._step
        if spent or self._stale > self.twist.patience_chunks:
            reason = f"{self._step} steps" if spent else f"nothing new in {self.twist.patience_chunks} chunks"
            self._health = SkillHealth(SkillState.EXHAUSTED, reason)
            return True
        return False

    def _drive(self, levelled: Float, observation: Observation) -> Float:
        """Return the gripper twist (6,) for a levelled camera twist (5,), all limits kept."""
        pose = observation.camera_to_world[self._camera]
        wanted = camera_twist(levelled, pose, self.twist.level_per_s)
        twist = self._mover.ramp(self._guard.bend(wanted, pose), observation)
        if self._guard.admits(twist, pose, observation.gripper_to_world[:3, 3]):
            return twist
        self._mover.stop()
        return np.zeros(6)
