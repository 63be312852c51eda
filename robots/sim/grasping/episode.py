"""One attempt at a grasp: a policy drives the robot until the object is held up, the wrong one is, or time is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from robots.errors import PlanningError, SpecError
from robots.sim.grasping.world import GraspWorld
from robots.types import Action, Observation

LONGEST_S = 10.0
SURE_STEPS = 3  # the judge must agree for as many control periods


class Outcome(StrEnum):
    """How an attempt ended."""

    GRASPED = "grasped"
    WRONG = "wrong_object"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    INVALID = "invalid"  # its answer could not be executed


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one attempt.

    Attributes:
        outcome: How it ended.
        steps: Control periods.
        contacts: Control periods in which the arm touched what it had no business with.
        knocked: Names of other objects that were pushed or fell.
        lifted: Names of all objects that were lifted.
        reason: Why the policy refused, or what was wrong with its answer.
    """

    outcome: Outcome
    steps: int
    contacts: int
    knocked: tuple[str, ...] = ()
    lifted: tuple[str, ...] = ()
    reason: str = ""


class GraspPolicy(Protocol):
    """What drives an attempt."""

    def begin(self, instruction: str) -> None:
        """Forget the last attempt."""
        ...

    def act(self, observation: Observation) -> Action:
        """Return the action of one control period.

        Raises:
            PlanningError: The policy refuses to grasp.
            SpecError: Its answer cannot be executed.
        """
        ...


def run_attempt(
    world: GraspWorld,
    policy: GraspPolicy,
    instruction: str,
    *,
    longest_s: float = LONGEST_S,
    watch: Callable[[], None] | None = None,
) -> Report:
    """Run one attempt from the world's present state.

    Args:
        world: The world, in a start; its episode's target is what must be lifted.
        policy: What drives the robot.
        instruction: What it is told.
        longest_s: Time limit [s].
        watch: Called after every control period, for films and tests.
    """
    policy.begin(instruction)
    sure, steps = 0, 0
    while steps < round(longest_s / world.robot.dt_s):
        try:
            action = policy.act(world.observe())
        except PlanningError as error:
            return _report(world, Outcome.REFUSED, steps, str(error))
        except SpecError as error:
            return _report(world, Outcome.INVALID, steps, str(error))
        world.robot.send_action(action)
        world.tick()
        steps += 1
        if watch is not None:
            watch()
        sure = sure + 1 if world.truth.judge().success else 0
        if sure >= SURE_STEPS:
            return _report(world, Outcome.GRASPED, steps)
        if any(name != world.spec.target_name for name in world.lifted()):
            return _report(world, Outcome.WRONG, steps)
    return _report(world, Outcome.TIMEOUT, steps)


def _report(world: GraspWorld, outcome: Outcome, steps: int, reason: str = "") -> Report:
    return Report(outcome, steps, world.robot.collision_steps, world.moved(), world.lifted(), reason)
