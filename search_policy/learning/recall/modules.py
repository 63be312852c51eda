"""Memories of earlier decision frames: each maps the newest frame and its predecessors to a vector.

A frame is a token: image embedding, proprioception and flattened seen-map of one decision. Tokens come oldest first;
slots before the episode's first decision are masked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from search_policy.learning.recall.config import HEADS, MemoryConfig


class Recall(nn.Module, ABC):
    """What is remembered, (b, width).

    Attributes:
        width: Length of the result.
    """

    width: int

    @abstractmethod
    def forward(self, token: Tensor, history: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return what is remembered.

        Args:
            token: The newest frame, (b, t).
            history: Earlier frames of the same episode, oldest first, (b, k, t).
            mask: True where a slot holds a frame, (b, k) bool.
        """


class NoRecall(Recall):
    """Remembers nothing: width 0."""

    width = 0

    def forward(self, token: Tensor, history: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return (b, 0)."""
        return token[:, :0]


class WindowRecall(Recall):
    """The last k frames side by side, each projected by the same layer; empty slots are zero."""

    def __init__(self, token: int, config: MemoryConfig) -> None:
        super().__init__()
        self.width = config.length * config.width
        self.project = nn.Linear(token, config.width)

    def forward(self, token: Tensor, history: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return (b, k * width), slot by slot."""
        history, mask = _given(history, mask)
        return (torch.relu(self.project(history)) * mask[:, :, None]).flatten(1)


class GruRecall(Recall):
    """The state of a gated recurrent unit (arXiv 1406.1078) after the last k frames; empty slots leave it at zero."""

    def __init__(self, token: int, config: MemoryConfig) -> None:
        super().__init__()
        self.width = config.width
        self.project = nn.Linear(token, config.width)
        self.cell = nn.GRUCell(config.width, config.width)

    def forward(self, token: Tensor, history: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return (b, width)."""
        history, mask = _given(history, mask)
        inputs = torch.relu(self.project(history))
        state = inputs.new_zeros(len(inputs), self.width)
        for slot in range(inputs.shape[1]):
            state = torch.where(mask[:, slot, None], self.cell(inputs[:, slot], state).to(state.dtype), state)
        return state


class AttentionRecall(Recall):
    """Attention (arXiv 1706.03762) of the newest frame over itself and the last k, each with its age."""

    def __init__(self, token: int, config: MemoryConfig) -> None:
        super().__init__()
        self.width = config.width
        self.project = nn.Linear(token, config.width)
        self.age = nn.Parameter(0.02 * torch.randn(config.length + 1, config.width))
        self.attention = nn.MultiheadAttention(config.width, HEADS, batch_first=True)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, token: Tensor, history: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return (b, width)."""
        history, mask = _given(history, mask)
        tokens = torch.cat([history, token[:, None]], dim=1)
        empty = torch.cat([~mask, mask.new_zeros(len(mask), 1)], dim=1)
        keys = self.project(tokens) + self.age
        found, _ = self.attention(keys[:, -1:], keys, keys, key_padding_mask=empty, need_weights=False)
        return cast("Tensor", self.norm(found[:, 0] + keys[:, -1]))


def build_recall(config: MemoryConfig, token: int) -> Recall:
    """Return a memory with fresh weights.

    Args:
        config: Kind, length and width.
        token: Length of a frame's token.
    """
    if config.kind == "none":
        return NoRecall()
    kinds: dict[str, Callable[[int, MemoryConfig], Recall]] = {
        "window": WindowRecall,
        "gru": GruRecall,
        "attention": AttentionRecall,
    }
    return kinds[config.kind](token, config)


def _given(history: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    if history is None or mask is None:
        raise ValueError("a memory needs the batch's history; build it with `history_of` or a `Recollection`.")
    return history, mask
