"""How well `EpisodeSpec.visible_fraction`, an estimate made without a renderer, agrees with rendered images.

Run `python -m benchmarks.occlusion`; it takes some minutes and uses validation layouts only, in the order of their
seeds, without randomisation. For every kind of layout it compares the estimate with the largest share of the target
that the wrist camera shows from any view that the arm reaches and whose image holds the target's centre: the candidate
views of the search, each also turned towards the target, and poses on the way to the nearest of them. It prints mean
estimate and rendering, Spearman's rank correlation, mean absolute error and bias (estimate minus rendering). Then it
prints for every task in how many layouts the start image shows the target: any pixel of it, and at least 20 %.
Intervals are 95 %: percentile bootstrap over layouts, Wilson for shares.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.report import Row, arguments, publish
from robots.region import SearchRegion
from robots.sim.arm import WRIST_CAMERA
from robots.sim.episode import EpisodeSpec
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.tasks import TASKS, scene_of
from robots.statistics import bootstrap, wilson
from robots.types import CameraIntrinsics, Float
from search_policy.episodes.simulator import SimulatedWorld
from search_policy.motion.geometry import look_at
from search_policy.motion.keepout import KeepOut
from search_policy.motion.viewpoints import View, ViewConfig, candidate_views
from search_policy.searchers.oracle import goal_views

FIRST_SEED = 100_000
WRIST_PX = (128, 128)
NEAR_M = 0.35  # candidate views that aim further from the target are not turned towards it
INSIDE = 0.9  # the target's centre lies within this share of the image, from its middle
SHOWN = 0.2
RESAMPLES = 2_000

# Kinds of layouts: name, task, occlusion bin
KINDS: tuple[tuple[str, str, str | None], ...] = (
    ("bookcase", "bookshelf_duck", None),
    ("bookcase_medium", "bookshelf_duck", "medium"),
    ("bookcase_high", "bookshelf_duck", "high"),
    ("cabinet", "shelf_cabinet", None),
    ("complex", "complex", None),
)


def compare(task: str, occlusion: str | None, count: int) -> Float:
    """Return (estimate, rendering) of every layout, (count, 2)."""
    world = SimulatedWorld(WRIST_PX, randomization="none", scene=scene_of(task))
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    specs = [sample_episode(task, seed, occlusion=occlusion, randomization="none") for seed in seeds]
    pairs = np.array([(spec.visible_fraction, rendered_fraction(world, spec)) for spec in specs])
    world.close()
    return pairs


def rendered_fraction(world: SimulatedWorld, spec: EpisodeSpec) -> float:
    """Return the largest share of the target that any reachable view shows of which the target is not at the edge."""
    world.reset_to(spec)
    target = world.truth().position_m
    assert target is not None, "the layout holds a target"
    start = world.observe().camera_to_world[WRIST_CAMERA]
    return float(world.visible_from(looking_views(world.region, target, start, world.intrinsics)).max(initial=0.0))


def looking_views(region: SearchRegion, target_m: Float, start: Float, intrinsics: CameraIntrinsics) -> list[View]:
    """Return the views whose image holds the target's centre, not at its edge, if nothing is in front.

    Args:
        region: The furniture's compartments.
        target_m: The target's centre, (3,) [m].
        start: The wrist camera's pose at the start, (4, 4).
        intrinsics: Of the wrist camera.
    """
    views = candidate_views(region, ViewConfig())
    goals = (*goal_views(views, region, target_m, start), *turned(views, KeepOut.of(region), target_m))
    return [view for view in goals if in_image(view.camera_to_world, target_m, intrinsics)]


def turned(views: Sequence[View], keep_out: KeepOut, target_m: Float) -> list[View]:
    """Return the views that aim near the target, turned to face it, where the hand stays clear of the furniture."""
    found = []
    for view in views:
        pose = look_at(view.camera_to_world[:3, 3], target_m)
        near = np.linalg.norm(view.aim_m - target_m) < NEAR_M
        if near and keep_out.clearance_m(pose) >= keep_out.config.margin_m:
            found.append(View(f"{view.name}@target", view.shelf, np.array(target_m), view.yaw_rad, pose))
    return found


def in_image(camera_to_world: Float, point_m: Float, intrinsics: CameraIntrinsics) -> bool:
    """Return whether a point lies in a camera's image and not at its edge."""
    x, y, z = camera_to_world[:3, :3].T @ (point_m - camera_to_world[:3, 3])
    half = 0.5 * INSIDE * np.array([intrinsics.width_px, intrinsics.height_px]) / intrinsics.focal_px
    return bool(z > 0.0 and abs(x / z) < half[0] and abs(y / z) < half[1])


def start_shares(task: str, count: int) -> tuple[int, int]:
    """Return in how many layouts the start image shows any pixel of the target, and at least `SHOWN` of it."""
    seen = shown = 0
    with MujocoRobot(SimConfig(wrist_px=(84, 84), scene=scene_of(task)), lambda: 0.0) as robot:
        truth = PrivilegedView(robot)
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            robot.reset(sample_episode(task, seed, randomization="none"))
            visibility = truth.visibility()
            seen += visibility.visible_px > 0
            shown += visibility.fraction >= SHOWN
    return seen, shown


def agreement(name: str, pairs: Float) -> list[Row]:
    """Return the figures of one kind of layout, each with its interval."""
    estimate, rendering = pairs.T
    rows = [Row(f"{name}.estimate", float(estimate.mean()), ""), Row(f"{name}.rendered", float(rendering.mean()), "")]
    difference = estimate - rendering
    for figure, values in (("error", np.abs(difference)), ("bias", difference)):
        interval = bootstrap(list(values), np.mean, resamples=RESAMPLES)
        rows += _with_interval(f"{name}.{figure}", float(values.mean()), interval)
    rows.append(Row(f"{name}.rendered_below_0.3", float((rendering < 0.3).mean()), ""))
    return rows + _with_interval(f"{name}.spearman", spearman(pairs), paired_bootstrap(pairs, spearman))


def spearman(pairs: Float) -> float:
    """Return Spearman's rank correlation of two columns, (n, 2); not a number where one of them is constant."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(column) for column in pairs.T])
    if not ranks.std(axis=1).all():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


def paired_bootstrap(pairs: Float, statistic: Callable[[Float], float]) -> tuple[float, float]:
    """Return the percentile 95 % interval of a statistic of pairs over resampled pairs."""
    rng = np.random.default_rng(0)
    values = [statistic(pairs[rng.integers(len(pairs), size=len(pairs))]) for _ in range(RESAMPLES)]
    finite = np.array([value for value in values if np.isfinite(value)])
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def _with_interval(name: str, value: float, interval: tuple[float, float] | None) -> list[Row]:
    low, high = interval or (float("nan"), float("nan"))
    return [Row(name, value, ""), Row(f"{name}.low", low, ""), Row(f"{name}.high", high, "")]


def _start_rows(task: str, count: int) -> list[Row]:
    figures = zip(("any_pixel", "at_least_20_percent"), start_shares(task, count), strict=True)
    return [
        row
        for figure, hits in figures
        for row in _with_interval(f"start.{task}.{figure}", hits / count, wilson(hits, count))
    ]


def main() -> int:
    """Print both tables."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--layouts", type=int, default=80, help="layouts per kind")
    parser.add_argument("--starts", type=int, default=400, help="layouts per task for the start image")
    options = parser.parse_args()
    rows = []
    for name, task, occlusion in KINDS:
        rows += agreement(name, compare(task, occlusion, options.layouts))
    for task in TASKS:
        rows += _start_rows(task, options.starts)
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
