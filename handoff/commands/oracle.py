"""The upper bound: the same controller, mover and trigger, with a chooser that knows which views show the target.

Its number of control periods is the shortest path of SPL (Anderson et al., arXiv 1807.06757).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handoff.clock import SimulatedClock
from handoff.controller import ControllerConfig, run_episode
from handoff.interfaces import Detector, Skill, Step
from handoff.outcome import Outcome
from handoff.phases import Phase
from handoff.trigger import SequentialTrigger
from robots.sim.arm import WRIST_CAMERA
from robots.sim.episode import EpisodeSpec
from robots.sim.kinematics import ArmKinematics
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import HOME_RAD, REGION
from robots.types import Command, DetectionFrame, Float, Lease, Observation, SkillHealth, SkillState, Task
from search_policy.observations import AgentState
from search_policy.seen_map import VIEW_FEATURES
from search_policy.servo import FixationSkill
from search_policy.skill import SearchSkill
from search_policy.viewpoints import View, ViewConfig, candidate_views

VISIBLE = 0.3  # a view shows the target when it sees at least this share of it
_TRAVEL = VIEW_FEATURES.index("travel")


@dataclass(slots=True)
class OracleChooser:
    """Chooses the nearest view that shows the target. Privileged: for reference figures only.

    Attributes:
        visible_fraction: Share of the target that each candidate view shows, (v,).
    """

    visible_fraction: NDArray[np.float64]

    def reset(self, rng: np.random.Generator) -> None:
        """Nothing to forget."""

    def choose(self, state: AgentState) -> int:
        """Return the nearest open view that shows the target, or the one that shows most of it."""
        shows = np.where(state.mask, self.visible_fraction, -1.0)
        near = np.where(shows >= VISIBLE, -state.views[:, _TRAVEL], -np.inf)
        return int(np.argmax(near)) if np.isfinite(near).any() else int(np.argmax(shows))


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
        self._postures = view_postures(candidate_views(REGION, ViewConfig()))
        self._known: tuple[EpisodeSpec, int | None] | None = None
        self._runs = 0

    def steps(self, spec: EpisodeSpec) -> int | None:
        """Return the control periods until the trigger confirms, or None when the target is absent or was not found."""
        if spec.target_name is None:
            return None
        if self._known is None or self._known[0] != spec:
            self._known = (spec, self._search(spec))
        return self._known[1]

    def _search(self, spec: EpisodeSpec) -> int | None:
        chooser = OracleChooser(self._visible_fractions(spec))
        self._robot.reset(spec)
        cameras = self._robot.description.cameras
        intrinsics = cameras[WRIST_CAMERA]
        skills: Mapping[Phase, Skill] = {
            Phase.SEARCH: SearchSkill(chooser, REGION, intrinsics),
            Phase.VERIFY: FixationSkill(REGION, intrinsics),
            Phase.GRASP: _Ready(),
        }
        watch = _FirstConfirmation()
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
            interrupted=lambda: watch.step_index is not None,
            first_epoch=self._runs * 1000,
        )
        return watch.step_index

    def _visible_fractions(self, spec: EpisodeSpec) -> NDArray[np.float64]:
        fractions = []
        with self._robot:
            for posture in self._postures:
                if posture is None:
                    fractions.append(0.0)
                    continue
                self._robot.reset(replace(spec, home_rad=tuple(float(q) for q in posture)))
                fractions.append(self._truth.visibility().fraction)
        return np.array(fractions)


def view_postures(views: Sequence[View]) -> list[Float | None]:
    """Return joint positions (7,) [rad] that put the wrist camera at each view, None where none was found."""
    home = np.array(HOME_RAD)
    kinematics = ArmKinematics(home)
    pose = kinematics.forward(home)
    gripper_to_camera = np.linalg.inv(pose.camera_to_world) @ pose.gripper_to_world
    rng = np.random.default_rng(0)
    return [kinematics.solve(view.camera_to_world @ gripper_to_camera, [home], rng) for view in views]


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
    """A recorder that remembers when the trigger first confirmed."""

    def __init__(self) -> None:
        self.step_index: int | None = None

    def begin(self, task: Task) -> None:
        """Nothing to do."""

    def step(self, step: Step) -> None:
        """Note the first confirmation."""
        if self.step_index is None and step.status.phase is Phase.SETTLE:
            self.step_index = step.index

    def end(self, outcome: Outcome | None) -> None:
        """Nothing to do."""
