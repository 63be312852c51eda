"""The search skill: choose a view, drive there, remember what was seen and rejected, until all views are visited."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.region import SearchRegion
from robots.types import (
    Action,
    ActionSpace,
    CameraIntrinsics,
    Command,
    DetectionFrame,
    Lease,
    Observation,
    SkillHealth,
    SkillState,
    Task,
)
from search_policy.memory.lookout import Lookout
from search_policy.memory.seen_map import SeenMap, SeenMapConfig
from search_policy.motion.mover import Mover, MoverConfig, MoverState
from search_policy.motion.viewpoints import View, ViewConfig, candidate_views
from search_policy.observations import AgentState, downsample, proprioception
from search_policy.searchers.choosers import Chooser, MapReader

if TYPE_CHECKING:
    from search_policy.semantics.insight import Insight


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """How the search skill looks around."""

    # Layout of the candidate views
    views: ViewConfig = field(default_factory=ViewConfig)
    # Resolution of the seen-map
    seen_map: SeenMapConfig = field(default_factory=SeenMapConfig)
    # Limits of the motion
    mover: MoverConfig = field(default_factory=MoverConfig)
    # Control steps that the camera rests at a view
    dwell_steps: int = 2
    # How often every view may be visited before the search is exhausted
    passes: int = 2
    # Folder of a reader and a belief whose view features the agent state includes; empty for neither
    insight: str = ""

    def __post_init__(self) -> None:
        if self.dwell_steps < 1 or self.passes < 1:
            raise UsageError("search: dwell_steps and passes must be at least 1.")


@runtime_checkable
class Insightful(Protocol):
    """A chooser that was trained with an insight, and brings it along."""

    @property
    def insight(self) -> Insight | None:
        """What it was trained with, or None."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """One choice of a view.

    Attributes:
        state: What the chooser saw.
        view: What it chose.
        step: Control steps since the episode began.
    """

    state: AgentState
    view: int
    step: int

    @property
    def action(self) -> int:
        """What demonstrations keep of it: the view."""
        return self.view


class SearchSkill:
    """Satisfies `handoff.interfaces.Skill`. Seen-map and visited views last from `reset` to `reset`, across handoffs.

    Searched and rejected places are remembered: a lease that ends on a detection and comes back means that a closer
    look, or a grasp, failed there; the place's weight in the seen-map then drops, though never to zero.

    Args:
        chooser: Chooses the next view.
        region: Where to look.
        intrinsics: Of the wrist camera.
        config: How to look around.
        control_hz: Rate at which `propose` is called.
        camera: Name of the wrist camera in `Observation.images`.
        seed: Seed of the chooser's randomness; every episode draws its own stream from it.
        views: Views to choose among instead of the region's candidate views.
    """

    def __init__(
        self,
        chooser: Chooser,
        region: SearchRegion,
        intrinsics: CameraIntrinsics,
        *,
        config: SearchConfig | None = None,
        control_hz: float = 15.0,
        camera: str = "wrist",
        seed: int = 0,
        views: Sequence[View] | None = None,
    ) -> None:
        self.config = config or SearchConfig()
        self.views = tuple(views) if views is not None else candidate_views(region, self.config.views)
        self.seen_map = SeenMap(region, intrinsics, self.views, self.config.seen_map)
        self._insight = _insight_of(chooser, self.config)
        if self._insight is not None:
            self._insight.attach(self.seen_map, self.config.mover)
        self._lookout = Lookout(self.seen_map, camera, self._insight)
        self._chooser = chooser
        self._region = region
        self._camera = camera
        self._mover = Mover(region, self.config.mover, control_hz=control_hz, camera=camera)
        if isinstance(chooser, MapReader):
            chooser.read_map(self.seen_map)
        self._rng = np.random.default_rng(seed)
        self._closed: tuple[str, ...] = ()
        self._open: NDArray[np.bool_] = np.ones(len(self.views), dtype=bool)
        self._current = -1
        self._rest = self._seq = self._step = 0
        self._begin()

    @property
    def decision(self) -> Decision | None:
        """The newest choice of this episode, or None before the first."""
        return self._decision

    @property
    def visits(self) -> NDArray[np.int64]:
        """Completed or given-up visits of each view in this episode, (v,)."""
        return self._visits.copy()

    @property
    def looked_everywhere(self) -> bool:
        """Whether every view into something open has been visited at least once."""
        return self._rounds() >= 1

    def close(self, closed: Collection[str]) -> None:
        """Take in which doors and drawers are shut, also for the episodes to come: there is nothing to see there.

        The next view is chosen anew, from where the arm is then and at rest. See `SeenMap.close`.

        Raises:
            UsageError: The region has no such closure.
        """
        self.seen_map.close(closed)
        self._closed = tuple(closed)
        compartments = self._region.compartments
        self._open = np.array([compartments[view.shelf].closure not in self._closed for view in self.views])
        self._current = -1
        self._mover.stop()
        self._health = SkillHealth(SkillState.READY)

    def reset(self, task: Task) -> None:
        """Forget the last episode. What is looked for matters to an insight alone; else only the detector knows it."""
        self._begin()
        if self._insight is not None:
            self._insight.reset(task.target)

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Take in the observation; a view can always be chosen at once."""
        self._take_lease(lease)
        self._lookout.look(observation, None, self._step)
        return self._health.state is SkillState.READY

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the twist towards the chosen view, choosing a new one where needed; None once exhausted."""
        self._take_lease(lease)
        self._lookout.look(observation, frame, self._step)
        self._step += 1
        if self._rested():
            self._visits[self._current] += 1
            self._current = -1
        if self._current < 0 and not self._choose(observation):
            return None
        twist = self._mover.twist(observation)
        self._rest = self._rest + 1 if self._mover.state is not MoverState.MOVING else 0
        self._seq += 1
        action = Action(ActionSpace.CARTESIAN_VELOCITY, twist, gripper=0.0)
        return Command(lease.holder, lease.epoch, self._seq, observation.captured_at_s, action)

    def health(self) -> SkillHealth:
        """READY, or EXHAUSTED once every view was visited `passes` times."""
        return self._health

    def state(self, observation: Observation) -> AgentState:
        """Return the agent state that a chooser would see now."""
        position = observation.camera_to_world[self._camera][:3, 3]
        views = self.seen_map.view_features(position, self._visits)
        if self._insight is not None:
            views = np.concatenate([views, self._insight.view_features()], axis=1)
        return AgentState(
            image=downsample(observation.images[self._camera]),
            proprioception=proprioception(observation, self._region, self._camera),
            seen_map=self.seen_map.channels(),
            views=views,
            mask=self._open & (self._visits <= self._rounds()),
        )

    def _begin(self) -> None:
        self._chooser.reset(np.random.default_rng(self._rng.integers(2**63)))
        self.seen_map.reset(self._closed)
        self._mover.stop()
        self._visits = np.zeros(len(self.views), dtype=np.int64)
        self._current, self._rest, self._seq, self._step = -1, 0, 0, 0
        self._epoch: int | None = None
        self._lookout.reset()
        self._decision: Decision | None = None
        self._health = SkillHealth(SkillState.READY)

    def _take_lease(self, lease: Lease) -> None:
        """A new epoch starts from rest: somebody else may have moved the arm."""
        if lease.epoch == self._epoch:
            return
        if self._epoch is not None:
            self._lookout.reject_candidate()
        self._lookout.drop_candidate()
        self._epoch, self._seq, self._rest = lease.epoch, 0, 0
        self._mover.stop()
        if self._current >= 0:
            self._mover.start(self.views[self._current].camera_to_world)

    def _rested(self) -> bool:
        if self._current < 0:
            return False
        return self._mover.state is MoverState.STUCK or self._rest >= self.config.dwell_steps

    def _rounds(self) -> int:
        """Return how often every view into something open has been visited."""
        return int(self._visits[self._open].min()) if self._open.any() else self.config.passes

    def _choose(self, observation: Observation) -> bool:
        if self._rounds() >= self.config.passes:
            self._health = SkillHealth(SkillState.EXHAUSTED, f"all {self._open.sum()} views visited")
            return False
        state = self.state(observation)
        self._current = self._chooser.choose(state)
        self._decision = Decision(state, self._current, self._step)
        self._rest = 0
        self._mover.start(self.views[self._current].camera_to_world)
        return True


def _insight_of(chooser: Chooser, config: SearchConfig) -> Insight | None:
    """Return the insight that the chooser was trained with, or else the configured one; torch is imported for it."""
    if isinstance(chooser, Insightful):
        return chooser.insight
    if not config.insight:
        return None
    from search_policy.semantics.insight import Insight

    return Insight.load(Path(config.insight))
