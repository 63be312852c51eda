"""The critics of the baselines: each sees o^p and, without gradient, z; the actor is the shared one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_policy.learning.informed import view_hints, with_hints
from search_policy.learning.layers import dense
from search_policy.learning.networks import ActorSpec, AgentBatch
from search_policy.observations import ObsGroups

ENSEMBLE = 2


def critic_input(privileged: Tensor, state: AgentBatch) -> Tensor:
    """Return (o^p, z) without gradient, (b, o + embedding + memory)."""
    return torch.cat([privileged, state.embedding.detach(), state.memory], dim=1)


def input_width(spec: ActorSpec) -> int:
    """Return the length of `critic_input`."""
    return spec.network.embedding + spec.sizes.memory + spec.sizes.privileged


class StateValue(nn.Module):
    """V(o^p, z): the views' features, the mask included, are part of z."""

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        width, views = spec.network.critic, spec.sizes.views * (spec.sizes.features + 1)
        self.layers = dense(input_width(spec) + views, width, width // 2, 1, norm=True)

    def forward(self, privileged: Tensor, state: AgentBatch) -> Tensor:
        """Return V, (b,)."""
        views = torch.cat([state.views.flatten(1), state.mask.float()], dim=1)
        value: Tensor = self.layers(torch.cat([critic_input(privileged, state), views], dim=1)).squeeze(1)
        return value


class ViewQ(nn.Module):
    """Twin Q(o^p, z, a) of every view at once: one trunk, and one head that is shared by the views.

    Args:
        spec: Sizes of the networks.
        groups: Tells whether o^p says which views show the target; that entry then goes to each view's own head.
    """

    def __init__(self, spec: ActorSpec, groups: ObsGroups) -> None:
        super().__init__()
        width = spec.network.critic
        self._groups, self._views = groups, spec.sizes.views
        self.trunks = nn.ModuleList([dense(input_width(spec), width, width // 2, norm=True) for _ in range(ENSEMBLE)])
        per_view = width // 2 + spec.sizes.features + 1
        self.heads = nn.ModuleList([dense(per_view, width // 2, 1, norm=True) for _ in range(ENSEMBLE)])

    def forward(self, privileged: Tensor, state: AgentBatch) -> Tensor:
        """Return Q_i of every view, (2, b, v)."""
        told = critic_input(privileged, state)
        per_view = with_hints(state.views, view_hints(privileged, self._groups, self._views))
        values = []
        for trunk, head in zip(self.trunks, self.heads, strict=True):
            shared = torch.relu(trunk(told))[:, None, :].expand(-1, self._views, -1)
            values.append(head(torch.cat([shared, per_view], dim=2)).squeeze(2))
        return torch.stack(values)


class ChunkQ(nn.Module):
    """Twin Q(o^p, z, a) of one chunk of twists."""

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        action = spec.sizes.chunk[0] * spec.sizes.chunk[1]
        width = spec.network.critic
        self.layers = nn.ModuleList(
            [dense(input_width(spec) + action, width, width // 2, 1, norm=True) for _ in range(ENSEMBLE)]
        )

    def forward(self, privileged: Tensor, state: AgentBatch, action: Tensor) -> Tensor:
        """Return Q_i, (2, b), of chunks (b, h, 5) or (b, h * 5)."""
        told = torch.cat([critic_input(privileged, state), action.flatten(1)], dim=1)
        return torch.stack([layers(told).squeeze(1) for layers in self.layers])
