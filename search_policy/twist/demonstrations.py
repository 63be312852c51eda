"""Demonstrations as chunks: what the scripted searchers and the fixation servo commanded, cut every h control steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robots.region import SearchRegion
from robots.types import Command, DetectionFrame, Float, Observation
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.episodes.world import CAMERA, SearchWorld
from search_policy.observations import AgentState
from search_policy.searchers.choosers import Chooser
from search_policy.servo import FixationConfig, FixationSkill
from search_policy.skill import SearchConfig, SearchSkill
from search_policy.twist.config import AXES, TwistConfig
from search_policy.twist.levelled import commanded
from search_policy.twist.passing import FreeCamera, PassedViews


class ChunkLog:
    """Satisfies `episodes.protocols.DemonstrationLog`.

    The label is the *clean* twist of each control step; noise is added to what is executed only afterwards. Where the
    servo takes over from the search, or gives back, the chunk is cut short and goes on with its last twist: what the
    servo did answers to what was seen only later, and would tell the critic that the target was about to be found.

    Without `TwistConfig.centres` no decision begins while the servo fixates: it would move the arm in use, too; the
    decision that was interrupted lasts until the search goes on.

    Args:
        skill: The scripted search that demonstrates.
        region: Where it looks.
        config: Chunks.
        camera: Name of the wrist camera.
    """

    def __init__(self, skill: SearchSkill, region: SearchRegion, config: TwistConfig, camera: str = CAMERA) -> None:
        self._skill, self._config, self._camera = skill, config, camera
        self._free = FreeCamera(region, camera, skill.seen_map)
        self._passed = PassedViews(skill.views, config)
        self.begin()

    def begin(self) -> None:
        """Forget the last episode."""
        self._passed.reset()
        self._twists: list[Float] = []
        self._motion: Float = np.zeros(len(AXES))
        self._start: int | None = None
        self._fixating = False
        self._switches: list[int] = []

    def note(self, observation: Observation, frame: DetectionFrame, command: Command | None, *, fixating: bool) -> bool:
        """Take in one control step and return whether a decision begins with it."""
        step = len(self._twists)
        self._take_in(observation, command)
        switched = fixating != self._fixating
        if switched:
            self._fixating, self._switches = fixating, [*self._switches, step]
        if fixating and not self._config.centres:
            return False
        if fixating:
            self._look_on(observation, frame)
        whole = self._start is None or step >= self._start + self._config.horizon
        begins = whole or (switched and self._config.centres)
        self._start = step if begins else self._start
        return begins

    def state(self, observation: Observation) -> AgentState:
        """Return the agent state that a twist policy would see now."""
        return self._free.state(observation, self._passed.visits, self._motion)

    def action(self, step: int) -> NDArray[np.float32]:
        """Return the chunk that was commanded from this control step on, (h, 5), held where it was cut short."""
        end = min([step + self._config.horizon, *(switch for switch in self._switches if switch > step)])
        taken = self._twists[step:end]
        held = [taken[-1]] * (self._config.horizon - len(taken))
        return np.array([*taken, *held], dtype=np.float32)

    def _take_in(self, observation: Observation, command: Command | None) -> None:
        self._motion = self._twists[-1] if self._twists else np.zeros(len(AXES))
        twist = None if command is None else command.action.values
        self._twists.append(commanded(twist, observation, self._camera, self._skill.config.mover))
        self._passed.update(observation.camera_to_world[self._camera])

    def _look_on(self, observation: Observation, frame: DetectionFrame) -> None:
        """Feed the map while the servo moves: a policy that centres by itself looks on, but here only the servo did."""
        pose = observation.camera_to_world[self._camera]
        same = frame.capture_id == observation.capture_id
        self._skill.seen_map.update(pose, frame if same else None, pose if same else None)


def demonstrating(
    world: SearchWorld, chooser: Chooser, search: SearchConfig, limits: RolloutConfig, twist: TwistConfig, *, seed: int
) -> Rollout:
    """Return a rollout that demonstrates chunks of twists: a scripted chooser, a mover and a servo command them.

    Args:
        world: Simulation.
        chooser: Chooses the views that the mover drives to.
        search: How the searcher looks around.
        limits: When episodes end, and the noise on what is executed.
        twist: Chunks.
        seed: Of the chooser's randomness.
    """
    skill = SearchSkill(chooser, world.region, world.intrinsics, config=search, seed=seed)
    fixation = FixationSkill(world.region, world.intrinsics, config=FixationConfig(views=search.views))
    return Rollout(world, skill, fixation, limits, ChunkLog(skill, world.region, twist))
