"""Decisions in memory: every frame once, the next frame by index, and no link across an episode's end."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError
from robots.types import read_only
from search_policy.learning.reward import DecisionOutcome, RewardConfig, reward_terms
from search_policy.observations import ObsGroups

NO_ACTION = -1


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """n decision frames of whole episodes, one after the other; each episode ends with a frame without an action.

    Attributes:
        image: uint8 (n, 84, 84, 3).
        proprioception: float32 (n, p).
        seen_map: float32 (n, channels, shelves, columns).
        views: float32 (n, v, f).
        mask: bool (n, v).
        action: Chosen view, or `NO_ACTION` in an episode's last frame, int64 (n,); or a chunk of twists, or NaN in the
            last frame, float32 (n, h, 5).
        steps: Control steps until the next frame, int64 (n,).
        found: Whether the target was found before the next frame, bool (n,).
        coverage_gain: Fraction of the region newly seen until the next frame, float32 (n,).
        collisions: Control steps in contact until the next frame, int64 (n,).
        terminated: Whether the episode ended by its own rules before the next frame, bool (n,).
        truncated: Whether it was cut off there, bool (n,).
        episode: Number of the episode, rising, int64 (n,).
        target_position: Privileged, float32 (n, 3).
        target_present: Privileged, float32 (n, 1).
        target_visibility: Privileged, float32 (n, 1).
        views_with_target: Privileged, float32 (n, v).
        intervention: Whether a person took the decision, bool (n,); none of them where it is left out.
    """

    image: NDArray[np.uint8]
    proprioception: NDArray[np.float32]
    seen_map: NDArray[np.float32]
    views: NDArray[np.float32]
    mask: NDArray[np.bool_]
    action: NDArray[Any]
    steps: NDArray[np.int64]
    found: NDArray[np.bool_]
    coverage_gain: NDArray[np.float32]
    collisions: NDArray[np.int64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    episode: NDArray[np.int64]
    target_position: NDArray[np.float32]
    target_present: NDArray[np.float32]
    target_visibility: NDArray[np.float32]
    views_with_target: NDArray[np.float32]
    intervention: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        if not len(self.intervention):
            object.__setattr__(self, "intervention", np.zeros(len(self.image), dtype=np.bool_))
        for item in fields(self):
            array = getattr(self, item.name)
            if len(array) != len(self.image):
                raise SpecError(f"frames: {item.name} has {len(array)} rows, image has {len(self.image)}.")
            object.__setattr__(self, item.name, read_only(array))

    def __len__(self) -> int:
        return len(self.image)

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Which frames hold an action, (n,)."""
        if self.action.ndim == 1:
            return self.action != NO_ACTION
        return np.asarray(np.isfinite(self.action).all(axis=(1, 2)))

    def privileged(self, groups: ObsGroups) -> NDArray[np.float32]:
        """Return the critic's privileged input, entries in the order of `groups.critic`, (n, o)."""
        parts = [getattr(self, key) for key in groups.critic]
        return np.concatenate([np.zeros((len(self), 0), dtype=np.float32), *parts], axis=1)

    def select(self, episodes: NDArray[np.int64]) -> Frames:
        """Return the frames of these episodes, in order."""
        rows = np.flatnonzero(np.isin(self.episode, episodes))
        return Frames(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    @classmethod
    def concatenate(cls, parts: list[Frames]) -> Frames:
        """Join data sets; episodes are numbered anew.

        Raises:
            SpecError: There is nothing to join.
        """
        if not parts:
            raise SpecError("frames: there are no decisions to train on.")
        arrays: dict[str, Any] = {
            item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)
        }
        offsets = np.cumsum([0, *(int(part.episode.max(initial=-1)) + 1 for part in parts[:-1])])
        arrays["episode"] = np.concatenate([part.episode + offset for part, offset in zip(parts, offsets, strict=True)])
        return cls(**arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """The decisions that can be learned from, as indices into `Frames`.

    Attributes:
        index: Frame of each decision, (m,).
        next_index: Frame after it, always of the same episode, (m,).
        reward: (m,).
        terms: The reward's named terms, (m,) each.
        return_to_go: Discounted sum of rewards to the end of the episode, (m,).
    """

    index: NDArray[np.int64]
    next_index: NDArray[np.int64]
    reward: NDArray[np.float32]
    terms: dict[str, NDArray[np.float32]]
    return_to_go: NDArray[np.float32]


def transitions(frames: Frames, reward: RewardConfig, discount: float) -> Transitions:
    """Return every decision that has a next frame in its own episode; an episode that broke off loses its last one.

    Args:
        frames: Whole episodes.
        reward: Weights of the reward's terms.
        discount: Per control step.
    """
    index = np.flatnonzero(frames.decided[:-1])
    index = index[frames.episode[index] == frames.episode[index + 1]]
    rows = [reward_terms(_outcome(frames, int(i)), reward, discount) for i in index]
    terms = {name: np.array([row[name] for row in rows], dtype=np.float32) for name in (rows[0] if rows else ())}
    total = np.sum([*terms.values()], axis=0).astype(np.float32) if terms else np.zeros(0, dtype=np.float32)
    return Transitions(index, index + 1, total, terms, _returns(frames, index, total, discount))


def _outcome(frames: Frames, index: int) -> DecisionOutcome:
    return DecisionOutcome(
        steps=int(frames.steps[index]),
        found=bool(frames.found[index]),
        coverage_gain=float(frames.coverage_gain[index]),
        collisions=int(frames.collisions[index]),
    )


def _returns(
    frames: Frames, index: NDArray[np.int64], reward: NDArray[np.float32], discount: float
) -> NDArray[np.float32]:
    total = np.zeros(len(index), dtype=np.float64)
    for row in range(len(index) - 1, -1, -1):
        total[row] = reward[row]
        last = row + 1 == len(index) or frames.episode[index[row + 1]] != frames.episode[index[row]]
        if not last:
            total[row] += discount ** int(frames.steps[index[row]]) * total[row + 1]
    return total.astype(np.float32)


def split_episodes(frames: Frames, held_out: float, rng: np.random.Generator) -> tuple[Frames, Frames]:
    """Return (training, held-out) frames; whole episodes are drawn for the held-out part."""
    episodes = np.unique(frames.episode)
    chosen = rng.permutation(episodes)[: round(held_out * len(episodes))]
    return frames.select(np.setdiff1d(episodes, chosen)), frames.select(chosen)
