"""What the best order of looks is worth: expected cost of a search whose beliefs are exact.

A search is an order of looks. Look `i` finds the target with probability `p_i`, for certain if the target is there, so
the search ends with it. Everything here is a function of those probabilities and of what a look costs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.types import Float

Order = NDArray[np.int64]

LARGEST_EXACT = 16  # looks; time and memory double with every one more


def likeliest_first(probability: Float) -> Order:
    """Return the order with the fewest expected looks, (l,): any exchange of two neighbours costs more.

    Args:
        probability: That the target is found by each look, (l,).
    """
    return np.argsort(-probability, kind="stable").astype(np.int64)


def expected_looks(orders: Order, probability: Float) -> Float:
    """Return the expected number of looks up to and with the one that finds the target.

    Args:
        orders: (..., l).
        probability: (..., l), summing to one.
    """
    ranks = np.arange(1, orders.shape[-1] + 1)
    found = np.take_along_axis(np.broadcast_to(probability, orders.shape), orders, axis=-1)
    return np.asarray(found @ ranks, dtype=float)


def expected_cost(orders: Order, probability: Float, cost: Float) -> Float:
    """Return the expected cost of all looks up to and with the one that finds the target.

    Args:
        orders: (..., l).
        probability: (l,), summing to one.
        cost: Of going from one look to another and taking it, (l + 1, l); the last row is for the start.
    """
    came_from = np.concatenate([np.full((*orders.shape[:-1], 1), len(cost) - 1), orders[..., :-1]], axis=-1)
    so_far = np.cumsum(cost[came_from, orders], axis=-1)
    return np.asarray((so_far * probability[orders]).sum(axis=-1), dtype=float)


def cheapest_order(probability: Float, cost: Float, starts: Sequence[Order] = ()) -> Order:
    """Return an order of low expected cost, (l,): greedy ones, improved by reversals and moves until none helps.

    It is a local optimum; `exact_order` says by how much it can be wrong.

    Args:
        probability: (l,), summing to one.
        cost: See `expected_cost`.
        starts: Further orders to improve.
    """
    greedy = [_greedy(probability, cost), likeliest_first(probability), *starts]
    improved = [_improved(order, probability, cost) for order in greedy]
    return min(improved, key=lambda order: float(expected_cost(order, probability, cost)))


def exact_order(probability: Float, cost: Float) -> Order:
    """Return an order of least expected cost, (l,), by dynamic programming over subsets (Held and Karp 1962).

    An edge is paid by the searches that have not ended before it, so its weight is the probability of what is left.

    Args:
        probability: (l,), summing to one.
        cost: See `expected_cost`.

    Raises:
        UsageError: There are more than `LARGEST_EXACT` looks.
    """
    count = len(probability)
    if count > LARGEST_EXACT:
        raise UsageError(f"exact_order: at most {LARGEST_EXACT} looks, got {count}.")
    sets = np.arange(1 << count)
    left = 1.0 - (((sets[:, None] >> np.arange(count)) & 1) @ probability)
    least = np.full((1 << count, count), np.inf)  # of an order of the set's looks that ends with that look
    before = np.zeros((1 << count, count), dtype=np.int64)
    for size in range(1, count + 1):
        chosen = sets[np.bitwise_count(sets) == size]
        for look in range(count):
            now = chosen[(chosen >> look) & 1 == 1]
            rest = now ^ (1 << look)
            if size == 1:
                least[now, look] = cost[count, look]
                continue
            options = least[rest] + left[rest, None] * cost[:count, look]
            before[now, look] = np.argmin(options, axis=1)
            least[now, look] = options[np.arange(len(now)), before[now, look]]
    return _walked_back(least, before)


def _walked_back(least: Float, before: NDArray[np.int64]) -> Order:
    count = least.shape[1]
    remaining, look, order = (1 << count) - 1, int(np.argmin(least[-1])), []
    while remaining:
        order.append(look)
        remaining, look = remaining ^ (1 << look), int(before[remaining, look])
    return np.array(order[::-1], dtype=np.int64)


def _greedy(probability: Float, cost: Float) -> Order:
    """Always take the look with the most probability per cost."""
    order: list[int] = []
    open_ = np.ones(len(probability), dtype=bool)
    here = len(probability)
    while open_.any():
        worth = np.where(open_, (probability + 1e-12) / cost[here], -np.inf)
        here = int(np.argmax(worth))
        open_[here] = False
        order.append(here)
    return np.array(order, dtype=np.int64)


def _improved(order: Order, probability: Float, cost: Float) -> Order:
    changes = _changes(len(order))
    value = float(expected_cost(order, probability, cost))
    while True:
        options = order[changes]
        values = expected_cost(options, probability, cost)
        best = int(np.argmin(values))
        if values[best] >= value - 1e-12:
            return order
        order, value = options[best], float(values[best])


def _changes(count: int) -> Order:
    """Return every reversal of a stretch and every move of one look, as permutations, (c, count)."""
    rows = [list(range(count))]
    for first in range(count):
        for last in range(count):
            row = list(range(count))
            if first < last:
                rows.append([*row[:first], *row[first : last + 1][::-1], *row[last + 1 :]])
            row.insert(last, row.pop(first))
            rows.append(row)
    return np.unique(np.array(rows, dtype=np.int64), axis=0)
