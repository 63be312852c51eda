"""Policies for an attempt: the closed-loop expert, the planned one, and any that answers with chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from robots.errors import PlanningError
from robots.grasp_action import GRIPPER, REFUSE
from robots.sim.experts.world import Stage
from robots.sim.grasping.expert import GraspExpert
from robots.sim.grasping.world import GraspWorld
from robots.types import Action, ActionSpace, Float, Observation

Answer = Callable[[Observation, str], Sequence[Action]]
EXECUTED = 4  # of an answer, before the next one is asked for, as the bridge refills its queue


class ExpertPolicy:
    """The closed-loop expert.

    Args:
        world: The world that it sees into.
    """

    def __init__(self, world: GraspWorld) -> None:
        self._expert = GraspExpert(world)

    def begin(self, _instruction: str) -> None:
        """Choose a grasp; the named object is the episode's target."""
        self._expert.begin()

    def act(self, observation: Observation) -> Action:
        """Return the action of one control period.

        Raises:
            PlanningError: No grasp is free.
        """
        return executed(self._expert.act(), observation.gripper_to_world[:3, :3])


class PlannedPolicy:
    """The planner of the simulation expert: one joint path, followed blindly.

    Args:
        world: The world that it sees into.
    """

    def __init__(self, world: GraspWorld) -> None:
        self._world, self._stage = world, Stage(world.robot.config.scene, dt_s=world.robot.dt_s)
        self._plan: Iterator[tuple[Float, float]] = iter(())
        self._last: Action | None = None

    def begin(self, _instruction: str) -> None:
        """Forget the last plan."""
        self._last = None

    def act(self, _observation: Observation) -> Action:
        """Return the action of one control period; the last one again once everything is done.

        Raises:
            PlanningError: No grasp is reachable without a collision.
        """
        if self._last is None:
            self._plan = self._planned()
        joints, gripper = next(self._plan, (None, 1.0))
        if joints is not None:
            self._last = Action(ActionSpace.JOINT_POSITION, joints, float(gripper))
        assert self._last is not None, "a plan is never empty"
        return self._last

    def _planned(self) -> Iterator[tuple[Float, float]]:
        world, item = self._world, self._world.target
        if item is None:
            raise PlanningError("The target is not in the scene.")
        spec = self._stage.load(world.spec.to_dict(), world.robot.data.qpos.copy())
        plan = self._stage.pick(spec, item, np.random.default_rng(world.spec.seed))
        return iter(zip(plan.joints_rad, plan.gripper.tolist(), strict=True))


class ChunkedPolicy:
    """A policy that answers with chunks of actions; each is executed in part, then the next one is asked for.

    Args:
        answer: Observation and instruction to the actions of the next control periods.
        executed: How many of them are executed.
    """

    def __init__(self, answer: Answer, *, executed: int = EXECUTED) -> None:
        self._answer, self._executed = answer, executed
        self._instruction = ""
        self._waiting: list[Action] = []

    def begin(self, instruction: str) -> None:
        """Forget the last attempt."""
        self._instruction, self._waiting = instruction, []

    def act(self, observation: Observation) -> Action:
        """Return the action of one control period.

        Raises:
            PlanningError: The policy refuses.
            SpecError: Its answer cannot be executed.
        """
        if not self._waiting:
            self._waiting = list(self._answer(observation, self._instruction))[: self._executed]
        return self._waiting.pop(0)


def executed(vector: Float, rotation: Float) -> Action:
    """Return what the robot does for one 8-vector, where `rotation` (3, 3) is the gripper's in the world.

    Raises:
        PlanningError: The vector refuses.
    """
    if vector[REFUSE] > 0.5:
        raise PlanningError("The policy refuses: it cannot grasp this from here.")
    twist = np.concatenate([rotation @ vector[:3], rotation @ vector[3:6]]).astype(np.float64)
    return Action(ActionSpace.CARTESIAN_VELOCITY, twist, float(np.clip(vector[GRIPPER], 0.0, 1.0)))
