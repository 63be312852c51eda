"""One run of PPO or SAC: what it does next follows from its state alone, and all of that is in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from robots.errors import UsageError
from robots.types import Privileged
from search_policy.baselines.config import PpoConfig, SacConfig
from search_policy.baselines.environment import Choose, DecisionEnv, Experience, sizes_of
from search_policy.baselines.experiences import Embedder, Ring, joined
from search_policy.baselines.policies import build_policy
from search_policy.baselines.ppo import PpoLearner
from search_policy.baselines.sac import SacLearner
from search_policy.baselines.warmup import pretrain, random_policy
from search_policy.episodes.protocols import SearchAction
from search_policy.learning.config import TRAIN_SEEDS
from search_policy.learning.pretrain import Auxiliary, Pretraining
from search_policy.learning.training_state import TrainingState
from search_policy.observations import AgentState


class Run:
    """Lives episodes and learns from them. Satisfies `Resumable`: `state` saves and restores it.

    Args:
        config: A `PpoConfig` or a `SacConfig`.
        env: Where episodes take place.
    """

    def __init__(self, config: PpoConfig | SacConfig, env: DecisionEnv) -> None:
        self.config, self._env = config, env
        torch.manual_seed(config.seed)
        start = env.start(config.world.tasks[0], config.world.seed)
        self._policy = build_policy(config, sizes_of(*start, config.groups))
        self.actor = self._policy.actor
        self._embedder = Embedder(self.actor, config.groups)
        self._learner: PpoLearner | SacLearner
        self._replay: Ring | None = None
        if isinstance(config, SacConfig):
            self._learner, self._replay = SacLearner(config, self._policy), self._empty_replay(config.capacity, *start)
        else:
            self._learner = PpoLearner(config, self._policy)
        self._pretraining = Pretraining(self.actor.encoder, Auxiliary(self.actor.spec), config.pixels)
        self.episodes = self.iterations = 0
        auxiliary, optimizer = self._pretraining.auxiliary, self._pretraining.optimizer
        self.state = TrainingState(self, auxiliary, optimizer, np.random.default_rng([config.seed, 2]))

    @property
    def decisions(self) -> int:
        """Decisions lived so far."""
        return self.state.step

    def networks(self) -> dict[str, nn.Module]:
        """Return the modules that a checkpoint holds; SAC's replay is one of them."""
        replay = {} if self._replay is None else {"replay": self._replay}
        return {**self._learner.networks(), **replay}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers whose moments a checkpoint holds."""
        return self._learner.optimizers()

    def values(self) -> dict[str, Any]:
        """Return the counters, which decide the next layout among others."""
        kept = 0 if self._replay is None else self._replay.added
        return {"episodes": self.episodes, "iterations": self.iterations, "replayed": kept}

    def restore(self, values: dict[str, Any]) -> None:
        """Take over what `values` returned."""
        self.episodes, self.iterations = values["episodes"], values["iterations"]
        if self._replay is not None:
            self._replay.added = values["replayed"]

    def iterate(self) -> dict[str, float]:
        """Live some episodes, learn from them and return the metrics; the first iteration is the random policy's."""
        if self.iterations == 0 and self.config.warmup_decisions > 0:
            metrics = self._warm_up()
        elif isinstance(self._learner, SacLearner):
            metrics = self._one_episode(self._learner)
        else:
            metrics = self._fresh_batch(self._learner)
        self.iterations += 1
        return metrics

    def episode(self, choose: Choose) -> Iterator[Experience]:
        """Yield the next episode's decisions.

        Raises:
            UsageError: The training layouts are used up.
        """
        world = self.config.world
        task, seed = world.tasks[self.episodes % len(world.tasks)], world.seed + self.episodes
        if seed not in TRAIN_SEEDS:
            raise UsageError(f"{self.config.method}: the training layouts end at seed {TRAIN_SEEDS[-1]}.")
        self.episodes += 1
        for lived in self._env.episode(task, seed, choose):
            self.state.step += 1
            yield lived

    def choose(self, state: AgentState) -> SearchAction:
        """Draw an action from the policy: it is shown the agent state, there is nothing else to show it."""
        return self._policy.sample(self._embedder.state(state))

    def _empty_replay(self, capacity: int, state: AgentState, privileged: Privileged) -> Ring:
        moment = (state, self.choose(state), privileged, 0.0, 1, state, privileged)
        example = Experience(*moment, terminated=True, truncated=False)
        return Ring(capacity, self._embedder.experience(example))

    def _warm_up(self) -> dict[str, float]:
        lived: list[Experience] = []
        explore = random_policy(self.config, self.state.sampler)
        while len(lived) < self.config.warmup_decisions:
            lived.extend(self.episode(explore))
        metrics = pretrain(self._pretraining, lived, self.config, self.state.sampler)
        self._embedder = Embedder(self.actor, self.config.groups)
        if self._replay is not None:
            for one in lived:
                self._replay.add(self._embedder.experience(one))
        return metrics | _outcome(lived)

    def _fresh_batch(self, learner: PpoLearner) -> dict[str, float]:
        lived: list[Experience] = []
        embedded = []
        while len(lived) < learner.config.batch_decisions:
            for one in self.episode(self.choose):
                lived.append(one)
                embedded.append(self._embedder.experience(one))
        return learner.update(joined(embedded)) | _outcome(lived)

    def _one_episode(self, learner: SacLearner) -> dict[str, float]:
        assert self._replay is not None, "SAC learns from a replay"
        lived: list[Experience] = []
        metrics: dict[str, float] = {}
        for one in self.episode(self.choose):
            lived.append(one)
            self._replay.add(self._embedder.experience(one))
            for _ in range(learner.config.updates_per_decision):
                metrics = learner.update(self._replay.draw(self.state.sampler, learner.config.batch_size))
        return metrics | _outcome(lived)


def _outcome(lived: Sequence[Experience]) -> dict[str, float]:
    """Return the share of episodes that found the target, and the mean episode's control steps and reward."""
    episodes = max(sum(one.ended for one in lived), 1)
    return {
        "found": sum(one.found for one in lived) / episodes,
        "steps": sum(one.duration for one in lived) / episodes,
        "reward": sum(one.reward for one in lived) / episodes,
    }
