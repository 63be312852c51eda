"""One run of PPO or SAC: what it does next follows from its state alone, and all of that is in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robots.errors import UsageError
from search_policy.baselines.config import PpoConfig, SacConfig
from search_policy.baselines.environment import Choose, DecisionEnv, Experience, sizes_of
from search_policy.baselines.experiences import Embedder, Ring, joined
from search_policy.baselines.policies import build_policy
from search_policy.baselines.ppo import PpoLearner
from search_policy.baselines.sac import SacLearner
from search_policy.baselines.snapshot import load_optimizer, optimizer_tensors, read_snapshot, under, write_snapshot
from search_policy.baselines.warmup import pretrain, random_policy
from search_policy.episodes.protocols import SearchAction
from search_policy.learning.checkpoint import load_strictly
from search_policy.learning.config import TRAIN_SEEDS
from search_policy.observations import AgentState


class Run:
    """Lives episodes and learns from them.

    Args:
        config: A `PpoConfig` or a `SacConfig`.
        env: Where episodes take place.
    """

    def __init__(self, config: PpoConfig | SacConfig, env: DecisionEnv) -> None:
        self.config, self._env = config, env
        torch.manual_seed(config.seed)
        self._sampler = np.random.default_rng([config.seed, 2])
        start = env.start(config.world.tasks[0], config.world.seed)
        self._policy = build_policy(config, sizes_of(*start, config.groups))
        self.actor = self._policy.actor
        self._embedder = Embedder(self.actor, config.groups)
        self._learner: PpoLearner | SacLearner
        self._ring: Ring | None = None
        if isinstance(config, SacConfig):
            self._learner, self._ring = SacLearner(config, self._policy), Ring(config.capacity)
        else:
            self._learner = PpoLearner(config, self._policy)
        self.decisions = self.episodes = self.iterations = 0

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

    def save(self, root: Path) -> None:
        """Write a checkpoint: everything that decides what comes next."""
        tensors = {"torch_rng": torch.get_rng_state()}
        for name, module in self._learner.networks().items():
            tensors |= _prefixed(name, module.state_dict())
        for name, optimizer in self._learner.optimizers().items():
            tensors |= _prefixed(name, optimizer_tensors(optimizer))
        counts = {"decisions": self.decisions, "episodes": self.episodes, "iterations": self.iterations}
        plain = {**counts, "sampler": self._sampler.bit_generator.state}
        if self._ring is not None:
            tensors |= _prefixed("replay", self._ring.tensors())
            plain["added"] = self._ring.added
        write_snapshot(root / f"step-{self.decisions:08d}", tensors, plain, self.config.keep)

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            CheckpointError: It is damaged, or belongs to another configuration.
        """
        tensors, plain = read_snapshot(folder)
        for name, module in self._learner.networks().items():
            load_strictly(module, under(tensors, f"{name}."), str(folder))
        for name, optimizer in self._learner.optimizers().items():
            load_optimizer(optimizer, under(tensors, f"{name}."))
        if self._ring is not None:
            self._ring.restore(under(tensors, "replay."), plain["added"])
        torch.set_rng_state(tensors["torch_rng"])
        self._sampler.bit_generator.state = plain["sampler"]
        self.decisions, self.episodes = plain["decisions"], plain["episodes"]
        self.iterations = plain["iterations"]

    def _episode(self, choose: Choose) -> Iterator[Experience]:
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
            self.decisions += 1
            yield lived

    def _choose(self, state: AgentState) -> SearchAction:
        """Draw an action from the policy: it is shown the agent state, there is nothing else to show it."""
        return self._policy.sample(self._embedder.state(state))

    def _warm_up(self) -> dict[str, float]:
        lived: list[Experience] = []
        explore = random_policy(self.config, self._sampler)
        while len(lived) < self.config.warmup_decisions:
            lived.extend(self._episode(explore))
        metrics = pretrain(self.actor, lived, self.config, self._sampler)
        if self._ring is not None:
            for one in lived:
                self._ring.add(self._embedder.experience(one))
        return metrics | _outcome(lived)

    def _fresh_batch(self, learner: PpoLearner) -> dict[str, float]:
        lived: list[Experience] = []
        embedded = []
        while len(lived) < learner.config.batch_decisions:
            for one in self._episode(self._choose):
                lived.append(one)
                embedded.append(self._embedder.experience(one))
        return learner.update(joined(embedded)) | _outcome(lived)

    def _one_episode(self, learner: SacLearner) -> dict[str, float]:
        assert self._ring is not None, "SAC learns from a replay"
        lived: list[Experience] = []
        metrics: dict[str, float] = {}
        for one in self._episode(self._choose):
            lived.append(one)
            self._ring.add(self._embedder.experience(one))
            for _ in range(learner.config.updates_per_decision):
                metrics = learner.update(self._ring.draw(self._sampler, learner.config.batch_size))
        return metrics | _outcome(lived)


def _prefixed(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in tensors.items()}


def _outcome(lived: Sequence[Experience]) -> dict[str, float]:
    """Return the share of episodes that found the target, and the mean episode's control steps and reward."""
    episodes = max(sum(one.ended for one in lived), 1)
    return {
        "found": sum(one.found for one in lived) / episodes,
        "steps": sum(one.duration for one in lived) / episodes,
        "reward": sum(one.reward for one in lived) / episodes,
    }
