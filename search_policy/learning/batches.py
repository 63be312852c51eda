"""Training data as tensors: embedded frames and decisions, sampled by index."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_policy.learning.aawr import DecisionBatch
from search_policy.learning.networks import AgentBatch, InputSizes
from search_policy.learning.replay import Frames, Transitions
from search_policy.observations import ObsGroups


class DecisionSource:
    """Hands out batches of decisions whose images were embedded once.

    Args:
        frames: Decision frames.
        decisions: Their learnable decisions.
        embedding: The frames' image embeddings, (n, embedding).
        groups: What the critic sees.
    """

    def __init__(self, frames: Frames, decisions: Transitions, embedding: Tensor, groups: ObsGroups) -> None:
        self._embedding = embedding
        self._memory = torch.tensor(
            np.concatenate([frames.proprioception, frames.seen_map.reshape(len(frames), -1)], axis=1)
        )
        self._views, self._mask = torch.tensor(frames.views), torch.tensor(frames.mask)
        self._privileged = torch.tensor(frames.privileged(groups))
        self._action, self._duration = torch.tensor(frames.action), torch.tensor(frames.steps)
        self._terminated = torch.tensor(frames.terminated.astype(np.float32))
        self._hint = torch.zeros(len(frames))
        if "views_with_target" in groups.critic:
            taken = np.clip(frames.action, 0, None)
            self._hint = torch.tensor(frames.views_with_target[np.arange(len(frames)), taken])
        self._index, self._next = torch.tensor(decisions.index), torch.tensor(decisions.next_index)
        self._reward, self._return = torch.tensor(decisions.reward), torch.tensor(decisions.return_to_go)

    def __len__(self) -> int:
        return len(self._index)

    def batch(self, rows: NDArray[np.int64]) -> DecisionBatch:
        """Return these decisions, (b,) row numbers."""
        chosen = torch.tensor(rows)
        index, following = self._index[chosen], self._next[chosen]
        return DecisionBatch(
            state=self._state(index),
            next_state=self._state(following),
            privileged=self._privileged[index],
            next_privileged=self._privileged[following],
            hint=self._hint[index],
            action=self._action[index],
            reward=self._reward[chosen],
            duration=self._duration[index].float(),
            terminated=self._terminated[index],
            return_to_go=self._return[chosen],
        )

    def everything(self) -> DecisionBatch:
        """Return all decisions."""
        return self.batch(np.arange(len(self)))

    def _state(self, index: Tensor) -> AgentBatch:
        return AgentBatch(self._embedding[index], self._memory[index], self._views[index], self._mask[index])


def input_sizes(frames: Frames, groups: ObsGroups) -> InputSizes:
    """Return the networks' input sizes for a data set."""
    channels, shelves, columns = frames.seen_map.shape[1:]
    return InputSizes(
        proprioception=frames.proprioception.shape[1],
        seen_map=(channels, shelves, columns),
        views=frames.views.shape[1],
        features=frames.views.shape[2],
        privileged=frames.privileged(groups).shape[1],
    )
