"""Online episodes in memory, bounded, and batches that mix them with demonstrations."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_policy.learning.replay import Frames


def extend(kept: Frames | None, new: Frames, capacity: int) -> Frames:
    """Return the buffer with new episodes added at its end and the oldest whole ones dropped from its front.

    Episodes keep their numbers for good: they count all episodes that ever came in.

    Args:
        kept: What the buffer holds, or None at first.
        new: Whole episodes, numbered from 0.
        capacity: Frames that may stay; the newest episode stays even if it alone is longer.
    """
    joined = new if kept is None else Frames.concatenate([kept, new])
    numbers, lengths = np.unique(joined.episode, return_counts=True)
    fits = np.cumsum(lengths[::-1])[::-1] <= capacity
    fits[-1] = True
    return joined if fits.all() else joined.select(numbers[fits])


def split_batch(size: int, demonstration_share: float, online: int) -> tuple[int, int]:
    """Return how many decisions of a batch come from demonstrations and how many from online episodes.

    RLPD (arXiv 2302.02948) draws each half uniformly from its own data set.

    Args:
        size: Decisions per batch.
        demonstration_share: Of the batch.
        online: Decisions that there are to draw from; without any, all come from demonstrations.
    """
    first = round(size * demonstration_share) if online else size
    return first, size - first


def draw_rows(rng: np.random.Generator, available: int, count: int) -> NDArray[np.int64]:
    """Return `count` rows of `available`, drawn with replacement, (count,)."""
    return rng.integers(available, size=count) if count else np.zeros(0, dtype=np.int64)


def join[T](first: T, second: T) -> T:
    """Return two batches as one: every tensor of the (nested) dataclass is joined along its first axis.

    Args:
        first: A dataclass of tensors and such dataclasses, or a tensor.
        second: Of the same kind; whatever else they hold is taken from `first`.
    """
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return cast(T, torch.cat([first, second]))
    if is_dataclass(first) and not isinstance(first, type):
        parts = {item.name: join(getattr(first, item.name), getattr(second, item.name)) for item in fields(first)}
        return cast(T, type(first)(**parts))
    return first
