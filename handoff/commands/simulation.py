"""The composition of an evaluation in simulation: robot, skills, detector, trigger, policy server, judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handoff.clock import MonotonicClock, SimulatedClock
from handoff.commands.layouts import sample_layout
from handoff.commands.opener import SimulatedOpener
from handoff.commands.oracle import OracleSearch
from handoff.commands.sim_dataset import SimulatedDataset
from handoff.commands.sim_judge import SimulationJudge
from handoff.config import GENERALIST_ALONE, EvalConfig
from handoff.controller import AuthorityConfig, ControllerConfig, run_episode
from handoff.detectors.color_shape import ColorShapeDetector
from handoff.episode_log import EpisodeLog
from handoff.interfaces import Skill, Trigger
from handoff.phases import Phase
from handoff.records import EpisodeRecord, Job
from handoff.retreat import RetreatSkill, TracedSkill
from handoff.trigger import SequentialTrigger
from handoff.trigger.pausing import PausingTrigger
from handoff.video import Filming
from robots.sim.arm import WRIST_CAMERA
from robots.sim.furniture import find_furniture
from robots.sim.layout import target_posterior
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import THIRD_PERSON_CAMERA
from robots.sim.tasks import scene_of
from search_policy.episodes.simulator import closed_parts
from search_policy.interactive import InteractiveSearchSkill
from search_policy.motion.viewpoints import View, ViewConfig, candidate_views
from search_policy.searchers.choosers import Chooser
from search_policy.searchers.methods import build_chooser
from search_policy.searchers.oracle import FirstOpen, rush_view
from search_policy.searchers.planner import PlannedCoverage
from search_policy.servo import FixationSkill
from search_policy.skill import SearchSkill
from vla_bridge.client import PolicyClient
from vla_bridge.process import ServerProcess
from vla_bridge.skill import GeneralistSkill

WRIST_PX = (168, 168)
FILM_WRIST_PX = (320, 320)
FILM_SPECTATOR_PX = (428, 320)
EPOCHS_PER_EPISODE = 10_000


@contextmanager
def open_world(config: EvalConfig, folder: Path) -> Iterator[SimulatedWorld]:
    """Start a policy server and the simulation; end both on every path.

    Raises:
        ServerError: The policy server could not start.
        GraphicsError: Cameras cannot be rendered.
        CheckpointError: The search policy or the detector has no usable weights.
    """
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess([*config.vla.server_options(), "--port=0"]))
        client = stack.enter_context(PolicyClient(server.endpoint))
        yield SimulatedWorld(config, folder, client)


class SimulatedWorld:
    """Runs episodes one after the other, each from its own seed: their order does not matter.

    Args:
        config: The evaluation.
        folder: The run folder.
        client: Connection to the policy server.
    """

    def __init__(self, config: EvalConfig, folder: Path, client: PolicyClient) -> None:
        self._config, self._folder = config, folder
        self._clock = MonotonicClock() if config.realtime else SimulatedClock(barriers=[client.wait])
        self._robot = MujocoRobot(SimConfig(wrist_px=WRIST_PX, scene=scene_of(config.task)), self._clock.now)
        self._region = find_furniture(self._robot.config.scene).region
        description = self._robot.description
        self._generalist = TracedSkill(GeneralistSkill(client, description, self._privileged_state))
        self._detector = ColorShapeDetector.shipped()
        self._truth = PrivilegedView(self._robot)
        self._oracle = OracleSearch(self._robot.config, self._detector, ControllerConfig())
        self._dataset = self._open_dataset()
        self._views = candidate_views(self._region, ViewConfig())
        self._choosers: dict[str, Chooser] = {}
        self._door_opener: SimulatedOpener | None = None
        self._episodes = 0

    def run(self, job: Job) -> EpisodeRecord:
        """Run one episode and write it down.

        Raises:
            OSError: The run folder cannot be written.
        """
        self._episodes += 1
        spec = sample_layout(self._config, job.seed)
        oracle_steps = self._oracle.steps(spec)
        self._robot.reset(spec)
        config = ControllerConfig(authority=AuthorityConfig(search=job.method != GENERALIST_ALONE))
        with EpisodeLog(
            self._folder,
            job,
            SimulationJudge(self._robot, self._truth, oracle_steps),
            self._filming(),
            self._dataset.recorder(job) if self._dataset else None,
        ) as log:
            skills = self._skills(job, config)
            outcome = run_episode(
                self._robot,
                skills,
                self._detector,
                self._trigger(skills, config),
                log.recorder,
                config,
                task=spec.task,
                clock=self._clock,
                first_epoch=self._episodes * EPOCHS_PER_EPISODE,
            )
        return log.record(spec.task, outcome, absent=not spec.target_present)

    def _open_dataset(self) -> SimulatedDataset | None:
        config = self._config
        if not config.dataset:
            return None
        video = config.dataset_images == "video"
        return SimulatedDataset(self._folder, self._robot, self._truth, video=video, wait=not config.realtime)

    def _skills(self, job: Job, config: ControllerConfig) -> Mapping[Phase, Skill]:
        grasp: dict[Phase, Skill] = {
            Phase.GRASP: self._generalist,
            Phase.RETREAT: RetreatSkill(self._generalist, config.retreat),
        }
        if job.method == GENERALIST_ALONE:
            return grasp
        intrinsics = self._robot.description.cameras[WRIST_CAMERA]
        chooser, views = self._chooser(job.method)
        search = SearchSkill(chooser, self._region, intrinsics, seed=job.seed, views=views)
        assert self._robot.spec is not None, "the episode is set up"
        shut = closed_parts(self._robot.spec)
        interactive = InteractiveSearchSkill(search, self._opener()) if shut else search
        return {Phase.SEARCH: interactive, Phase.VERIFY: FixationSkill(self._region, intrinsics), **grasp}

    def _opener(self) -> SimulatedOpener:
        if self._door_opener is None:
            self._door_opener = SimulatedOpener(self._robot, self._truth)
        return self._door_opener

    def _trigger(self, skills: Mapping[Phase, Skill], config: ControllerConfig) -> Trigger:
        trigger = SequentialTrigger(config.trigger, self._robot.description.cameras)
        search = skills.get(Phase.SEARCH)
        if isinstance(search, InteractiveSearchSkill):
            return PausingTrigger(trigger, lambda: search.busy)
        return trigger

    def _chooser(self, method: str) -> tuple[Chooser, tuple[View, ...]]:
        """Return the chooser of a method for the robot's episode, and the views that it chooses among."""
        spec, name = self._robot.spec, method.removesuffix("+handoff")
        assert spec is not None, "the episode is set up"
        if name == "oracle":
            plan = self._oracle.plan(spec)
            return FirstOpen(plan.order), plan.goals
        target = self._truth.target_position() if name == "rush" else None
        if target is not None:
            with self._robot:
                start = self._robot.get_observation().camera_to_world[WRIST_CAMERA]
            self._robot.reset(spec)
            return FirstOpen((0,)), (rush_view(target, start, self._region),)
        if name not in self._choosers:
            self._choosers[name] = (
                FirstOpen(()) if name == "rush" else build_chooser(name, self._views, self._config.policy_folder)
            )
        chooser = self._choosers[name]
        if name == "coverage-prior" and isinstance(chooser, PlannedCoverage):
            chooser.weigh(target_posterior(spec, self._config.prior))
        return chooser, self._views

    def _filming(self) -> Filming:
        robot = self._robot
        return Filming(
            camera=WRIST_CAMERA,
            wrist=lambda: robot.renderer.color(robot.data, WRIST_CAMERA, FILM_WRIST_PX),
            spectator=lambda: robot.renderer.color(robot.data, THIRD_PERSON_CAMERA, FILM_SPECTATOR_PX),
            fps=robot.config.control_hz,
            wait=not self._config.realtime,
        )

    def _privileged_state(self) -> dict[str, NDArray[Any]]:
        """What the simulation expert plans with."""
        spec = self._robot.spec
        episode = json.dumps(spec.to_dict() if spec else {}).encode()
        return {"episode": np.frombuffer(episode, np.uint8), "qpos": self._robot.data.qpos.copy()}
