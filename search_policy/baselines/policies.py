"""The shared actor as PPO and SAC use it: sampled, its log probability and entropy with gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from search_policy.baselines.config import BaselineConfig
from search_policy.episodes.protocols import SearchAction
from search_policy.learning.config import TWIST
from search_policy.learning.heads.categorical import CategoricalHead
from search_policy.learning.heads.squashed import SquashedHead
from search_policy.learning.networks import Actor, ActorSpec, AgentBatch, InputSizes
from search_policy.twist.config import AXES


class Policy:
    """pi(a | z); its encoder is frozen, the rest is trained.

    Args:
        actor: Chooses views, or chunks.
    """

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return what is trained: everything but the encoder."""
        return (value for name, value in self.actor.named_parameters() if not name.startswith("encoder."))

    def evaluate(self, state: AgentBatch, action: Tensor) -> tuple[Tensor, Tensor]:
        """Return log pi of the taken actions, (b,), and the entropy, (b,); of a squashed Gaussian that of the Gaussian.

        Args:
            state: Agent states.
            action: Views (b,), or chunks (b, h, 5).
        """
        features, head = self.actor.features(state), self.actor.head
        if isinstance(head, CategoricalHead):
            every = head.log_probabilities(features)
            return every.gather(1, action[:, None]).squeeze(1), entropy(every)
        assert isinstance(head, SquashedHead), "build_policy makes no other heads"
        return head.log_probability(features, action), head.spread(features)

    @torch.no_grad()
    def sample(self, state: AgentBatch) -> SearchAction:
        """Draw an action for a batch of one."""
        action = self.actor.act(state, greedy=False)[0]
        return int(action.item()) if action.ndim == 0 else action.numpy()


def entropy(log_probabilities: Tensor) -> Tensor:
    """Return the entropy of choices (b, v) [nats], (b,); masked ones add nothing."""
    return -(log_probabilities.exp() * log_probabilities.clamp(min=-50.0)).sum(dim=1)


def build_policy(config: BaselineConfig, sizes: InputSizes) -> Policy:
    """Return a policy with fresh weights.

    Args:
        config: Widths, and whether actions are views or chunks.
        sizes: Of its inputs.
    """
    chunk = (config.twist.horizon, len(AXES)) if config.action_space == TWIST else (0, 0)
    network = replace(config.network, dropout=0.0)
    return Policy(Actor(ActorSpec(replace(sizes, chunk=chunk), network, config.head)))
