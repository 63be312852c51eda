"""Refuse decisions whose values cannot be true: not finite, in another unit, out of range, forbidden, or cut short."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from search_policy.learning.replay import NO_ACTION, Frames

# Least and largest value, and what is expected; generous, so that only another unit is out of range.
RANGES: dict[str, tuple[float, float, str]] = {
    "proprioception": (-20.0, 20.0, "joints in [rad] and positions in units of half the search region"),
    "target_position": (-20.0, 20.0, "a position in units of half the search region"),
    "target_present": (0.0, 1.0, "0 or 1"),
    "target_visibility": (0.0, 1.0, "a fraction of the target in [0, 1]"),
    "views_with_target": (0.0, 1.0, "0 or 1 for each view"),
    "coverage_gain": (-1.0, 1.0, "a fraction of the search region"),
    "steps": (0.0, 1e6, "control steps"),
    "collisions": (0.0, 1e6, "control steps in contact"),
}
_FINITE = ("seen_map", "views")
_TWIST_SIZE = 5


def check_frames(frames: Frames, where: str, columns: Mapping[str, str] | None = None) -> None:
    """Refuse frames that cannot be trained on.

    Args:
        frames: Whole episodes.
        where: File or folder that they are from, for the message.
        columns: Column of each entry, for the message; the entries' own names where it is left out.

    Raises:
        UsageError: The first thing that is wrong: column, row, value, and what was expected.
    """
    names = dict(columns or {})
    if not len(frames):
        raise UsageError(f"{where} is empty: it holds no decision.")
    for key in _FINITE:
        _refuse(~np.isfinite(getattr(frames, key)), frames, where, key, names, "finite numbers")
    for key, (low, high, expected) in RANGES.items():
        values = np.asarray(getattr(frames, key), dtype=np.float64)
        _refuse(~((values >= low) & (values <= high)), frames, where, key, names, expected)
    _check_episodes(frames, where, names)
    missing = frames.action == NO_ACTION if frames.action.ndim == 1 else np.isnan(frames.action).all(axis=(1, 2))
    _check_ends(frames, missing, where, names)
    if missing.all():
        raise UsageError(f"{where}: column {names.get('action', 'action')!r} holds no decision to learn from.")
    if frames.action.ndim == 1:
        _check_views(frames, missing, where, names)
    else:
        _check_twists(frames, missing, where, names)


def _check_episodes(frames: Frames, where: str, names: Mapping[str, str]) -> None:
    back = np.concatenate([[False], np.diff(frames.episode) < 0])
    _refuse(back, frames, where, "episode", names, "whole episodes one after the other")


def _check_ends(frames: Frames, missing: NDArray[np.bool_], where: str, names: Mapping[str, str]) -> None:
    """Every episode ends with a frame without an action; the decision before it ends the episode in one way."""
    last = np.concatenate([frames.episode[1:] != frames.episode[:-1], [True]])
    _refuse(missing & ~last, frames, where, "action", names, "an action in every frame but an episode's last one")
    broken = ~missing & last
    _refuse(broken, frames, where, "action", names, "no action in an episode's last frame: the episode is cut short")
    ends = np.concatenate([last[1:], [False]]) & ~last
    for key in ("terminated", "truncated", "found"):
        early = getattr(frames, key) & ~ends
        _refuse(early, frames, where, key, names, "true in an episode's last decision only")
    both = ends & (frames.terminated == frames.truncated)
    _refuse(both, frames, where, "terminated", names, "an episode's last decision either terminated or truncated")
    lost = frames.found & ~frames.terminated
    _refuse(lost, frames, where, "found", names, "a found target to terminate the episode")


def _check_views(frames: Frames, missing: NDArray[np.bool_], where: str, names: Mapping[str, str]) -> None:
    count = frames.views.shape[1]
    outside = ~missing & ((frames.action < 0) | (frames.action >= count))
    _refuse(outside, frames, where, "action", names, f"a view in [0, {count})")
    taken = np.clip(frames.action, 0, count - 1)
    forbidden = ~missing & ~frames.mask[np.arange(len(frames)), taken]
    _refuse(forbidden, frames, where, "action", names, f"a view that {names.get('mask', 'mask')!r} allows")


def _check_twists(frames: Frames, missing: NDArray[np.bool_], where: str, names: Mapping[str, str]) -> None:
    shape = frames.action.shape[1:]
    if len(shape) != 2 or shape[1] != _TWIST_SIZE:
        name = names.get("action", "action")
        raise UsageError(f"{where}: column {name!r} holds chunks of shape {shape}, expected (h, {_TWIST_SIZE}).")
    within = (np.abs(np.nan_to_num(frames.action, nan=9.0)) <= 1.0 + 1e-5).all(axis=(1, 2))
    _refuse(~missing & ~within, frames, where, "action", names, "twists as a share of the speed limits, in [-1, 1]")


def _refuse(
    bad: NDArray[np.bool_], frames: Frames, where: str, key: str, names: Mapping[str, str], expected: str
) -> None:
    """Raise for the first row in which anything is bad, (n, ...)."""
    rows = np.flatnonzero(bad.reshape(len(frames), -1).any(axis=1))
    if not len(rows):
        return
    row = int(rows[0])
    cell = np.ravel(getattr(frames, key)[row])
    value = cell[int(np.argmax(np.ravel(bad[row])))] if np.ndim(bad) == getattr(frames, key).ndim else cell[0]
    raise UsageError(
        f"{where}: column {names.get(key, key)!r} holds {value} in row {row} (episode {frames.episode[row]}), "
        f"expected {expected}."
    )
