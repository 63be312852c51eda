"""What DrAC and CURL add to the losses of actor and critic while the encoder is trained end to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from robots.errors import UsageError
from search_policy.learning.heads.categorical import CategoricalHead
from search_policy.learning.heads.head import Head
from search_policy.pixels.contrast import Contrast
from search_policy.pixels.losses import categorical_divergence, sampled_divergence, value_difference

if TYPE_CHECKING:
    from search_policy.learning.aawr import DecisionBatch
    from search_policy.learning.critic import Critic
    from search_policy.learning.networks import Actor, AgentBatch
    from search_policy.pixels.config import PixelConfig

Term = tuple[Tensor | float, dict[str, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Other looks at the images of a batch's current frames.

    Attributes:
        state: The same agent states through augmented copies, for DrAC; None without it.
        keys: Augmented images (b, h, w, 3), CURL's keys; None without it.
    """

    state: AgentBatch | None = None
    keys: Tensor | None = None


class PixelTerms:
    """DrAC's and CURL's terms; empty unless the encoder is trained end to end.

    Args:
        config: Weights.
        actor: Its encoder gets a momentum copy for CURL.

    Raises:
        UsageError: DrAC is asked of a head without a density.
    """

    def __init__(self, config: PixelConfig, actor: Actor) -> None:
        self._config, live = config, config.training == "end_to_end"
        if live and config.drac > 0.0 and type(actor.head).log_probability is Head.log_probability:
            raise UsageError(f"pixels.drac compares densities, and the head {actor.spec.head} has none; set it to 0.")
        self.contrast: Contrast | None = None
        if live and config.curl > 0.0:
            self.contrast = Contrast(actor.encoder, actor.spec.network.embedding, config.curl_momentum)

    def networks(self) -> dict[str, nn.Module]:
        """Return what a checkpoint must hold."""
        return {} if self.contrast is None else {"contrast": self.contrast}

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield what the actor's optimiser trains."""
        if self.contrast is not None:
            yield self.contrast.bilinear

    def follow(self, encoder: nn.Module) -> None:
        """Move CURL's momentum encoder: after every step of the actor."""
        if self.contrast is not None:
            self.contrast.follow(encoder)

    def actor(self, actor: Actor, batch: DecisionBatch) -> Term:
        """Return the weighted terms of the actor's loss, which train the encoder, and the metrics."""
        copies = batch.copies
        loss: Tensor | float = 0.0
        metrics: dict[str, float] = {}
        if copies is not None and copies.state is not None:
            drac = policy_divergence(actor, batch.state, copies.state)
            loss, metrics = loss + self._config.drac * drac, {"drac_policy": drac.item()}
        if copies is not None and copies.keys is not None and self.contrast is not None:
            query = batch.state if copies.state is None else copies.state
            curl = self.contrast.loss(query.embedding, copies.keys)
            loss, metrics = loss + self._config.curl * curl, {**metrics, "curl_loss": curl.item()}
        return loss, metrics

    def critic(self, critic: Critic, batch: DecisionBatch) -> Term:
        """Return the weighted term of the critic's loss; agent states come without gradient."""
        if batch.copies is None or batch.copies.state is None:
            return 0.0, {}
        values = [critic.value(batch.privileged, z.detached()) for z in (batch.state, batch.copies.state)]
        drac = value_difference(*values)
        return self._config.drac * drac, {"drac_value": drac.item()}


def policy_divergence(actor: Actor, state: AgentBatch, augmented: AgentBatch) -> Tensor:
    """Return DrAC's G_pi: exact for a choice among views, from one drawn action per state for chunks.

    Args:
        actor: pi.
        state: Agent states, images as they are.
        augmented: The same through augmented images.
    """
    if isinstance(actor.head, CategoricalHead):
        return categorical_divergence(actor.log_probabilities(state), actor.log_probabilities(augmented))
    with torch.no_grad():
        action = actor.act(state, greedy=False)
    return sampled_divergence(actor.log_probability(state, action), actor.log_probability(augmented, action))
