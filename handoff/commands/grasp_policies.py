"""What can drive a grasp, by name: the two experts, or a trained policy's folder, run in this process."""

from __future__ import annotations

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
SESSION = "grasps"


class BackendAnswers:
    """A policy backend without its server, as `ChunkedPolicy` asks it.

    Args:
        backend: Loaded and warm.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend, self._instruction, self._seq = backend, "", 0

    def __call__(self, observation: Observation, instruction: str) -> list[Action]:
        """Return the backend's answer.

        Raises:
            PlanningError: The policy refuses.
            SpecError: Its answer cannot be executed.
        """
        schema = self._backend.schema
        if instruction != self._instruction:
            self._backend.reset(SESSION)
        self._instruction, self._seq = instruction, self._seq + 1
        request = Infer(
            session=SESSION,
            epoch=0,
            seq=self._seq,
            captured_at_s=observation.captured_at_s,
            deadline_s=1.0,
            instruction=instruction,
            arrays=assemble(observation, schema, None),
        )
        answer = self._backend.infer(request)
        grippers = [None] * len(answer.actions) if answer.gripper is None else answer.gripper.tolist()
        return [
            Action(schema.action_space, values, gripper)
            for values, gripper in zip(answer.actions, grippers, strict=True)
        ]


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
    from robots.sim.grasping.policies import ChunkedPolicy, ExpertPolicy, PlannedPolicy

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
    return ChunkedPolicy(BackendAnswers(backend))


def label_of(name: str) -> str:
    """Return what a policy is called in tables and plots: its folder, or its run where that is `RUN/policy`."""
    folder = Path(name).resolve()
    own = folder.parent.name if folder.name == TRAINED else folder.name
    return name if name in SCRIPTED else own
