"""Asymmetric advantage-weighted regression: one learner, one update; AWR and cloning are its special cases."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_policy.learning.config import TrainConfig
from search_policy.learning.losses import (
    advantage_weights,
    bootstrapped_return,
    effective_sample_size,
    expectile_value_loss,
    td_loss,
    weighted_regression_loss,
)
from search_policy.learning.networks import Actor, ActorSpec, AgentBatch, Critic


@dataclass(frozen=True, slots=True, eq=False)
class DecisionBatch:
    """b decisions and what came after them.

    Attributes:
        state: Agent states z.
        next_state: Agent states z' at the next decision or at the episode's end.
        privileged: o^p, (b, o).
        next_privileged: (b, o).
        hint: Whether the taken view shows the target, (b,); zero for a symmetric critic.
        action: Taken views, (b,).
        reward: (b,).
        duration: Control steps, (b,).
        terminated: (b,).
        return_to_go: (b,).
    """

    state: AgentBatch
    next_state: AgentBatch
    privileged: Tensor
    next_privileged: Tensor
    hint: Tensor
    action: Tensor
    reward: Tensor
    duration: Tensor
    terminated: Tensor
    return_to_go: Tensor


class RunningScale:
    """Exponential average of the advantage's standard deviation; exact from the first batch on."""

    def __init__(self, rate: float = 0.01, floor: float = 1e-3) -> None:
        self._rate = rate
        self._floor = floor
        self.mean_square = 0.0
        self.count = 0

    @property
    def value(self) -> float:
        """The scale, never below the floor."""
        if self.count == 0:
            return 1.0
        corrected = self.mean_square / (1.0 - (1.0 - self._rate) ** self.count)
        return max(corrected**0.5, self._floor)

    def update(self, advantage: Tensor) -> float:
        """Take in a batch, (b,), and return the new scale."""
        self.count += 1
        self.mean_square += self._rate * (float(advantage.var(unbiased=False)) - self.mean_square)
        return self.value


class Learner:
    """Actor, critic, target critic, their optimisers and the advantage's scale.

    Args:
        config: Method and hyper-parameters.
        spec: Sizes of the networks.
    """

    def __init__(self, config: TrainConfig, spec: ActorSpec) -> None:
        self.config = config
        self.actor = Actor(spec)
        self.critic = Critic(spec)
        self.target = copy.deepcopy(self.critic).requires_grad_(requires_grad=False).eval()
        self.scale = RunningScale()
        head = [value for name, value in self.actor.named_parameters() if not name.startswith("encoder.")]
        self.actor_optimizer = torch.optim.AdamW(head, config.learning_rate, weight_decay=config.weight_decay)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), config.learning_rate)

    def update(self, batch: DecisionBatch) -> dict[str, float]:
        """Take one gradient step on critic and actor and return the metrics."""
        if self.config.method == "bc":
            return self._update_actor(batch, torch.ones_like(batch.reward))
        metrics = self._update_critic(batch)
        advantage = self.advantage(batch)
        weight = advantage_weights(advantage, self.scale.update(advantage), self.config.beta, self.config.weight_clip)
        metrics |= self._update_actor(batch, weight / weight.mean())
        return metrics | {"advantage_scale": self.scale.value, "sample_size": float(effective_sample_size(weight))}

    @torch.no_grad()
    def advantage(self, batch: DecisionBatch) -> Tensor:
        """Return A = (1 - mix) min_i Qtarget_i + mix G - Vtarget, (b,): targets drop no units.

        With mix 0 it is AAWR's (arXiv 2512.01188); with mix 1 the observed return G of AWR (arXiv 1910.00177), eq. 6.
        """
        state, mix = batch.state.detached(), self.config.return_mix
        q_target = self.target.q_values(batch.privileged, state, batch.action, batch.hint).min(dim=0).values
        value = self.target.value(batch.privileged, state)
        return (1.0 - mix) * q_target + mix * batch.return_to_go - value

    def _update_critic(self, batch: DecisionBatch) -> dict[str, float]:
        config, state, next_state = self.config, batch.state.detached(), batch.next_state.detached()
        with torch.no_grad():
            q_target = self.target.q_values(batch.privileged, state, batch.action, batch.hint).min(dim=0).values
            next_value = self.target.value(batch.next_privileged, next_state)
            goal = bootstrapped_return(batch.reward, next_value, batch.terminated, batch.duration, config.discount)
        value_loss = expectile_value_loss(q_target, self.critic.value(batch.privileged, state), config.expectile)
        q_loss = td_loss(self.critic.q_values(batch.privileged, state, batch.action, batch.hint), goal)
        _step(self.critic_optimizer, value_loss + q_loss, self.critic)
        _follow(self.target, self.critic, config.target_update_rate)
        return {"value_loss": value_loss.item(), "q_loss": q_loss.item(), "value": float(next_value.mean())}

    def _update_actor(self, batch: DecisionBatch, weight: Tensor) -> dict[str, float]:
        every = self.actor.log_probabilities(batch.state.detached())
        chosen = every.gather(1, batch.action[:, None]).squeeze(1)
        loss = weighted_regression_loss(chosen, weight)
        _step(self.actor_optimizer, loss, self.actor)
        entropy = -(every.exp() * every.clamp(min=-50.0)).sum(dim=1).mean()
        return {"actor_loss": loss.item(), "entropy": entropy.item()}


def _step(optimizer: torch.optim.Optimizer, loss: Tensor, module: nn.Module) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 10.0)
    optimizer.step()


@torch.no_grad()
def _follow(target: nn.Module, source: nn.Module, rate: float) -> None:
    for old, new in zip(target.parameters(), source.parameters(), strict=True):
        old.lerp_(new, rate)
