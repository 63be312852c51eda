"""The upper bound: the quickest motion, with full knowledge, to a view that shows enough of the target.

Goals are all candidate views and, between the start and the nearest of them, poses that already face the target. Their
rendered visibility says which of them can end a search; the quickest few are tried in the simulator itself, and the
least number of control steps counts. Privileged: for reference figures and SPL only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from robots.region import SearchRegion
from robots.types import Float
from search_policy.motion.geometry import look_at, pose_difference
from search_policy.motion.keepout import KeepOut
from search_policy.motion.mover import MoverConfig
from search_policy.motion.travel import travel_s
from search_policy.motion.viewpoints import View
from search_policy.observations import AgentState

VISIBLE = 0.3  # a view shows the target when it sees at least this share of it
TRIALS = 8  # goals that are tried out in the simulator
_SHARES = (0.0, 0.35, 0.7)  # of the way to a view, for the poses between
_NEAREST = 6
_APART_M, _APART_RAD = 0.07, 0.2

Order = tuple[int, ...]
Attempt = Callable[[Order, int | None], int | None]


class FirstOpen:
    """Satisfies `Chooser`: goes through the views in a given order.

    Args:
        order: Indices of views; views that are not named come last.
    """

    def __init__(self, order: Sequence[int]) -> None:
        self._order = tuple(order)

    def reset(self, rng: np.random.Generator) -> None:
        """Nothing to forget."""

    def choose(self, state: AgentState) -> int:
        """Return the first open view of the order, else the first open one."""
        return next((i for i in self._order if state.mask[i]), int(np.argmax(state.mask)))


def goal_views(views: Sequence[View], region: SearchRegion, target_m: Float, start: Float) -> tuple[View, ...]:
    """Return the candidate views and poses on the way to the nearest of them that face the target.

    Args:
        views: Candidate views.
        region: What to keep clear of.
        target_m: The target's centre, (3,) [m].
        start: The camera's pose at the start, (4, 4).
    """
    keep_out = KeepOut.of(region)
    apart = [float(np.linalg.norm(view.aim_m - target_m)) for view in views]
    goals = list(views)
    for index in np.argsort(apart, kind="stable")[:_NEAREST]:
        view = views[int(index)]
        for share in _SHARES:
            place = start[:3, 3] + share * (view.camera_to_world[:3, 3] - start[:3, 3])
            pose = look_at(place, target_m)
            if keep_out.clearance_m(pose) >= keep_out.config.margin_m:
                name = f"{view.name}@{share}"
                goals.append(View(name, view.shelf, np.array(target_m, dtype=float), view.yaw_rad, pose))
    return tuple(goals)


def quickest_first(
    goals: Sequence[View], visible_fraction: Float, start: Float, limits: MoverConfig, *, visible: float = VISIBLE
) -> tuple[int, ...]:
    """Return the goals that show the target by rising travelling time; where none does, those that show most of it.

    Goals that nearly repeat a quicker one come after all others, so that few trials cover different views.

    Args:
        goals: Views.
        visible_fraction: Share of the target that each of them shows, (g,).
        start: The camera's pose at the start, (4, 4).
        limits: Of the motion.
        visible: Share from which the target counts as shown.
    """
    order = [int(i) for i in np.argsort([travel_s(start, g.camera_to_world, limits) for g in goals], kind="stable")]
    showing = [i for i in order if visible_fraction[i] >= visible]
    if not showing:
        return tuple(sorted(order, key=lambda i: -visible_fraction[i]))
    apart: list[int] = []
    for index in showing:
        if all(_differ(goals[index].camera_to_world, goals[other].camera_to_world) for other in apart):
            apart.append(index)
    return (*apart, *(index for index in showing if index not in apart))


def _differ(first: Float, second: Float) -> bool:
    """Return whether two poses are far enough apart that trying both is worth it."""
    shift, turn = pose_difference(first, second)
    return bool(np.linalg.norm(shift) > _APART_M or np.linalg.norm(turn) > _APART_RAD)


def shortest(attempt: Attempt, order: Sequence[int], trials: int = TRIALS) -> tuple[int, Order] | None:
    """Return the least number of control steps over the first `trials` goals, each tried first, and its order.

    None when no attempt ended in a find.

    Args:
        attempt: Runs the search with the goals in that order, for at most so many steps (None: as many as it takes),
            and returns its steps, or None when it did not end in a find.
        order: Goals, most promising first.
        trials: Goals that are tried.
    """
    best: tuple[int, Order] | None = None
    for index in order[:trials]:
        tried = (index, *(other for other in order if other != index))
        steps = attempt(tried, best[0] if best else None)
        if steps is not None and (best is None or steps < best[0]):
            best = steps, tried
    return best


def rush_view(target_m: Float, start: Float, region: SearchRegion) -> View:
    """Return the pose of one who knows where the target is and reaches for it without looking.

    The hand keeps its level orientation of the start and goes as near to the target as the furniture allows; whether
    the camera shows the target there is left to chance.

    Args:
        target_m: The target's centre, (3,) [m].
        start: The camera's pose at the start, (4, 4).
        region: What to keep clear of.
    """
    keep_out = KeepOut.of(region)
    tip = np.array([0.0, 0.072, 0.107])
    pose = start.copy()
    for back in np.linspace(0.0, 0.6, 61):
        pose[:3, 3] = target_m + np.array([-back, 0.0, 0.02]) - start[:3, :3] @ tip
        if keep_out.clearance_m(pose) >= keep_out.config.margin_m:
            break
    return View("rush", region.index_of(target_m, slack_m=0.1) or 0, np.array(target_m, dtype=float), 0.0, pose)
