"""What the networks are fed and built from, and the actor that chooses views or chunks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robots.errors import UsageError
from search_policy.learning.codes import prior_code
from search_policy.learning.config import NetworkConfig
from search_policy.learning.heads.build import build_head
from search_policy.learning.heads.categorical import CategoricalHead
from search_policy.learning.heads.config import CATEGORICAL, HeadConfig
from search_policy.learning.heads.head import HeadInput
from search_policy.learning.layers import dense
from search_policy.learning.recall.config import MemoryConfig
from search_policy.learning.recall.history import Recollection
from search_policy.learning.recall.modules import build_recall
from search_policy.observations import IMAGE_PX, AgentState
from search_policy.pixels.encoders import build_encoder


@dataclass(frozen=True, slots=True)
class InputSizes:
    """Sizes of what the networks are fed.

    Attributes:
        proprioception: Length of the proprioception vector.
        seen_map: Channels, shelves and columns of the seen-map.
        views: Number of candidate views.
        features: Features of each view.
        privileged: Length of the critic's privileged vector; 0 for a symmetric critic.
        chunk: Steps and entries of a chunk of twists; (0, 0) where actions are views.
    """

    proprioception: int
    seen_map: tuple[int, int, int]
    views: int
    features: int
    privileged: int = 0
    chunk: tuple[int, int] = (0, 0)

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
        history: Embedding and memory of the last k decision frames of the same episode, oldest first,
            (b, k, embedding + memory); None where nothing is remembered.
        history_mask: True where the history holds a frame, (b, k) bool.
    """

    embedding: Tensor
    memory: Tensor
    views: Tensor
    mask: Tensor
    history: Tensor | None = None
    history_mask: Tensor | None = None

    def detached(self) -> AgentBatch:
        """Return the same states without gradient: what the critic conditions on."""
        history = None if self.history is None else self.history.detach()
        return AgentBatch(self.embedding.detach(), self.memory, self.views, self.mask, history, self.history_mask)

    @property
    def token(self) -> Tensor:
        """Embedding and memory of the newest frame, (b, embedding + memory)."""
        return torch.cat([self.embedding, self.memory], dim=1)


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """Everything needed to rebuild an actor around its weights.

    Attributes:
        sizes: Of its inputs and actions.
        network: Widths.
        head: Kind of head.
        policy: Sizes of heads over chunks.
        recall: Memory of the running episode.
        code: Length of the code that the actor reads beside the agent state; 0 for none.
    """

    sizes: InputSizes
    network: NetworkConfig = field(default_factory=NetworkConfig)
    head: str = CATEGORICAL
    policy: HeadConfig = field(default_factory=HeadConfig)
    recall: MemoryConfig = field(default_factory=MemoryConfig)
    code: int = 0

    @property
    def token(self) -> int:
        """Length of a frame's token."""
        return self.network.embedding + self.sizes.memory


class Actor(nn.Module):
    """pi(a | z): embeds the agent state, remembers the episode, and lets a head choose.

    It has no input for anything privileged.
    """

    _read: Tensor

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        self.spec = spec
        width, dropout = spec.network.actor, spec.network.dropout
        self.encoder = build_encoder(spec.network.encoder, spec.network.embedding)
        self.recall = build_recall(spec.recall, spec.token)
        self.register_buffer("_read", _read(spec), persistent=False)
        self.trunk = dense(spec.token + self.recall.width + spec.code, width, width // 2, dropout=dropout)
        self.head = build_head(spec, width // 2)

    def features(self, batch: AgentBatch, code: Tensor | None = None) -> HeadInput:
        """Return what the head sees of agent states.

        Args:
            batch: Agent states.
            code: For an actor that reads codes, (b, c); drawn from its prior where it is None.
        """
        token = batch.token * self._read
        history = None if batch.history is None else batch.history * self._read
        told = [token, self.recall(token, history, batch.history_mask)]
        if self.spec.code:
            told.append(prior_code(token, self.spec.code) if code is None else code)
        shared = torch.relu(self.trunk(torch.cat(told, dim=1)))
        return HeadInput(shared, batch.views, batch.mask)

    def loss(self, batch: AgentBatch, action: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the head's weighted regression loss, (), and its metrics."""
        return self.head.loss(self.features(batch), action, weight)

    def log_probability(self, batch: AgentBatch, action: Tensor) -> Tensor:
        """Return log pi(a | z), (b,).

        Args:
            batch: Agent states.
            action: Views (b,), or chunks (b, h, 5).

        Raises:
            UsageError: The head has no density in closed form.
        """
        return self.head.log_probability(self.features(batch), action)

    def act(self, batch: AgentBatch, *, greedy: bool, generator: torch.Generator | None = None) -> Tensor:
        """Return actions: views (b,), or chunks (b, h, 5) in [-1, 1].

        Args:
            batch: Agent states.
            greedy: Take the most probable action; otherwise draw one.
            generator: Where the draw comes from; torch's own without it.
        """
        return self.head.act(self.features(batch), greedy=greedy, generator=generator)

    def logits(self, batch: AgentBatch) -> Tensor:
        """Return the views' logits, masked ones far below all others, (b, v)."""
        return self._choice.logits(self.features(batch))

    def log_probabilities(self, batch: AgentBatch) -> Tensor:
        """Return log pi(a | z) of every view, (b, v)."""
        return self._choice.log_probabilities(self.features(batch))

    def recollection(self) -> Recollection:
        """Return an empty memory of a running episode."""
        return Recollection(self.spec.recall.frames, self.spec.token)

    def embed(self, state: AgentState, recollection: Recollection | None = None) -> AgentBatch:
        """Return one agent state as a batch of one, with what is remembered of its episode."""
        history, mask = (recollection or self.recollection()).history()
        memory = np.concatenate([state.proprioception, state.seen_map.ravel()])
        return AgentBatch(
            self.encoder(torch.tensor(state.image)[None]),
            torch.tensor(memory)[None],
            torch.tensor(state.views)[None],
            torch.tensor(state.mask)[None],
            history,
            mask,
        )

    def remember(self, state: AgentState, recollection: Recollection) -> None:
        """Add an agent state that was decided on to what is remembered; costs nothing where nothing is remembered."""
        if self.spec.recall.frames:
            with torch.inference_mode():
                recollection.add(self.embed(state).token)

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
        with torch.inference_mode():
            self.act(self.embed(empty), greedy=True)

    def probabilities(self, state: AgentState, recollection: Recollection | None = None) -> NDArray[np.float64]:
        """Return pi(a | z) of one agent state, (v,).

        Raises:
            UsageError: The actor chooses chunks, not views.
        """
        with torch.inference_mode():
            logits = self.logits(self.embed(state, recollection))[0].double()
            return np.asarray(torch.softmax(logits, dim=0).numpy())

    @property
    def _choice(self) -> CategoricalHead:
        if not isinstance(self.head, CategoricalHead):
            raise UsageError(f"An actor with the head {self.spec.head} chooses chunks of twists, not views.")
        return self.head


def _read(spec: ActorSpec) -> Tensor:
    """Return 1 where the actor reads its token, 0 elsewhere, (token,)."""
    memory = spec.sizes.memory - spec.sizes.proprioception
    lengths = {"image": spec.network.embedding, "proprioception": spec.sizes.proprioception, "seen_map": memory}
    return torch.cat([torch.full((size,), float(name in spec.network.reads)) for name, size in lengths.items()])
