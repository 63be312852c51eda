"""Experiences as tensors: embedded once, kept in a ring, sampled by index."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor, nn

from search_policy.baselines.environment import Experience
from search_policy.learning.networks import Actor, AgentBatch
from search_policy.observations import AgentState, ObsGroups, privileged_vector

_REMEMBERED = 3  # a decision's state, the next one's, and one to spare


@dataclass(frozen=True, slots=True, eq=False)
class ExperienceBatch:
    """b decisions in the order of time, or drawn at random.

    Attributes:
        state: Agent states z, images embedded.
        next_state: z' at the next decision or at the episode's end.
        privileged: o^p, (b, o).
        next_privileged: (b, o).
        action: Views int64 (b,), or chunks (b, h, 5).
        reward: (b,).
        duration: Control steps, (b,).
        terminated: 1.0 where nothing follows, (b,).
        ended: 1.0 at the last decision of an episode, (b,).
    """

    state: AgentBatch
    next_state: AgentBatch
    privileged: Tensor
    next_privileged: Tensor
    action: Tensor
    reward: Tensor
    duration: Tensor
    terminated: Tensor
    ended: Tensor

    def __len__(self) -> int:
        return len(self.reward)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything by name."""
        named: dict[str, Tensor] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            named |= _named(item.name, value) if isinstance(value, AgentBatch) else {item.name: value}
        return named

    @classmethod
    def of(cls, named: dict[str, Tensor]) -> ExperienceBatch:
        """Return the batch of these tensors: the inverse of `tensors`."""
        plain = {item.name: named[item.name] for item in fields(cls) if item.name in named}
        return cls(state=_state("state_", named), next_state=_state("next_state_", named), **plain)

    def rows(self, index: Tensor) -> ExperienceBatch:
        """Return these rows."""
        return self.of({name: value[index] for name, value in self.tensors().items()})


class Embedder:
    """Embeds agent states with a frozen encoder; the newest few are remembered, so that each is embedded once.

    Args:
        actor: Its encoder embeds.
        groups: What the critic sees.
    """

    def __init__(self, actor: Actor, groups: ObsGroups) -> None:
        self._actor, self._groups = actor, groups
        self._known: deque[tuple[AgentState, AgentBatch]] = deque(maxlen=_REMEMBERED)

    @torch.no_grad()
    def state(self, state: AgentState) -> AgentBatch:
        """Return one state as a batch of one."""
        for known, embedded in self._known:
            if known is state:
                return embedded
        embedded = replace(self._actor.embed(state), history=None, history_mask=None)
        self._known.append((state, embedded))
        return embedded

    def experience(self, lived: Experience) -> ExperienceBatch:
        """Return one decision as a batch of one; of an episode's decisions in turn, each state is embedded once."""
        state, following = self.state(lived.state), self.state(lived.next_state)
        numbers = (lived.reward, float(lived.duration), float(lived.terminated), float(lived.ended))
        reward, duration, terminated, ended = (torch.tensor([number]) for number in numbers)
        return ExperienceBatch(
            state=state,
            next_state=following,
            privileged=torch.tensor(privileged_vector(lived.privileged, self._groups))[None],
            next_privileged=torch.tensor(privileged_vector(lived.next_privileged, self._groups))[None],
            action=torch.tensor(np.asarray(lived.action))[None],
            reward=reward,
            duration=duration,
            terminated=terminated,
            ended=ended,
        )


def joined(parts: Sequence[ExperienceBatch]) -> ExperienceBatch:
    """Return these decisions one after the other."""
    named = [part.tensors() for part in parts]
    return ExperienceBatch.of({name: torch.cat([part[name] for part in named]) for name in named[0]})


class Ring(nn.Module):
    """Keeps the newest decisions, as buffers: a checkpoint holds them like weights.

    Args:
        capacity: Most decisions kept.
        like: Any decision, for shapes and types.
    """

    def __init__(self, capacity: int, like: ExperienceBatch) -> None:
        super().__init__()
        self._capacity, self.added = capacity, 0
        for name, value in like.tensors().items():
            self.register_buffer(name, torch.zeros((capacity, *value.shape[1:]), dtype=value.dtype))

    def __len__(self) -> int:
        return min(self.added, self._capacity)

    def add(self, one: ExperienceBatch) -> None:
        """Take in one decision; the oldest one makes room."""
        stored = dict(self.named_buffers())
        for name, value in one.tensors().items():
            stored[name][self.added % self._capacity] = value[0]
        self.added += 1

    def draw(self, rng: np.random.Generator, size: int) -> ExperienceBatch:
        """Return `size` decisions drawn with replacement."""
        index = torch.tensor(rng.integers(len(self), size=size))
        return ExperienceBatch.of({name: value[index] for name, value in self.named_buffers()})


def _named(prefix: str, state: AgentBatch) -> dict[str, Tensor]:
    parts = {f"{prefix}_{item.name}": getattr(state, item.name) for item in fields(state)}
    return {name: value for name, value in parts.items() if isinstance(value, Tensor)}


def _state(prefix: str, named: dict[str, Tensor]) -> AgentBatch:
    return AgentBatch(**{name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)})
