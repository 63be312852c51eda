"""Soft actor-critic with asymmetric critics: Q(o^p, z, a), pi(a | z).

Views: discrete SAC (arXiv 1910.07207), every view's Q at once, masked ones out of the sums. Chunks: SAC with a learned
temperature (arXiv 1812.05905). Both discount by a decision's duration.
"""

from __future__ import annotations

import copy
import math
from typing import Protocol

import torch
from torch import Tensor, nn

from search_policy.baselines.config import SacConfig
from search_policy.baselines.experiences import ExperienceBatch
from search_policy.baselines.losses import soft_value, temperature_loss
from search_policy.baselines.networks import ChunkQ, ViewQ
from search_policy.baselines.policies import Policy, entropy
from search_policy.learning.aawr import follow, take_step
from search_policy.learning.heads.squashed import SquashedHead
from search_policy.learning.losses import bootstrapped_return, td_loss
from search_policy.learning.networks import Actor, AgentBatch


class _Soft(Protocol):
    """What differs between views and chunks."""

    @property
    def critic(self) -> nn.Module:
        """The twin critics."""
        ...

    def q_values(self, batch: ExperienceBatch) -> Tensor:
        """Return Q_i of the taken actions, (2, b)."""
        ...

    def value(self, critic: nn.Module, privileged: Tensor, state: AgentBatch, temperature: Tensor) -> Values:
        """Return the policy's soft value under the smaller Q, and its entropy."""
        ...

    def wanted(self, state: AgentBatch) -> Tensor:
        """Return the target entropy, (b,)."""
        ...


Values = tuple[Tensor, Tensor]  # soft value and entropy, (b,) each


class SacLearner:
    """Policy, twin critics, their targets, temperature and optimisers.

    Args:
        config: Hyper-parameters.
        policy: Around the actor.
    """

    def __init__(self, config: SacConfig, policy: Policy) -> None:
        self.config = config
        self._soft: _Soft
        if isinstance(policy.actor.head, SquashedHead):
            self._soft = _Chunks(config, policy.actor, policy.actor.head)
        else:
            self._soft = _Views(config, policy.actor)
        self.critic = self._soft.critic
        self.target = copy.deepcopy(self.critic).requires_grad_(requires_grad=False)
        self.temperature = _Temperature(config.temperature)
        self._actor = policy.actor
        self._actor_optimizer = torch.optim.Adam(policy.parameters(), config.learning_rate)
        self._critic_optimizer = torch.optim.Adam(self.critic.parameters(), config.learning_rate)
        self._temperature_optimizer = torch.optim.Adam(self.temperature.parameters(), config.learning_rate)

    def networks(self) -> dict[str, nn.Module]:
        """Return the modules whose weights make up a checkpoint."""
        trained = {"actor": self._actor, "critic": self.critic, "target": self.target}
        return {**trained, "temperature": self.temperature}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers whose moments make up a checkpoint."""
        return {
            "actor_optimizer": self._actor_optimizer,
            "critic_optimizer": self._critic_optimizer,
            "temperature_optimizer": self._temperature_optimizer,
        }

    def update(self, batch: ExperienceBatch) -> dict[str, float]:
        """Take one gradient step on critics, policy and temperature and return the metrics."""
        temperature = self.temperature.log.exp().detach()
        q_loss = td_loss(self._soft.q_values(batch), self._goal(batch, temperature))
        take_step(self._critic_optimizer, q_loss, self.critic)
        value, spread = self._soft.value(self.critic, batch.privileged, batch.state, temperature)
        take_step(self._actor_optimizer, -value.mean(), self._actor)
        loss = temperature_loss(self.temperature.log, spread, self._soft.wanted(batch.state))
        take_step(self._temperature_optimizer, loss, self.temperature)
        follow(self.target, self.critic, self.config.target_update_rate)
        return {"q_loss": q_loss.item(), "value": value.mean().item(), "entropy": spread.mean().item()} | {
            "temperature": temperature.item()
        }

    @torch.no_grad()
    def _goal(self, batch: ExperienceBatch, temperature: Tensor) -> Tensor:
        following, _ = self._soft.value(self.target, batch.next_privileged, batch.next_state, temperature)
        return bootstrapped_return(batch.reward, following, batch.terminated, batch.duration, self.config.discount)


class _Temperature(nn.Module):
    """The logarithm of the entropy's weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(value)))


class _Views:
    """Satisfies `_Soft` for choices among views: sums over them, no sampling."""

    def __init__(self, config: SacConfig, actor: Actor) -> None:
        self._share, self._actor = config.entropy_share, actor
        self.critic = ViewQ(actor.spec, config.groups)

    def q_values(self, batch: ExperienceBatch) -> Tensor:
        """Return Q_i of the taken actions, (2, b)."""
        q_values: Tensor = self.critic(batch.privileged, batch.state)
        return q_values.gather(2, batch.action.expand(len(q_values), -1)[:, :, None]).squeeze(2)

    def value(self, critic: nn.Module, privileged: Tensor, state: AgentBatch, temperature: Tensor) -> Values:
        """Return the soft value and the policy's entropy, (b,) each."""
        log_probabilities = self._actor.log_probabilities(state)
        with torch.no_grad():
            smallest = critic(privileged, state).min(dim=0).values
        value = soft_value(log_probabilities, smallest, temperature)
        return value, entropy(log_probabilities.detach())

    def wanted(self, state: AgentBatch) -> Tensor:
        """Return the entropy to hold, (b,) [nats]."""
        return self._share * state.mask.sum(dim=1).clamp(min=1).float().log()


class _Chunks:
    """Satisfies `_Soft` for chunks of twists: one reparametrised sample per state."""

    def __init__(self, config: SacConfig, actor: Actor, head: SquashedHead) -> None:
        steps, entries = actor.spec.sizes.chunk
        self._wanted = config.entropy_per_number * steps * entries
        self._actor, self._head = actor, head
        self.critic = ChunkQ(actor.spec)

    def q_values(self, batch: ExperienceBatch) -> Tensor:
        """Return Q_i of the taken actions, (2, b)."""
        q_values: Tensor = self.critic(batch.privileged, batch.state, batch.action)
        return q_values

    def value(self, critic: nn.Module, privileged: Tensor, state: AgentBatch, temperature: Tensor) -> Values:
        """Return the soft value and the policy's entropy, (b,) each."""
        action, log_probability = self._head.draw(self._actor.features(state))
        smallest = critic(privileged, state, action).min(dim=0).values
        return smallest - temperature * log_probability, -log_probability.detach()

    def wanted(self, state: AgentBatch) -> Tensor:
        """Return the entropy to hold, (b,) [nats]."""
        return torch.full((len(state.memory),), self._wanted)
