"""AAWR's actor loss over every open view instead of the demonstrated one: the same expectation without its noise.

AAWR (arXiv 2512.01188) weighs log pi(a | z) by exp(A / beta) in expectation over the demonstrator's choices, and
estimates that from one choice per state. Where choices are few, the critic can be asked about all of them:

    L_pi = -E_(o^p, z) [ sum_a mu(a | z) exp(A(o^p, z, a) / beta) log pi(a | z) ],   mu uniform over the open views

which is the loss for a demonstrator that draws views at random. Every state then teaches about every view, not about
the one that was taken; in exchange the critic must generalise to views that were not taken there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from search_policy.learning.aawr import DecisionBatch, Learner, take_step
from search_policy.learning.losses import advantage_weights, effective_sample_size


class OpenChoiceLearner(Learner):
    """Learns as `Learner` does, but its actor's loss takes every open view's weight."""

    def update(self, batch: DecisionBatch) -> dict[str, float]:
        """Take one gradient step on critic and actor and return the metrics."""
        advantage, open_views = self.open_advantage(batch), batch.state.mask
        metrics = self.update_critic(batch)
        scale = self.scale.update(advantage[open_views])
        weight = self.open_weights(advantage, open_views, scale)
        metrics |= self._step(batch, weight)
        size = float(effective_sample_size(weight[open_views]))
        return metrics | {"advantage_scale": scale, "sample_size": size}

    @torch.no_grad()
    def open_advantage(self, batch: DecisionBatch) -> Tensor:
        """Return A(o^p, z, a) = min_i Qtarget_i - Vtarget of every view, (b, v)."""
        assert batch.hints is not None, "a batch of views has hints"
        state = batch.state.detached()
        with self.precision():
            q = self.target.every_q(batch.privileged, state, batch.hints).min(dim=0).values
            return q - self.target.value(batch.privileged, state)[:, None]

    def open_weights(self, advantage: Tensor, open_views: Tensor, scale: float) -> Tensor:
        """Return the weight of every view, (b, v): zero where it is not open, one in the mean over the others.

        A decision that a person took stands for its state alone, with `online.intervention_weight`; see `_step`.

        Args:
            advantage: (b, v).
            open_views: (b, v) bool.
            scale: Running scale of the advantage.
        """
        centred = advantage - advantage[open_views].mean()
        weight = advantage_weights(centred, scale, self.config.beta, self.config.weight_clip) * open_views
        return weight / weight[open_views].mean().clamp(min=1e-6)

    def _step(self, batch: DecisionBatch, weight: Tensor) -> dict[str, float]:
        """Take one step on the actor; mu is uniform over the open views."""
        share = weight / batch.state.mask.sum(dim=1, keepdim=True)
        taken = torch.nn.functional.one_hot(batch.action, weight.shape[1]) * self.config.online.intervention_weight
        share = torch.where(batch.intervention[:, None] > 0.0, taken.to(share.dtype), share)
        with self.precision():
            every = self.actor.log_probabilities(batch.state).clamp(min=-50.0)
            loss = -(share * every).sum(dim=1).mean()
            pixel_loss, pixel_metrics = self.pixels.actor(self.actor, batch)
        take_step(self.actor_optimizer, loss + pixel_loss, self.actor)
        self.pixels.follow(self.actor.encoder)
        entropy = -(every.exp() * every).sum(dim=1).mean()
        return {"actor_loss": loss.item(), "entropy": entropy.item(), **pixel_metrics}
