"""Asymmetric advantage-weighted regression: one learner, one update; AWR and cloning are its special cases."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from search_policy.learning.config import TrainConfig
from search_policy.learning.critic import Critic
from search_policy.learning.losses import (
    advantage_weights,
    bootstrapped_return,
    effective_sample_size,
    expectile_value_loss,
    indicator_weights,
    intervention_weights,
    td_loss,
)
from search_policy.learning.networks import Actor, ActorSpec, AgentBatch
from search_policy.pixels.terms import Copies, PixelTerms


@dataclass(frozen=True, slots=True, eq=False)
class DecisionBatch:
    """b decisions and what came after them.

    Attributes:
        state: Agent states z.
        next_state: Agent states z' at the next decision or at the episode's end.
        privileged: o^p, (b, o).
        next_privileged: (b, o).
        hint: Whether the taken view shows the target, (b,); zero for a symmetric critic.
        action: Taken views, int64 (b,), or chunks of twists, (b, h, 5).
        reward: (b,).
        duration: Control steps, (b,).
        terminated: (b,).
        return_to_go: (b,).
        intervention: 1.0 where a person took the decision, (b,).
        hints: Whether each view shows the target, (b, v); zero for a symmetric critic and for chunks.
        copies: Other looks at the current images, for DrAC and CURL while the encoder learns; None without them.
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
    intervention: Tensor
    hints: Tensor | None = None
    copies: Copies | None = None


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
        self.pixels = PixelTerms(config.pixels, self.actor)
        # Cached embeddings carry no gradient; an encoder that learns end to end is trained by the actor's loss.
        end_to_end = config.pixels.training == "end_to_end"
        trained = [
            value
            for name, value in self.actor.named_parameters()
            if value.requires_grad and (end_to_end or not name.startswith("encoder."))
        ]
        trained += self.pixels.parameters()
        self.actor_optimizer = torch.optim.AdamW(
            trained, config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), config.learning_rate, fused=True)

    def networks(self) -> dict[str, nn.Module]:
        """Return the modules whose weights make up a checkpoint."""
        return {"actor": self.actor, "critic": self.critic, "target": self.target, **self.pixels.networks()}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers whose moments make up a checkpoint."""
        return {"actor_optimizer": self.actor_optimizer, "critic_optimizer": self.critic_optimizer}

    def values(self) -> dict[str, Any]:
        """Return what else decides the next update, as plain JSON values."""
        return {"mean_square": self.scale.mean_square.hex(), "count": self.scale.count}

    def restore(self, values: dict[str, Any]) -> None:
        """Take over what `values` returned."""
        self.scale.mean_square, self.scale.count = float.fromhex(values["mean_square"]), values["count"]

    def update(self, batch: DecisionBatch) -> dict[str, float]:
        """Take one gradient step on critic and actor and return the metrics."""
        if self.config.method == "bc":
            return self.update_actor(batch, torch.ones_like(batch.reward))
        q_target = self.target_q(batch)
        advantage = self.advantage(batch, q_target)
        metrics = self.update_critic(batch, q_target)
        weight = self.weigh(advantage, self.scale.update(advantage))
        weight = weight / weight.mean().clamp(min=1e-6)
        return metrics | self.update_actor(batch, weight) | self._weight_metrics(advantage, weight)

    def weigh(self, advantage: Tensor, scale: float) -> Tensor:
        """Return each decision's weight in the actor's loss, (b,).

        A constant added to A cancels in the normalised weights but not in their clip: V, trained with units dropped,
        may lie off Q by more than A's spread, and every weight would be clipped. So A is centred.
        """
        if self.config.weighting == "indicator":
            return indicator_weights(advantage)
        return advantage_weights(centred(advantage), scale, self.config.beta, self.config.weight_clip)

    @torch.no_grad()
    def target_q(self, batch: DecisionBatch) -> Tensor:
        """Return min_i Qtarget_i of the taken actions, (b,); both V and the advantage are measured against it."""
        state = batch.state.detached()
        with self.precision():
            return self.target.q_values(batch.privileged, state, batch.action, batch.hint).min(dim=0).values

    @torch.no_grad()
    def goal(self, batch: DecisionBatch) -> Tensor:
        """Return what Q is regressed on, (b,): the same for demonstrations and for online decisions."""
        with self.precision():
            next_value = self.target.value(batch.next_privileged, batch.next_state.detached())
        return bootstrapped_return(batch.reward, next_value, batch.terminated, batch.duration, self.config.discount)

    @torch.no_grad()
    def advantage(self, batch: DecisionBatch, q_target: Tensor) -> Tensor:
        """Return A = (1 - mix) min_i Qtarget_i + mix G - Vtarget, (b,): targets drop no units.

        With mix 0 it is AAWR's (arXiv 2512.01188); with mix 1 the observed return G of AWR (arXiv 1910.00177), eq. 6.

        Args:
            batch: Decisions.
            q_target: See `target_q`.
        """
        state, mix = batch.state.detached(), self.config.return_mix
        with self.precision():
            value = self.target.value(batch.privileged, state)
        return (1.0 - mix) * q_target + mix * batch.return_to_go - value

    def update_critic(self, batch: DecisionBatch, q_target: Tensor | None = None) -> dict[str, float]:
        """Take one gradient step on Q and V, let the targets follow, and return the metrics.

        Args:
            batch: Decisions.
            q_target: See `target_q`; computed where it is None.
        """
        q_target = self.target_q(batch) if q_target is None else q_target
        goal = self.goal(batch)
        config, state = self.config, batch.state.detached()
        with self.precision():
            value = self.critic.value(batch.privileged, state)
            q_values = self.critic.q_values(batch.privileged, state, batch.action, batch.hint)
            pixel_loss, metrics = self.pixels.critic(self.critic, batch)
        value_loss, q_loss = expectile_value_loss(q_target, value, config.expectile), td_loss(q_values, goal)
        take_step(self.critic_optimizer, value_loss + q_loss + pixel_loss, self.critic)
        follow(self.target, self.critic, config.target_update_rate)
        losses = {"value_loss": value_loss.item(), "q_loss": q_loss.item(), "value": value.mean().item()}
        return losses | metrics

    def update_actor(self, batch: DecisionBatch, weight: Tensor) -> dict[str, float]:
        """Take one gradient step on the actor and return the metrics.

        Args:
            batch: Decisions.
            weight: Of each, (b,); a person's decision counts at least as much as any.
        """
        weight = intervention_weights(weight, batch.intervention, self.config.online.intervention_weight)
        with self.precision():
            loss, metrics = self.actor.loss(batch.state, batch.action, weight)
            pixel_loss, pixel_metrics = self.pixels.actor(self.actor, batch)
        take_step(self.actor_optimizer, loss + pixel_loss, self.actor)
        self.pixels.follow(self.actor.encoder)
        return {"actor_loss": loss.item(), **metrics, **pixel_metrics}

    def precision(self) -> torch.autocast:
        """Return the arithmetic of forward passes: weights, losses and optimisers stay in single precision."""
        device = next(self.actor.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.config.network.precision == "bf16")

    def _weight_metrics(self, advantage: Tensor, weight: Tensor) -> dict[str, float]:
        config, scale = self.config, self.scale.value
        metrics = {"advantage_scale": scale, "sample_size": float(effective_sample_size(weight))}
        if config.weighting == "exp":
            limit = config.beta * scale * math.log(config.weight_clip)
            metrics["clipped"] = float((centred(advantage) >= limit).float().mean())
        return metrics


def centred(advantage: Tensor) -> Tensor:
    """Return A less its mean over the batch, (b,)."""
    return advantage - advantage.mean()


def take_step(optimizer: torch.optim.Optimizer, loss: Tensor, module: nn.Module) -> None:
    """Take one step down the loss, the gradient's norm clipped at 10."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 10.0)
    optimizer.step()


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, rate: float) -> None:
    """Move a target network towards its source by `rate`: Polyak averaging."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)
