"""The composition of `baton run`: robot, skills, detector, trigger and policy server around one episode."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from handoff.clock import MonotonicClock
from handoff.commands.found import StopWhenFound
from handoff.commands.options import read_yaml
from handoff.controller import AuthorityConfig, ControllerConfig, run_episode
from handoff.detectors.color_shape import ColorShapeDetector, load_model
from handoff.episode_log import EpisodeLog
from handoff.interfaces import Skill
from handoff.outcome import Outcome
from handoff.phases import Phase
from handoff.records import Job
from handoff.retreat import RetreatSkill, TracedSkill
from handoff.run_folder import RunFolder
from handoff.trigger import SequentialTrigger
from handoff.video import Filming
from robots.errors import UsageError
from robots.real import RealArm, load_profile
from robots.real.profile import SHIPPED, Driver
from robots.region import SearchRegion
from robots.robot import Robot
from robots.types import ActionSpace, Task
from search_policy.motion.mover import MoverConfig
from search_policy.motion.viewpoints import ViewConfig, candidate_views
from search_policy.searchers.choosers import Chooser, CoverageChooser, PolicyChooser, RandomChooser, SweepChooser
from search_policy.servo import FixationConfig, FixationSkill
from search_policy.skill import SearchConfig, SearchSkill
from vla_bridge.client import PolicyClient
from vla_bridge.observations import PrivilegedState
from vla_bridge.process import ServerProcess
from vla_bridge.skill import GeneralistSkill

if TYPE_CHECKING:
    from handoff.commands.run import RunOptions

CAMERA = "wrist"
SIM_WRIST_PX = (168, 168)
SLOWED = ("search_timeout_s", "verify_timeout_s", "settle_timeout_s", "retreat_timeout_s", "no_progress_s")


@contextmanager
def open_field(options: RunOptions) -> Iterator[Field]:
    """Open the robot, and start the policy server where one is needed; end both on every path.

    Raises:
        UsageError: Profile, region, detector or features do not fit.
        RobotError: The robot cannot be reached, or is not safe to drive.
        ServerError: The policy server could not start.
    """
    with ExitStack() as stack:
        field = _simulated(options) if options.simulated else _real(options)
        field.require_search()
        if not options.search_only:
            server = stack.enter_context(ServerProcess([*options.vla.server_options(), "--port=0"]))
            field.client = stack.enter_context(PolicyClient(server.endpoint))
        stack.enter_context(field.robot)
        yield field


class Field:
    """One robot with everything around it.

    Args:
        options: What was asked for.
        robot: The robot.
        clock: The loop's time.
        region: Where to search.
        task: What to find.
        privileged_state: What the simulation expert plans with; None on a real arm.
    """

    def __init__(
        self,
        options: RunOptions,
        robot: Robot,
        clock: MonotonicClock,
        region: SearchRegion,
        task: Task,
        privileged_state: PrivilegedState | None = None,
    ) -> None:
        self.robot, self.region, self.task = robot, region, task
        self.client: PolicyClient | None = None
        self._options, self._clock, self._privileged_state = options, clock, privileged_state
        self._found = StopWhenFound()
        self._detector = _detector(options, task)

    @property
    def found(self) -> bool:
        """Whether a run without a generalist found its target."""
        return self._found.found

    @property
    def counters(self) -> dict[str, int]:
        """What the arm's adapter counted; nothing in a simulation."""
        return dict(self.robot.counters) if isinstance(self.robot, RealArm) else {}

    def require_search(self) -> None:
        """Refuse a robot that cannot be searched with.

        Raises:
            UsageError: It has no wrist camera, or no kinematics.
        """
        description = self.robot.description
        if CAMERA not in description.cameras:
            raise UsageError.unknown("camera", CAMERA, description.cameras, where=f"the profile {description.name}")
        if ActionSpace.CARTESIAN_VELOCITY not in description.action_spaces:
            raise UsageError(
                f"{description.name} cannot search without its kinematics: name its MJCF or URDF file under `model:` "
                "in the profile."
            )

    def run(self, folder: RunFolder) -> Outcome:
        """Run the episode and write it down."""
        options, robot = self._options, self.robot
        control_hz = robot.description.control_hz
        authority = slowed(AuthorityConfig(episode_timeout_s=options.seconds), options.chosen_speed)
        config = ControllerConfig(control_hz=control_hz, authority=authority)
        job = Job(options.method, options.seed, video=False)
        with EpisodeLog(folder.path, job, None, Filming(CAMERA, None, lambda: _BLANK, control_hz, wait=False)) as log:
            outcome = run_episode(
                robot,
                self._skills(config),
                self._detector,
                SequentialTrigger(config.trigger, robot.description.cameras),
                log.recorder,
                config,
                task=self.task,
                clock=self._clock,
                interrupted=lambda: self._found.found,
            )
        folder.append(log.record(self.task, outcome, absent=False))
        return outcome

    def _skills(self, config: ControllerConfig) -> Mapping[Phase, Skill]:
        description, options = self.robot.description, self._options
        camera, speed, control_hz = description.cameras[CAMERA], options.chosen_speed, description.control_hz
        search, fixation = SearchConfig(), FixationConfig()
        search = replace(search, mover=_slow_mover(search.mover, speed))
        fixation = replace(fixation, mover=_slow_mover(fixation.mover, speed))
        skills: dict[Phase, Skill] = {
            Phase.SEARCH: SearchSkill(
                self._chooser(search.views),
                self.region,
                camera,
                config=search,
                control_hz=control_hz,
                seed=options.seed,
            ),
            Phase.VERIFY: FixationSkill(self.region, camera, config=fixation, control_hz=control_hz),
        }
        if self.client is None:
            return {**skills, Phase.GRASP: self._found}
        generalist = TracedSkill(GeneralistSkill(self.client, description, self._privileged_state))
        return {**skills, Phase.GRASP: generalist, Phase.RETREAT: RetreatSkill(generalist, config.retreat)}

    def _chooser(self, views: ViewConfig) -> Chooser:
        match self._options.method:
            case "sweep+handoff":
                return SweepChooser(candidate_views(self.region, views))
            case "coverage+handoff":
                return CoverageChooser()
            case "random+handoff":
                return RandomChooser()
        return PolicyChooser.load(self._options.policy_folder)


def slowed(authority: AuthorityConfig, speed: float) -> AuthorityConfig:
    """Give every phase that moves the arm the longer time that a slower arm needs; the whole episode's stays."""
    return replace(authority, **{name: getattr(authority, name) / speed for name in SLOWED})


def _slow_mover(mover: MoverConfig, speed: float) -> MoverConfig:
    names = ("linear_m_s", "angular_rad_s", "linear_m_s2", "angular_rad_s2")
    return replace(mover, **{name: getattr(mover, name) * speed for name in names})


def _simulated(options: RunOptions) -> Field:
    from robots.sim.layout import sample_episode
    from robots.sim.mujoco_robot import MujocoRobot, SimConfig
    from robots.sim.tasks import searched_scene

    searched_scene(options.task)
    spec = sample_episode(options.task, options.seed)
    clock = MonotonicClock()
    robot = MujocoRobot(SimConfig(wrist_px=SIM_WRIST_PX, scene=spec.scene), clock.now)
    robot.reset(spec)
    state = json.dumps(spec.to_dict()).encode()

    def privileged() -> dict[str, NDArray[Any]]:
        return {"episode": np.frombuffer(state, np.uint8), "qpos": robot.data.qpos.copy()}

    task = replace(spec.task, instruction=options.instruction or spec.task.instruction)
    return Field(options, robot, clock, spec.region, task, privileged)


def _real(options: RunOptions) -> Field:
    clock = MonotonicClock()
    region = SearchRegion.from_dict(read_yaml(Path(options.region)), where=options.region)
    task = Task("run", options.target, options.instruction or f"Pick up the {options.target}.")
    return Field(options, open_arm(options, clock), clock, region, task)


def open_arm(options: RunOptions, clock: MonotonicClock) -> RealArm:
    """Return the real arm, its features checked, not connected.

    Raises:
        UsageError: Its type or profile is unknown, or they do not fit each other.
    """
    robot, speed = options.robot, options.chosen_speed
    _discover(robot.discover_packages_path)
    profile = load_profile(Path(robot.profile or _shipped_profile(robot.type)))
    if robot.type not in (profile.type, str(profile.driver)):
        raise UsageError(f"The profile {profile.name} is for {profile.type}, not for {robot.type}.")
    if profile.driver is Driver.FRANKA:
        from robots.franka_adapter import franka_arm

        return franka_arm(profile, clock.now, host=robot.port, dry_run=options.dry_run, speed=speed)
    from robots.lerobot_adapter import lerobot_arm

    return lerobot_arm(profile, clock.now, port=robot.port, robot_id=robot.id, dry_run=options.dry_run, speed=speed)


def _discover(package: str) -> None:
    """Import a plug-in, which registers its robot types with LeRobot."""
    try:
        if package:
            importlib.import_module(package)
    except ImportError as error:
        raise UsageError(f"--robot.discover_packages_path: {package} cannot be imported: {error}.") from error


def _shipped_profile(robot_type: str) -> str:
    from robots.lerobot_adapter import robot_types

    if robot_type == Driver.FRANKA:
        return "franka_fr3"
    if (SHIPPED / f"{robot_type}.yaml").is_file():
        return robot_type
    known = ["sim", "franka", *robot_types()]
    if robot_type not in known:
        raise UsageError.unknown("robot type", robot_type, known)
    raise UsageError(f"No profile is shipped for {robot_type}: write one and name it with --robot.profile.")


def _detector(options: RunOptions, task: Task) -> ColorShapeDetector:
    if not options.detector:
        return ColorShapeDetector.shipped((task.target,))
    return ColorShapeDetector({task.target: load_model(Path(options.detector))})


_BLANK = np.zeros((2, 2, 3), np.uint8)
