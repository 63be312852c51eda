"""The variational information bottleneck: o^p reaches the policy in training as a noisy code, and not afterwards.

The policy pi(a | z, c) is trained with AAWR's weights on codes c ~ q(c | o^p, z), and every nat that the code tells is
paid for: weight * KL(q || prior), prior N(0, I) (arXiv 1612.00410, eq. 17; between goal and policy: arXiv 1901.10902).
At deployment the exported `Actor` draws its code from the prior: it has no input that could hold o^p.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from search_policy.learning.aawr import DecisionBatch, Learner
from search_policy.learning.config import TrainConfig
from search_policy.learning.layers import dense, linear_at
from search_policy.learning.losses import intervention_weights
from search_policy.learning.networks import ActorSpec, AgentBatch

_LOG_STD = (-5.0, 2.0)
_INITIAL_LOG_STD = -2.0  # as noisy as the prior from the start, a code is given up before the critic knows its worth


class Bottleneck(nn.Module):
    """q(c | o^p, z): mean and log standard deviation of a code. It is never exported.

    Args:
        spec: Of the actor, its code included.
    """

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        width = spec.network.actor
        self.layers = dense(spec.sizes.privileged + spec.token, width, width // 2, 2 * spec.code)
        with torch.no_grad():
            linear_at(self.layers, -1).bias[spec.code :] += _INITIAL_LOG_STD

    def forward(self, privileged: Tensor, state: AgentBatch) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation, (b, c) each; agent states z get no gradient."""
        mean, log_std = self.layers(torch.cat([privileged, state.detached().token], dim=1)).float().chunk(2, dim=1)
        return mean, log_std.clamp(*_LOG_STD)


class VibLearner(Learner):
    """Trains critic, bottleneck, and the actor that reads codes.

    Args:
        config: Method and hyper-parameters.
        spec: Sizes of the networks.
    """

    def __init__(self, config: TrainConfig, spec: ActorSpec) -> None:
        super().__init__(config, replace(spec, code=config.vib.code))
        self.bottleneck = Bottleneck(self.actor.spec)
        self._bottleneck_optimizer = torch.optim.Adam(self.bottleneck.parameters(), config.learning_rate)

    def networks(self) -> dict[str, nn.Module]:
        """Return the modules whose weights make up a checkpoint."""
        return {**super().networks(), "bottleneck": self.bottleneck}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers whose moments make up a checkpoint."""
        return {**super().optimizers(), "bottleneck_optimizer": self._bottleneck_optimizer}

    def update_actor(self, batch: DecisionBatch, weight: Tensor) -> dict[str, float]:
        """Take one gradient step on actor and bottleneck together.

        Args:
            batch: Decisions.
            weight: Of each, (b,).
        """
        weight = intervention_weights(weight, batch.intervention, self.config.online.intervention_weight)
        with self.precision():
            mean, log_std = self.bottleneck(batch.privileged, batch.state)
            code = mean + log_std.exp() * torch.randn_like(mean)
            regression, metrics = self.actor.head.loss(self.actor.features(batch.state, code), batch.action, weight)
            pixel_loss, pixel_metrics = self.pixels.actor(self.actor, batch)
        told = information(mean, log_std).mean()
        self._descend(regression + self.config.vib.weight * told + pixel_loss)
        self.pixels.follow(self.actor.encoder)
        return {"actor_loss": regression.item(), "information_nats": told.item(), **metrics, **pixel_metrics}

    def _descend(self, loss: Tensor) -> None:
        trained = ((self.actor_optimizer, self.actor), (self._bottleneck_optimizer, self.bottleneck))
        for optimizer, _ in trained:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer, module in trained:
            nn.utils.clip_grad_norm_(module.parameters(), 10.0)
            optimizer.step()


def information(mean: Tensor, log_std: Tensor) -> Tensor:
    """Return KL(N(mean, std^2) || N(0, I)) = sum (mean^2 + std^2 - 1) / 2 - log std [nats], (b,).

    VIB (arXiv 1612.00410), section 3; the closed form is that of arXiv 1312.6114, appendix B.

    Args:
        mean: (b, c).
        log_std: (b, c).
    """
    return (0.5 * (mean.square() + (2.0 * log_std).exp() - 1.0) - log_std).sum(dim=1)
