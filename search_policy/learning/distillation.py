"""A privileged expert, distilled into the actor on the demonstrations' states; there is no policy iteration.

The expert is AAWR's improved policy with the privileged input left in: pi*(a | o^p, z), trained on the demonstrations
with the very advantage weights that AAWR gives its actor. The actor then imitates the expert's distribution. Data,
encoder, actor and number of updates are AAWR's.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_policy.learning.aawr import DecisionBatch, Learner, take_step
from search_policy.learning.config import TrainConfig
from search_policy.learning.heads.categorical import CategoricalHead
from search_policy.learning.heads.head import HeadInput
from search_policy.learning.informed import view_hints, with_hints
from search_policy.learning.losses import intervention_weights
from search_policy.learning.networks import Actor, ActorSpec, AgentBatch
from search_policy.observations import ObsGroups


class Expert(nn.Module):
    """pi*(a | o^p, z): the actor's layers, with o^p beside the agent state and its hint beside each view.

    It reads embeddings of the actor's encoder, and is never exported.

    Args:
        spec: Of the actor.
        groups: What o^p holds.
    """

    def __init__(self, spec: ActorSpec, groups: ObsGroups) -> None:
        super().__init__()
        self._groups = groups
        sizes = replace(spec.sizes, features=spec.sizes.features + 1)
        self.policy = Actor(replace(spec, sizes=sizes, code=spec.sizes.privileged))
        self.policy.encoder = nn.Identity()

    def features(self, privileged: Tensor, state: AgentBatch) -> HeadInput:
        """Return what the expert's head sees.

        Args:
            privileged: o^p, (b, o).
            state: Agent states z; they get no gradient.
        """
        hints = view_hints(privileged, self._groups, state.views.shape[1])
        known = replace(state.detached(), views=with_hints(state.views, hints))
        return self.policy.features(known, privileged)


class DistillationLearner(Learner):
    """Trains critic, expert, and the actor that imitates it.

    Args:
        config: Method and hyper-parameters.
        spec: Sizes of the networks.
    """

    def __init__(self, config: TrainConfig, spec: ActorSpec) -> None:
        super().__init__(config, spec)
        self.expert = Expert(spec, config.groups)
        self._expert_optimizer = torch.optim.AdamW(
            self.expert.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )

    def networks(self) -> dict[str, nn.Module]:
        """Return the modules whose weights make up a checkpoint."""
        return {**super().networks(), "expert": self.expert}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers whose moments make up a checkpoint."""
        return {**super().optimizers(), "expert_optimizer": self._expert_optimizer}

    def update_actor(self, batch: DecisionBatch, weight: Tensor) -> dict[str, float]:
        """Train the expert on the weighted decisions, and the actor on what the expert would do.

        Args:
            batch: Decisions.
            weight: Of each, (b,).
        """
        weight = intervention_weights(weight, batch.intervention, self.config.online.intervention_weight)
        with self.precision():
            informed = self.expert.features(batch.privileged, batch.state)
            loss, _ = self.expert.policy.head.loss(informed, batch.action, weight)
        take_step(self._expert_optimizer, loss, self.expert)
        taught = self._teach(batch)
        with self.precision():
            distance = self._distance(batch.state, taught)
            pixel_loss, pixel_metrics = self.pixels.actor(self.actor, batch)
        take_step(self.actor_optimizer, distance + pixel_loss, self.actor)
        self.pixels.follow(self.actor.encoder)
        return {"expert_loss": loss.item(), "actor_loss": distance.item(), **pixel_metrics}

    @torch.no_grad()
    def _teach(self, batch: DecisionBatch) -> Tensor:
        """Return the expert's log probabilities of the views, (b, v), or chunks drawn from it, (b, h, 5)."""
        self.expert.eval()
        with self.precision():
            informed, head = self.expert.features(batch.privileged, batch.state), self.expert.policy.head
            if isinstance(head, CategoricalHead):
                taught = head.log_probabilities(informed)
            else:
                taught = head.act(informed, greedy=False)
        self.expert.train()
        return taught

    def _distance(self, state: AgentBatch, taught: Tensor) -> Tensor:
        """Return the actor's loss: KL over views; over chunks the cross-entropy, estimated from the expert's draws."""
        head = self.actor.head
        if isinstance(head, CategoricalHead):
            return distillation_loss(self.actor.log_probabilities(state), taught)
        return head.loss(self.actor.features(state), taught, torch.ones(len(taught)))[0]


def distillation_loss(log_probabilities: Tensor, expert: Tensor) -> Tensor:
    """Return E[KL(expert || actor)]: policy distillation (arXiv 1511.06295), eq. 3, at temperature 1.

    Args:
        log_probabilities: Of every view under the actor, (b, v).
        expert: Under the expert, without gradient, (b, v).
    """
    return functional.kl_div(log_probabilities, expert, reduction="batchmean", log_target=True)
