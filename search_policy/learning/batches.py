"""Training data as tensors: embedded frames and decisions, sampled by index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robots.errors import UsageError
from search_policy.learning.aawr import DecisionBatch
from search_policy.learning.config import VIEWPOINT, TrainConfig
from search_policy.learning.networks import ActorSpec, AgentBatch, InputSizes
from search_policy.learning.recall.history import history_index
from search_policy.learning.replay import Frames, Transitions
from search_policy.observations import ObsGroups
from search_policy.online.sensors import FadingSensors


class Embeddings(Protocol):
    """The frames' image embeddings: a tensor (n, embedding), or what looks them up like one."""

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Return embeddings, index (...) of frame numbers to (..., embedding)."""
        ...


class DecisionSource:
    """Hands out batches of decisions whose images were embedded once.

    Args:
        frames: Decision frames.
        decisions: Their learnable decisions.
        embedding: The frames' image embeddings.
        groups: What the critic sees.
        history: Earlier decision frames of the same episode that agent states carry; 0 for none.
    """

    def __init__(
        self, frames: Frames, decisions: Transitions, embedding: Embeddings, groups: ObsGroups, history: int = 0
    ) -> None:
        self._embedding = embedding
        self._memory = torch.tensor(
            np.concatenate([frames.proprioception, frames.seen_map.reshape(len(frames), -1)], axis=1)
        )
        self._views, self._mask = torch.tensor(frames.views), torch.tensor(frames.mask)
        self._earlier, self._earlier_mask = (torch.tensor(part) for part in history_index(frames.episode, history))
        self._privileged = torch.tensor(frames.privileged(groups))
        self._action, self._duration = torch.tensor(executed(frames.action, frames.steps)), torch.tensor(frames.steps)
        self._terminated = torch.tensor(frames.terminated.astype(np.float32))
        self._intervention = torch.tensor(frames.intervention.astype(np.float32))
        self._hint, self._hints = torch.zeros(len(frames)), torch.zeros(frames.views_with_target.shape)
        if "views_with_target" in groups.critic and frames.action.ndim == 1:
            taken = np.clip(frames.action, 0, None)
            self._hints = torch.tensor(frames.views_with_target)
            self._hint = self._hints[torch.arange(len(frames)), torch.tensor(taken)]
        self._index, self._next = torch.tensor(decisions.index), torch.tensor(decisions.next_index)
        self._reward, self._return = torch.tensor(decisions.reward), torch.tensor(decisions.return_to_go)
        self._episode = torch.tensor(frames.episode)
        self.sensors: FadingSensors | None = None

    def __len__(self) -> int:
        return len(self._index)

    @property
    def episodes(self) -> Tensor:
        """Number of the episode of every decision, (m,)."""
        return self._episode[self._index]

    def batch(self, rows: NDArray[np.int64]) -> DecisionBatch:
        """Return these decisions, (b,) row numbers."""
        chosen = torch.tensor(rows)
        index, following = self._index[chosen], self._next[chosen]
        with torch.no_grad():  # nothing is learned from how the next frame was embedded
            next_state = self._state(following)
        batch = DecisionBatch(
            state=self._state(index),
            next_state=next_state,
            privileged=self._privileged[index],
            next_privileged=self._privileged[following],
            hint=self._hint[index],
            action=self._action[index],
            reward=self._reward[chosen],
            duration=self._duration[index].float(),
            terminated=self._terminated[index],
            return_to_go=self._return[chosen],
            intervention=self._intervention[index],
            hints=self._hints[index],
        )
        return batch if self.sensors is None else self.sensors.apply(batch, self._episode[index])

    def everything(self) -> DecisionBatch:
        """Return all decisions."""
        return self.batch(np.arange(len(self)))

    def _state(self, index: Tensor) -> AgentBatch:
        state = AgentBatch(self._embedding[index], self._memory[index], self._views[index], self._mask[index])
        if not self._earlier.shape[1]:
            return state
        earlier, mask = self._earlier[index], self._earlier_mask[index]
        history = torch.cat([self._embedding[earlier], self._memory[earlier]], dim=2) * mask[:, :, None]
        return replace(state, history=history, history_mask=mask)


def executed(action: NDArray[Any], steps: NDArray[np.int64]) -> NDArray[Any]:
    """Return actions as they are learned from: a chunk cut short goes on with the last twist that was executed.

    What would have followed is unknown. Rest in its place would tell the critic that the episode is about to end.

    Args:
        action: Views (n,), returned as they are, or chunks (n, h, 5).
        steps: Control steps that each decision lasted, (n,).
    """
    if action.ndim == 1:
        return action
    last = np.clip(steps, 1, action.shape[1])[:, None] - 1
    kept = np.minimum(np.arange(action.shape[1])[None, :], last)
    return np.take_along_axis(action, kept[:, :, None], axis=1)


def input_sizes(frames: Frames, groups: ObsGroups) -> InputSizes:
    """Return the networks' input sizes for a data set."""
    channels, shelves, columns = frames.seen_map.shape[1:]
    return InputSizes(
        proprioception=frames.proprioception.shape[1],
        seen_map=(channels, shelves, columns),
        views=frames.views.shape[1],
        features=frames.views.shape[2],
        privileged=frames.privileged(groups).shape[1],
        chunk=(0, 0) if frames.action.ndim == 1 else (frames.action.shape[1], frames.action.shape[2]),
    )


def actor_spec(frames: Frames, config: TrainConfig) -> ActorSpec:
    """Return the networks' sizes for a data set and a configuration.

    Raises:
        UsageError: The data set's actions are not those of the configured action space.
    """
    if (frames.action.ndim == 1) != (config.action_space == VIEWPOINT):
        held = "views" if frames.action.ndim == 1 else "chunks of twists"
        raise UsageError(
            f"training: action_space is {config.action_space}, but the demonstrations' actions are {held}."
        )
    sizes = input_sizes(frames, config.groups)
    if config.online.sensors.fades:  # one presence flag per entry
        sizes = replace(sizes, privileged=sizes.privileged + len(config.groups.critic))
    return ActorSpec(sizes, config.network, config.head, config.policy, config.memory)
