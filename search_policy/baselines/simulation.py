"""The simulated search as a `DecisionEnv`: the rules are those of `Rollout`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from robots.types import Privileged
from search_policy.baselines.config import BaselineConfig
from search_policy.baselines.environment import Choose, Experience
from search_policy.episodes.collect import scene_of_tasks
from search_policy.episodes.protocols import DecidingSkill, SearchAction
from search_policy.episodes.rollout import DecisionRecord, Rollout, RolloutConfig, SearchEpisode
from search_policy.episodes.simulator import SimulatedWorld
from search_policy.episodes.world import DetectorFactory, SearchWorld, SegmentationDetector
from search_policy.learning.config import TWIST
from search_policy.learning.reward import DecisionOutcome, reward_terms
from search_policy.observations import AgentState
from search_policy.servo import FixationConfig, FixationSkill
from search_policy.skill import SearchSkill
from search_policy.twist.skill import TwistSkill


class SearchEpisodes:
    """Satisfies `DecisionEnv`: search episodes in a world, fixation servo and detector included.

    Args:
        world: Simulation.
        config: What a decision is, the reward, and when an episode ends.
        detector: Makes each episode's detector; the true mask with injected errors where it is None.
    """

    def __init__(self, world: SearchWorld, config: BaselineConfig, detector: DetectorFactory | None = None) -> None:
        self._world, self._config = world, config
        self._detector = detector or SegmentationDetector(config.world.miss_rate, config.world.false_rate)
        self._chunks = config.action_space == TWIST
        self._caller: _CalledChunk | _CalledView = _CalledChunk() if self._chunks else _CalledView()
        fixation = FixationSkill(world.region, world.intrinsics, config=FixationConfig(views=config.search.views))
        limits = RolloutConfig(max_steps=config.world.max_steps, servo=not self._centres)
        self._rollout = Rollout(world, self._skill(), fixation, limits)

    def start(self, task: str, seed: int) -> tuple[AgentState, Privileged]:
        """Return the first decision of a layout, taken by an arbitrary policy that is then dropped."""
        self._caller.policy = self._rest if self._chunks else _first_open
        first = next(self._rollout.play(task, seed, self._detector))
        return first.state, first.privileged

    def episode(self, task: str, seed: int, choose: Choose) -> Iterator[Experience]:
        """Run one layout and yield its decisions; see `DecisionEnv`."""
        self._caller.policy = choose
        play = self._rollout.play(task, seed, self._detector)
        before: DecisionRecord | None = None
        while True:
            try:
                record = next(play)
            except StopIteration as ended:
                episode: SearchEpisode = ended.value
                break
            if before is not None:
                yield self._experience(before, record, None)
            before = record
        if before is not None:
            yield self._experience(before, episode.decisions[-1], episode)

    def close(self) -> None:
        """Nothing of its own; the world belongs to whoever made it."""

    @property
    def _centres(self) -> bool:
        return self._chunks and self._config.twist.centres

    def _skill(self) -> DecidingSkill:
        config, world = self._config, self._world
        if isinstance(self._caller, _CalledChunk):
            return TwistSkill(self._caller, world.region, world.intrinsics, config=config.search, twist=config.twist)
        return SearchSkill(self._caller, world.region, world.intrinsics, config=config.search)

    def _rest(self, _state: AgentState) -> NDArray[np.float32]:
        return np.zeros((self._config.twist.horizon, 5), dtype=np.float32)

    def _experience(self, before: DecisionRecord, after: DecisionRecord, ended: SearchEpisode | None) -> Experience:
        assert before.action is not None, "only an episode's last frame has no action"
        found = ended is not None and ended.found
        truncated = ended is not None and ended.truncated
        return Experience(
            state=before.state,
            action=before.action,
            privileged=before.privileged,
            reward=_reward(before, after, self._config, found=found),
            duration=max(after.step - before.step, 1),
            next_state=after.state,
            next_privileged=after.privileged,
            terminated=ended is not None and not truncated,
            truncated=truncated,
            found=found,
        )


class SimulatedSearch(SearchEpisodes):
    """`SearchEpisodes` in a MuJoCo world of its own. One per process.

    Raises:
        UsageError: A task or randomisation is unknown, or the tasks take place in several scenes.
    """

    def __init__(self, config: BaselineConfig, detector: DetectorFactory | None = None) -> None:
        world = config.world
        self._simulated = SimulatedWorld(
            (world.wrist_px,) * 2, randomization=world.randomization, scene=scene_of_tasks(world.tasks)
        )
        super().__init__(self._simulated, config, detector)

    def close(self) -> None:
        """Free the graphics context."""
        self._simulated.close()


class _CalledView:
    """Satisfies `Chooser`: asks whoever runs the episode."""

    policy: Choose

    def reset(self, rng: np.random.Generator) -> None:
        """Chance is the caller's."""

    def choose(self, state: AgentState) -> int:
        """Return the caller's view."""
        return int(self.policy(state))


class _CalledChunk:
    """Satisfies `ChunkPolicy`: asks whoever runs the episode."""

    policy: Choose

    def reset(self, rng: np.random.Generator) -> None:
        """Chance is the caller's."""

    def choose(self, state: AgentState) -> NDArray[np.float32]:
        """Return the caller's chunk."""
        return np.asarray(self.policy(state), dtype=np.float32)


def _first_open(state: AgentState) -> SearchAction:
    return int(np.argmax(state.mask))


def _reward(before: DecisionRecord, after: DecisionRecord, config: BaselineConfig, *, found: bool) -> float:
    outcome = DecisionOutcome(
        steps=after.step - before.step,
        found=found,
        coverage_gain=after.coverage - before.coverage,
        collisions=after.collisions - before.collisions,
    )
    return sum(reward_terms(outcome, config.reward, config.discount).values())
