"""Where o^p tells something about each candidate view, for networks that judge or choose views with its help."""

from __future__ import annotations

import torch
from torch import Tensor

from search_policy.observations import ObsGroups

VIEWS_WITH_TARGET = "views_with_target"
_POSITION = "target_position"


def view_hints(privileged: Tensor, groups: ObsGroups, views: int) -> Tensor:
    """Return which views show the target, (b, v); zeros where o^p does not say.

    Args:
        privileged: o^p with its entries in the order of `groups.critic`, (b, o).
        groups: What o^p holds.
        views: v.
    """
    if VIEWS_WITH_TARGET not in groups.critic:
        return privileged.new_zeros(len(privileged), views)
    before = groups.critic[: groups.critic.index(VIEWS_WITH_TARGET)]
    start = sum(3 if key == _POSITION else 1 for key in before)
    return privileged[:, start : start + views]


def with_hints(views: Tensor, hints: Tensor) -> Tensor:
    """Return the views' features with one more, what o^p says about the view, (b, v, f + 1)."""
    return torch.cat([views, hints[:, :, None]], dim=2)
