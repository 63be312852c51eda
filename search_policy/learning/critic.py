"""The critic: an ensemble of Q and one V, of privileged information and agent state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_policy.learning.layers import dense
from search_policy.learning.networks import ActorSpec, AgentBatch
from search_policy.learning.recall.modules import build_recall


class Critic(nn.Module):
    """Q_i(o^p, z, a) and V(o^p, z): LayerNorm, one trunk each; z comes without gradient.

    It remembers the running episode through a memory of its own: the actor's moves with the actor's loss, and targets
    would move with it.
    """

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        self.recall = build_recall(spec.recall, spec.token)
        state = spec.token + self.recall.width + spec.sizes.privileged
        width, dropout, count = spec.network.critic, spec.network.dropout, spec.network.critics
        self.trunks = nn.ModuleList(
            [dense(state, width, width // 2, norm=True, dropout=dropout) for _ in range(count + 1)]
        )
        steps, entries = spec.sizes.chunk
        taken = steps * entries if steps else spec.sizes.features + 1
        self.heads = nn.ModuleList([dense(width // 2 + taken, width // 2, 1, norm=True) for _ in range(count)])
        self.value_head = nn.Linear(width // 2, 1)

    def q_values(self, privileged: Tensor, batch: AgentBatch, action: Tensor, hint: Tensor) -> Tensor:
        """Return Q_i of the taken actions, (critics, b).

        Args:
            privileged: o^p, (b, o); o may be 0.
            batch: Agent states z.
            action: Indices of the taken views, (b,), or chunks, (b, h, 5).
            hint: The privileged entry about the taken view itself, (b,); zero for a symmetric critic.
        """
        state, taken = self._state(privileged, batch), _taken(batch, action, hint)
        values = [
            head(torch.cat([torch.relu(trunk(state)), taken], dim=1)).squeeze(1)
            for trunk, head in zip(self.trunks, self.heads, strict=False)
        ]
        return torch.stack(values).float()

    def every_q(self, privileged: Tensor, batch: AgentBatch, hints: Tensor) -> Tensor:
        """Return Q_i of every view, (critics, b, v).

        Args:
            privileged: o^p, (b, o).
            batch: Agent states z.
            hints: The privileged entry about every view, (b, v); zero for a symmetric critic.
        """
        state, told = self._state(privileged, batch), torch.cat([batch.views, hints[:, :, None]], dim=2)
        values = []
        for head, trunk in zip(self.heads, self.trunks, strict=False):
            shared = torch.relu(trunk(state))[:, None].expand(-1, told.shape[1], -1)
            values.append(head(torch.cat([shared, told], dim=2)).squeeze(2))
        return torch.stack(values).float()

    def value(self, privileged: Tensor, batch: AgentBatch) -> Tensor:
        """Return V, (b,)."""
        value: Tensor = self.value_head(torch.relu(self.trunks[-1](self._state(privileged, batch)))).squeeze(1)
        return value.float()

    def _state(self, privileged: Tensor, batch: AgentBatch) -> Tensor:
        token = batch.token
        recalled = self.recall(token, batch.history, batch.history_mask)
        return torch.cat([privileged, token, recalled], dim=1)


def _taken(batch: AgentBatch, action: Tensor, hint: Tensor) -> Tensor:
    """Return what tells the taken action: the view's features and hint (b, f + 1), or the chunk (b, h * 5)."""
    if action.ndim > 1:
        return action.flatten(1)
    return torch.cat([batch.views[torch.arange(len(action)), action], hint[:, None]], dim=1)
