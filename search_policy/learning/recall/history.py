"""Which earlier frames a decision remembers: by index in training, as a queue while acting."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def history_index(episode: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the `length` frames before each frame, oldest first, and which of them are of the same episode.

    Args:
        episode: Number of each frame's episode; the frames of an episode lie side by side, in order, (n,).
        length: k.

    Returns:
        Indices (n, k), 0 where the mask is False, and the mask (n, k).
    """
    index = np.arange(len(episode))[:, None] + np.arange(-length, 0)[None, :]
    mask = (index >= 0) & (episode[np.maximum(index, 0)] == episode[:, None])
    return np.where(mask, index, 0), mask


class Recollection:
    """The running episode's last k tokens, for an actor that acts.

    Args:
        length: k; 0 remembers nothing.
        token: Length of a token.
    """

    def __init__(self, length: int, token: int) -> None:
        self._length, self._token = length, token
        self._tokens: deque[Tensor] = deque(maxlen=length)

    def __len__(self) -> int:
        return len(self._tokens)

    def clear(self) -> None:
        """Forget the episode."""
        self._tokens.clear()

    def add(self, token: Tensor) -> None:
        """Remember the decision just taken, (1, t)."""
        self._tokens.append(token.detach()[0])

    def history(self) -> tuple[Tensor, Tensor]:
        """Return the tokens, oldest first and padded in front, (1, k, t), and the mask (1, k)."""
        padding = self._length - len(self._tokens)
        rows = [torch.zeros(self._token)] * padding + list(self._tokens)
        tokens = torch.stack(rows) if rows else torch.zeros(0, self._token)
        return tokens[None], (torch.arange(self._length) >= padding)[None]
