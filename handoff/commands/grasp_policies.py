"""What can drive a grasp, by name: the two experts, or a trained policy's folder, run in this process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from robots.types import Action, Observation
from vla_bridge.messages import Infer
from vla_bridge.observations import assemble

if TYPE_CHECKING:
    from robots.sim.grasping.episode import GraspPolicy
    from robots.sim.grasping.world import GraspWorld
    from vla_bridge.backends.base import Backend

SCRIPTED = EXPERT, PLANNED = "expert", "planned"
PROFILE = "baton_sim"
TRAINED = "policy"  # the deployable folder in a training run's
EXECUTED = 4  # of a chunk's actions, as the bridge refills its queue


class BackendPolicy:
    """A policy backend without its server: each answer is executed in part, then the next one is asked for.

    Args:
        backend: Loaded and warm.
        executed: Actions of an answer that are executed.
    """

    def __init__(self, backend: Backend, *, executed: int = EXECUTED) -> None:
        self._backend, self._executed = backend, executed
        self._instruction, self._seq = "", 0
        self._waiting: list[Action] = []

    def begin(self, instruction: str) -> None:
        """Forget the last attempt."""
        if instruction != self._instruction:
            self._backend.reset("grasps")
        self._instruction, self._waiting = instruction, []

    def act(self, observation: Observation) -> Action:
        """Return the action of one control period.

        Raises:
            PlanningError: The policy refuses.
            SpecError: Its answer cannot be executed.
        """
        if not self._waiting:
            self._waiting = list(self._answer(observation))
        return self._waiting.pop(0)

    def _answer(self, observation: Observation) -> Sequence[Action]:
        schema = self._backend.schema
        self._seq += 1
        request = Infer(
            session="grasps",
            epoch=0,
            seq=self._seq,
            captured_at_s=observation.captured_at_s,
            deadline_s=1.0,
            instruction=self._instruction,
            arrays=assemble(observation, schema, None),
        )
        answer = self._backend.infer(request)
        grippers = [None] * len(answer.actions) if answer.gripper is None else answer.gripper.tolist()
        actions = (
            Action(schema.action_space, values, gripper)
            for values, gripper in zip(answer.actions, grippers, strict=True)
        )
        return [action for _, action in zip(range(self._executed), actions, strict=False)]


@cache
def shared_world() -> GraspWorld:
    """Return this process's world; built on the first call (about two seconds)."""
    from robots.sim.grasping.world import GraspWorld

    return GraspWorld()


@cache
def shared_policy(name: str) -> GraspPolicy:
    """Return what drives attempts in this process's world; see `load_policy`."""
    return load_policy(name, shared_world())


def load_policy(name: str, world: GraspWorld) -> GraspPolicy:
    """Return what drives an attempt.

    Args:
        name: `expert`, `planned`, or the folder of a trained policy.
        world: The world that the experts see into.

    Raises:
        CheckpointError: The folder holds no usable policy.
    """
    from robots.sim.grasping.policies import ExpertPolicy, PlannedPolicy

    if name == EXPERT:
        return ExpertPolicy(world)
    if name == PLANNED:
        return PlannedPolicy(world)
    import torch

    from vla_bridge.backends.lerobot import LeRobotBackend, LeRobotConfig

    torch.set_num_threads(1)
    backend = LeRobotBackend(LeRobotConfig(path=Path(name), profile=PROFILE))
    backend.load()
    backend.warm()
    return BackendPolicy(backend)


def label_of(name: str) -> str:
    """Return what a policy is called in tables and plots: its folder, or its run where that is `RUN/policy`."""
    folder = Path(name).resolve()
    own = folder.parent.name if folder.name == TRAINED else folder.name
    return name if name in SCRIPTED else own
