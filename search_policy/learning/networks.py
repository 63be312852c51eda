"""The networks: a small image encoder, an actor that scores candidate views, twin critics and a value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search_policy.learning.config import NetworkConfig
from search_policy.observations import IMAGE_PX, AgentState
from search_policy.pixels.encoders import build_encoder

MASKED_LOGIT = -1e9


@dataclass(frozen=True, slots=True)
class InputSizes:
    """Sizes of what the networks are fed.

    Attributes:
        proprioception: Length of the proprioception vector.
        seen_map: Channels, shelves and columns of the seen-map.
        views: Number of candidate views.
        features: Features of each view.
        privileged: Length of the critic's privileged vector; 0 for a symmetric critic.
    """

    proprioception: int
    seen_map: tuple[int, int, int]
    views: int
    features: int
    privileged: int = 0

    @property
    def memory(self) -> int:
        """Length of proprioception and flattened seen-map together."""
        channels, shelves, columns = self.seen_map
        return self.proprioception + channels * shelves * columns


@dataclass(frozen=True, slots=True, eq=False)
class AgentBatch:
    """A batch of agent states whose images are already embedded.

    Attributes:
        embedding: (b, embedding).
        memory: Proprioception and flattened seen-map, (b, memory).
        views: (b, v, f).
        mask: (b, v) bool.
    """

    embedding: Tensor
    memory: Tensor
    views: Tensor
    mask: Tensor

    def detached(self) -> AgentBatch:
        """Return the same states without gradient: what the critic conditions on."""
        return AgentBatch(self.embedding.detach(), self.memory, self.views, self.mask)


def dense(*widths: int, norm: bool = False, dropout: float = 0.0) -> nn.Sequential:
    """Return linear layers with ReLU in between, hidden ones with LayerNorm when `norm` is set, and with dropout."""
    layers: list[nn.Module] = []
    for index in range(len(widths) - 1):
        layers.append(nn.Linear(widths[index], widths[index + 1]))
        if index < len(widths) - 2:
            layers.extend([nn.LayerNorm(widths[index + 1]), nn.ReLU()] if norm else [nn.ReLU()])
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """Everything needed to rebuild an actor around its weights."""

    sizes: InputSizes
    network: NetworkConfig = field(default_factory=NetworkConfig)


class Actor(nn.Module):
    """pi(a | z): scores each candidate view from its features and a shared embedding of the agent state.

    It has no input for anything privileged.
    """

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        self.spec = spec
        width, dropout = spec.network.actor, spec.network.dropout
        self.encoder = build_encoder(spec.network.encoder, spec.network.embedding)
        self.trunk = dense(spec.network.embedding + spec.sizes.memory, width, width // 2, dropout=dropout)
        self.scorer = dense(width // 2 + spec.sizes.features, width, 1, dropout=dropout)
        self.bias = nn.Linear(width // 2, spec.sizes.views)

    def logits(self, batch: AgentBatch) -> Tensor:
        """Return the views' logits, masked ones far below all others, (b, v)."""
        shared = torch.relu(self.trunk(torch.cat([batch.embedding, batch.memory], dim=1)))
        spread = shared[:, None, :].expand(-1, batch.views.shape[1], -1)
        scores = self.scorer(torch.cat([spread, batch.views], dim=2)).squeeze(2)
        return torch.where(batch.mask, scores + self.bias(shared), MASKED_LOGIT)

    def log_probabilities(self, batch: AgentBatch) -> Tensor:
        """Return log pi(a | z) of every view, (b, v)."""
        return torch.log_softmax(self.logits(batch), dim=1)

    def embed(self, state: AgentState) -> AgentBatch:
        """Return one agent state as a batch of one."""
        memory = np.concatenate([state.proprioception, state.seen_map.ravel()])
        return AgentBatch(
            self.encoder(torch.tensor(state.image)[None]),
            torch.tensor(memory)[None],
            torch.tensor(state.views)[None],
            torch.tensor(state.mask)[None],
        )

    def warm(self) -> None:
        """Run once on an empty agent state: torch's first call takes several control periods, the later ones one."""
        sizes = self.spec.sizes
        empty = AgentState(
            image=np.zeros((IMAGE_PX, IMAGE_PX, 3), np.uint8),
            proprioception=np.zeros(sizes.proprioception, np.float32),
            seen_map=np.zeros(sizes.seen_map, np.float32),
            views=np.zeros((sizes.views, sizes.features), np.float32),
            mask=np.ones(sizes.views, dtype=bool),
        )
        self.probabilities(empty)

    def probabilities(self, state: AgentState) -> NDArray[np.float64]:
        """Return pi(a | z) of one agent state, (v,)."""
        with torch.inference_mode():
            logits = self.logits(self.embed(state))[0].double()
            return np.asarray(torch.softmax(logits, dim=0).numpy())


class Critic(nn.Module):
    """Twin Q(o^p, z, a) over the views and V(o^p, z): LayerNorm, one trunk each; z comes without gradient."""

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        state = spec.network.embedding + spec.sizes.memory + spec.sizes.privileged
        width, dropout = spec.network.critic, spec.network.dropout
        self.trunks = nn.ModuleList([dense(state, width, width // 2, norm=True, dropout=dropout) for _ in range(3)])
        per_view = width // 2 + spec.sizes.features + 1
        self.heads = nn.ModuleList([dense(per_view, width // 2, 1, norm=True) for _ in range(2)])
        self.value_head = nn.Linear(width // 2, 1)

    def q_values(self, privileged: Tensor, batch: AgentBatch, action: Tensor, hint: Tensor) -> Tensor:
        """Return Q_i of the taken views, (2, b).

        Args:
            privileged: o^p, (b, o); o may be 0.
            batch: Agent states z.
            action: Indices of the taken views, (b,).
            hint: The privileged entry about the taken view itself, (b,); zero for a symmetric critic.
        """
        state = self._state(privileged, batch)
        taken = batch.views[torch.arange(len(action)), action]
        identity = torch.cat([taken, hint[:, None]], dim=1)
        values = [
            head(torch.cat([torch.relu(trunk(state)), identity], dim=1)).squeeze(1)
            for trunk, head in zip(self.trunks, self.heads, strict=False)
        ]
        return torch.stack(values)

    def value(self, privileged: Tensor, batch: AgentBatch) -> Tensor:
        """Return V, (b,)."""
        value: Tensor = self.value_head(torch.relu(self.trunks[2](self._state(privileged, batch)))).squeeze(1)
        return value

    def _state(self, privileged: Tensor, batch: AgentBatch) -> Tensor:
        return torch.cat([privileged, batch.embedding, batch.memory], dim=1)
