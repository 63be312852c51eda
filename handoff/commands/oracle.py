"""The upper bound: the same controller, mover and trigger, on the quickest way to a view that shows the target.

Its number of control periods is the shortest path of SPL (Anderson et al., arXiv 1807.06757): the least over the most
promising goals of `search_policy.searchers.oracle`, each tried out in a simulation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from handoff.clock import SimulatedClock
from handoff.controller import ControllerConfig, run_episode
from handoff.interfaces import Detector, Skill, Step
from handoff.outcome import Outcome
from handoff.phases import Phase
from handoff.trigger import SequentialTrigger
from robots.sim.arm import WRIST_CAMERA
from robots.sim.episode import EpisodeSpec
from robots.sim.furniture import find_furniture
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.types import Command, DetectionFrame, Float, Lease, Observation, SkillHealth, SkillState, Task
from search_policy.episodes.simulator import view_postures
from search_policy.motion.mover import MoverConfig
from search_policy.motion.viewpoints import View, ViewConfig, candidate_views
from search_policy.searchers.oracle import FirstOpen, goal_views, quickest_first, shortest
from search_policy.servo import FixationSkill
from search_policy.skill import SearchSkill


@dataclass(frozen=True, slots=True, eq=False)
class OraclePlan:
    """The quickest search of a layout.

    Attributes:
        goals: Views to choose among.
        order: Indices of goals, the quickest first.
        steps: Control periods until the trigger confirms, or None where it never did.
    """

    goals: tuple[View, ...]
    order: tuple[int, ...]
    steps: int | None


class OracleSearch:
    """Runs the oracle's search in a layout, in a simulation of its own, and counts its control periods.

    Args:
        sim: Settings of the simulation; those that the methods use.
        detector: The same detector that the methods use; it must be reset afterwards.
        config: The same configuration that the methods use.
    """

    def __init__(self, sim: SimConfig, detector: Detector, config: ControllerConfig) -> None:
        self._detector, self._config = detector, config
        self._clock = SimulatedClock()
        self._robot = MujocoRobot(sim, self._clock.now)
        self._truth = PrivilegedView(self._robot)
        self._region = find_furniture(sim.scene).region
        self._views = candidate_views(self._region, ViewConfig())
        self._known: tuple[EpisodeSpec, OraclePlan] | None = None
        self._runs = 0

    def steps(self, spec: EpisodeSpec) -> int | None:
        """Return the control periods until the trigger confirms, or None when the target is absent or was not found."""
        if spec.target_name is None:
            return None
        return self.plan(spec).steps

    def plan(self, spec: EpisodeSpec) -> OraclePlan:
        """Return the quickest search of a layout; without a target there is nothing but the candidate views."""
        if spec.target_name is None:
            return OraclePlan(self._views, (), None)
        if self._known is None or self._known[0] != spec:
            self._known = (spec, self._search(spec))
        return self._known[1]

    def _search(self, spec: EpisodeSpec) -> OraclePlan:
        goals, fractions, start = self.goals(spec)
        order = quickest_first(goals, fractions, start, MoverConfig())

        def attempt(first: tuple[int, ...], limit: int | None) -> int | None:
            return self._attempt(spec, goals, first, limit)

        best = shortest(attempt, order)
        return OraclePlan(goals, best[1], best[0]) if best else OraclePlan(goals, order, None)

    def goals(self, spec: EpisodeSpec) -> tuple[tuple[View, ...], Float, Float]:
        """Return the views that may end the search, the target's share that each shows, and the camera's start pose."""
        self._robot.reset(spec)
        with self._robot:
            start = self._robot.get_observation().camera_to_world[WRIST_CAMERA]
            target = self._truth.target_position()
            assert target is not None, "the layout holds a target"
            goals = goal_views(self._views, self._region, target, start)
            return goals, self._visible_fractions(spec, goals), start

    def _attempt(self, spec: EpisodeSpec, goals: Sequence[View], order: Sequence[int], limit: int | None) -> int | None:
        """Run one search and return the control period of its first confirmation, or None when `limit` came first."""
        self._robot.reset(spec)
        cameras = self._robot.description.cameras
        intrinsics = cameras[WRIST_CAMERA]
        skills: Mapping[Phase, Skill] = {
            Phase.SEARCH: SearchSkill(FirstOpen(order), self._region, intrinsics, views=goals),
            Phase.VERIFY: FixationSkill(self._region, intrinsics),
            Phase.GRASP: _Ready(),
        }
        watch = _FirstConfirmation(limit)
        self._runs += 1
        run_episode(
            self._robot,
            skills,
            self._detector,
            SequentialTrigger(self._config.trigger, cameras),
            watch,
            self._config,
            task=spec.task,
            clock=self._clock,
            interrupted=lambda: watch.over,
            first_epoch=self._runs * 1000,
        )
        return watch.step_index

    def _visible_fractions(self, spec: EpisodeSpec, goals: Sequence[View]) -> Float:
        fractions = []
        for posture in view_postures(goals, spec.home_rad):
            if posture is not None:
                self._robot.reset(replace(spec, home_rad=tuple(float(q) for q in posture)))
            fractions.append(0.0 if posture is None else self._truth.visibility().fraction)
        return np.array(fractions)


class _Ready:
    """Stands in for the generalist: ready at once, never acts."""

    def reset(self, task: Task) -> None:
        """Nothing to forget."""

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Always ready."""
        return True

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Never acts."""
        return None

    def health(self) -> SkillHealth:
        """Always ready."""
        return SkillHealth(SkillState.READY)


class _FirstConfirmation:
    """A recorder that remembers when the trigger first confirmed, up to a step."""

    def __init__(self, limit: int | None) -> None:
        self.step_index: int | None = None
        self.over = False
        self._limit = limit

    def begin(self, task: Task) -> None:
        """Nothing to do."""

    def step(self, step: Step) -> None:
        """Note the first confirmation."""
        if self.step_index is None and step.status.phase is Phase.SETTLE:
            self.step_index = step.index
        late = self._limit is not None and step.index >= self._limit
        self.over = self.step_index is not None or late

    def end(self, outcome: Outcome | None) -> None:
        """Nothing to do."""
