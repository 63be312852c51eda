"""One search episode: search until the detector insists, fixate, and go on searching when it was nothing."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robots.types import (
    Action,
    Command,
    DetectionFrame,
    Holder,
    Lease,
    Observation,
    Privileged,
    SkillState,
)
from search_policy.episodes.protocols import Decided, DecidingSkill, DemonstrationLog, SearchAction
from search_policy.episodes.world import DetectorFactory, SearchWorld, is_target
from search_policy.motion.viewpoints import View
from search_policy.observations import AgentState, target_privileged
from search_policy.searchers.choosers import Chooser
from search_policy.servo import FixationConfig, FixationSkill
from search_policy.skill import SearchConfig, SearchSkill


@dataclass(frozen=True, slots=True)
class RolloutConfig:
    """When a rollout stops to look closer, and when it ends.

    Attributes:
        max_steps: Control steps after which the episode is cut off.
        score: Detection score that counts as a hit.
        hits: Hits in a row that start a fixation.
        fixation_steps: Control steps after which a fixation gives up.
        cooldown_steps: Control steps after a failed fixation in which hits do not count.
        action_noise: Standard deviation of noise on the twist, as a share of the speed limits.
        servo: The fixation servo moves the arm while it looks closer; otherwise the skill centres the target by
            itself, and the servo only judges.
    """

    max_steps: int = 400
    score: float = 0.5
    hits: int = 2
    fixation_steps: int = 40
    cooldown_steps: int = 12
    action_noise: float = 0.0
    servo: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRecord:
    """One decision frame; the last of an episode has no action.

    Attributes:
        state: Agent state.
        action: Chosen view or chunk, or None in the last frame.
        privileged: The critic's privileged entries.
        step: Control steps since the episode began.
        coverage: Fraction of the region seen so far.
        collisions: Control steps in contact so far.
        intervened: Whether a person took the decision, see `search_policy.online.interventions`.
    """

    state: AgentState
    action: SearchAction | None
    privileged: Privileged
    step: int
    coverage: float
    collisions: int
    intervened: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SearchEpisode:
    """What happened.

    Attributes:
        decisions: Decision frames, the last one without an action.
        found: Ended fixated on the true target.
        truncated: Cut off by the step limit.
        steps: Control steps.
        false_fixations: Fixations that completed on something else.
        collisions: Control steps in forbidden contact.
        seed: Layout.
        task: Task name.
    """

    decisions: tuple[DecisionRecord, ...]
    found: bool
    truncated: bool
    steps: int
    false_fixations: int
    collisions: int
    seed: int
    task: str


class Rollout:
    """Runs episodes with a search skill and a fixation servo, as the controller would.

    Args:
        world: Simulation.
        skill: Searches.
        fixation: Looks closer.
        config: When to stop.
        log: Cuts the episodes into decisions; None keeps the skill's own.
    """

    def __init__(
        self,
        world: SearchWorld,
        skill: DecidingSkill,
        fixation: FixationSkill,
        config: RolloutConfig,
        log: DemonstrationLog | None = None,
    ) -> None:
        self._world = world
        self._skill = skill
        self._fixation = fixation
        self._config = config
        self._log = log

    @classmethod
    def build(
        cls,
        world: SearchWorld,
        chooser: Chooser,
        search: SearchConfig,
        config: RolloutConfig,
        *,
        seed: int,
        views: Sequence[View] | None = None,
    ) -> Rollout:
        """Return a rollout of that chooser; `seed` seeds its randomness, `views` replace the candidate views."""
        skill = SearchSkill(chooser, world.region, world.intrinsics, config=search, seed=seed, views=views)
        fixation = FixationSkill(world.region, world.intrinsics, config=FixationConfig(views=search.views))
        return cls(world, skill, fixation, config)

    def run(self, task: str, seed: int, detector: DetectorFactory) -> SearchEpisode:
        """Run one layout; its seed also seeds the detector's errors and the action noise.

        Args:
            task: Task name.
            seed: Layout seed.
            detector: Makes the episode's detector.
        """
        decisions = self.play(task, seed, detector)
        while True:
            try:
                next(decisions)
            except StopIteration as ended:
                episode: SearchEpisode = ended.value
                return episode

    def play(self, task: str, seed: int, detector: DetectorFactory) -> Generator[DecisionRecord, None, SearchEpisode]:
        """Run one layout like `run`, and yield every decision that the skill takes, before its first control step."""
        described = self._world.reset(task, seed)
        self._skill.close(self._world.closed)
        self._skill.reset(described)
        self._fixation.reset(described)
        detector_rng, noise_rng = np.random.default_rng(seed).spawn(2)
        detect = detector(self._world, described, detector_rng)
        self._begin(noise_rng)
        step = 0
        while step < self._config.max_steps and not self._over:
            observation = self._world.observe()
            frame = detect(observation)
            command = self._propose(observation, frame, step)
            if self._over:
                break
            if self._note_decision(observation, frame, command, step):
                yield self._decisions[-1]
            self._world.act(self._noisy(command))
            step += 1
        self._record((self._log or self._skill).state(self._world.observe()), None, step)
        return SearchEpisode(
            decisions=self._finished(),
            found=self._found,
            truncated=not self._over,
            steps=step,
            false_fixations=self._false_fixations,
            collisions=self._world.collisions,
            seed=seed,
            task=task,
        )

    def _begin(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._decisions: list[DecisionRecord] = []
        self._known: Decided | None = None
        self._over = self._found = self._fixating = False
        self._fixating_since: int | None = None
        self._hits = self._cooldown = self._false_fixations = 0
        self._epoch = 1
        if self._log is not None:
            self._log.begin()

    def _propose(self, observation: Observation, frame: DetectionFrame, step: int) -> Command | None:
        if self._fixating_since is None:
            self._count_hits(frame, step)
        self._fixating = self._fixating_since is not None
        lease = Lease(Holder.SEARCH, self._epoch)
        if not self._fixating:
            return self._search(observation, frame, lease)
        command = self._fixation.propose(observation, frame, lease)
        self._judge_fixation(frame, step)
        if self._config.servo or self._over:
            return command
        return self._search(observation, frame, Lease(Holder.SEARCH, lease.epoch - 1))

    def _search(self, observation: Observation, frame: DetectionFrame, lease: Lease) -> Command | None:
        command = self._skill.propose(observation, frame, lease)
        self._over = self._skill.health().state is SkillState.EXHAUSTED
        return command

    def _count_hits(self, frame: DetectionFrame, step: int) -> None:
        self._cooldown = max(self._cooldown - 1, 0)
        hit = frame.best is not None and frame.best.score >= self._config.score
        self._hits = self._hits + 1 if hit and not self._cooldown else 0
        if self._hits >= self._config.hits:
            self._hits, self._fixating_since = 0, step
            self._epoch += 1

    def _judge_fixation(self, frame: DetectionFrame, step: int) -> None:
        assert self._fixating_since is not None
        state = self._fixation.health().state
        if state is SkillState.DONE:
            self._found = is_target(frame.best, self._world.truth())
            self._over = self._found
            self._false_fixations += not self._found
        late = step - self._fixating_since >= self._config.fixation_steps
        if not self._over and (late or state in (SkillState.DONE, SkillState.FAILED)):
            self._fixating_since = None
            self._cooldown = self._config.cooldown_steps
            self._epoch += 1

    def _note_decision(
        self, observation: Observation, frame: DetectionFrame, command: Command | None, step: int
    ) -> bool:
        """Record a decision where one begins, and return whether one does."""
        if self._log is not None:
            begins = self._log.note(observation, frame, command, fixating=self._fixating)
            if begins:
                self._record(self._log.state(observation), None, step)
            return begins
        decision = self._skill.decision
        if decision is None or decision is self._known:
            return False
        self._known = decision
        self._record(decision.state, decision.action, step)
        return True

    def _finished(self) -> tuple[DecisionRecord, ...]:
        """Return the decisions; what a log cut out gets its actions only now that they have been taken."""
        log, last = self._log, self._decisions[-1]
        if log is None:
            return tuple(self._decisions)
        return (*(replace(record, action=log.action(record.step)) for record in self._decisions[:-1]), last)

    def _record(self, state: AgentState, action: SearchAction | None, step: int) -> None:
        position = self._world.truth().position_m
        seen_from = [
            position is not None and self._skill.seen_map.contains(index, position)
            for index in range(len(self._skill.views))
        ]
        privileged = target_privileged(position, self._world.visibility(), self._world.region, seen_from)
        coverage = self._skill.seen_map.coverage
        self._decisions.append(DecisionRecord(state, action, privileged, step, coverage, self._world.collisions))

    def _noisy(self, command: Command | None) -> Action | None:
        if command is None or self._config.action_noise == 0.0:
            return None if command is None else command.action
        limits = self._skill.config.mover
        scale = np.repeat([limits.linear_m_s, limits.angular_rad_s], 3)
        noise = self._rng.normal(0.0, self._config.action_noise, 6) * scale
        return Action(command.action.space, command.action.values + noise, command.action.gripper)
