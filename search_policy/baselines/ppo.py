"""Proximal policy optimisation with an asymmetric critic: V(o^p, z), pi(a | z). PPO (arXiv 1707.06347)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from search_policy.baselines.config import PpoConfig
from search_policy.baselines.experiences import ExperienceBatch
from search_policy.baselines.losses import clipped_surrogate, generalized_advantage
from search_policy.baselines.networks import StateValue
from search_policy.baselines.policies import Policy
from search_policy.learning.aawr import take_step
from search_policy.learning.losses import bootstrapped_return


class PpoLearner:
    """Policy, privileged value and their optimisers.

    Args:
        config: Hyper-parameters.
        policy: Around the actor.
    """

    def __init__(self, config: PpoConfig, policy: Policy) -> None:
        self.config, self.policy = config, policy
        self.value = StateValue(policy.actor.spec)
        self._actor_optimizer = torch.optim.Adam(policy.parameters(), config.learning_rate)
        self._value_optimizer = torch.optim.Adam(self.value.parameters(), config.learning_rate)

    def networks(self) -> dict[str, nn.Module]:
        """Return the modules whose weights make up a checkpoint."""
        return {"actor": self.policy.actor, "value": self.value}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers whose moments make up a checkpoint."""
        return {"actor_optimizer": self._actor_optimizer, "value_optimizer": self._value_optimizer}

    def update(self, batch: ExperienceBatch) -> dict[str, float]:
        """Learn from the decisions that this very policy just took, in the order of time; return mean metrics."""
        with torch.no_grad():
            before, _ = self.policy.evaluate(batch.state, batch.action)
            advantage, goal = self._targets(batch)
        advantage = (advantage - advantage.mean()) / (advantage.std(unbiased=False) + 1e-6)
        steps = [
            self._step(batch.rows(rows), before[rows], advantage[rows], goal[rows])
            for rows in self._minibatches(len(batch))
        ]
        return {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}

    def _targets(self, batch: ExperienceBatch) -> tuple[Tensor, Tensor]:
        """Return the advantages and the value's targets, (t,) each."""
        value = self.value(batch.privileged, batch.state)
        following = self.value(batch.next_privileged, batch.next_state)
        discount = self.config.discount
        goal = bootstrapped_return(batch.reward, following, batch.terminated, batch.duration, discount)
        advantage = generalized_advantage(goal - value, batch.duration, batch.ended, discount, self.config.trace)
        return advantage, advantage + value

    def _minibatches(self, size: int) -> Iterator[Tensor]:
        for _ in range(self.config.epochs):
            yield from torch.randperm(size).split(self.config.minibatch)

    def _step(self, batch: ExperienceBatch, before: Tensor, advantage: Tensor, goal: Tensor) -> dict[str, float]:
        log_probability, entropy = self.policy.evaluate(batch.state, batch.action)
        surrogate = clipped_surrogate(log_probability, before, advantage, self.config.clip)
        take_step(self._actor_optimizer, surrogate - self.config.entropy * entropy.mean(), self.policy.actor)
        value_loss = (self.value(batch.privileged, batch.state) - goal).square().mean()
        take_step(self._value_optimizer, value_loss, self.value)
        moved = (before - log_probability).mean()
        return {"value_loss": value_loss.item(), "entropy": entropy.mean().item(), "divergence": moved.item()}
