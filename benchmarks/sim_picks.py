"""How often scripted picks and openings succeed from random start postures, on held-out validation layouts.

Run `python -m benchmarks.sim_picks`. Picks on the bookshelf are of every class that can be held, in layouts whose way
to the target is clear (`occlusion="low"`); those in the cabinet are of the usual target in ordinary layouts, counted by
where it stands. Shares are followed by their 95 % Wilson interval; planning times are CPU time of the process. The
bound for every share is 1.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.report import Row, arguments, publish
from robots.errors import PlanningError
from robots.sim.episode import EpisodeSpec
from robots.sim.experts.trajectory import JointPlan
from robots.sim.experts.world import ExpertWorld
from robots.sim.furniture import PartKind, find_furniture
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.tasks import find_task, scene_of, targets_of
from robots.statistics import wilson
from robots.types import Action, ActionSpace

FIRST_SEED = 110_000
WELL_SEEN = 0.2  # share of the target in the wrist image
SHELF_TASK, OPENING_TASK = "bookshelf_pineapple", "closed_cabinet"
CABINET_TASKS = ("shelf_cabinet", "complex")

Planner = Callable[[EpisodeSpec, np.ndarray, np.random.Generator], JointPlan]


@dataclass(frozen=True, slots=True)
class Pick:
    """One layout: the target's visible share at the start, planning, and what became of an executed plan."""

    visible_fraction: float
    planning_ms: float
    planned: bool
    lifted: bool
    collided: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """One layout and one door or drawer: planning, and what became of an executed plan."""

    planning_ms: float
    planned: bool
    opened: bool
    collided: bool


def pick(world: ExpertWorld, robot: MujocoRobot, spec: EpisodeSpec) -> Pick:
    """Plan a pick from the start posture and, if there is a plan, execute it."""
    truth = PrivilegedView(robot)
    robot.reset(spec)
    seen = truth.visibility().fraction
    plan, planning_ms = _timed(
        robot, spec, lambda spec, qpos, rng: world.plan(spec.to_dict(), qpos, rng, min_visible_fraction=0.0)
    )
    if plan is None:
        return Pick(seen, planning_ms, planned=False, lifted=False, collided=False)
    execute(robot, plan)
    judged = truth.judge()
    return Pick(seen, planning_ms, planned=True, lifted=judged.success, collided=judged.collision_steps > 0)


def open_part(world: ExpertWorld, robot: MujocoRobot, spec: EpisodeSpec, part: str) -> Opened:
    """Plan the opening of a part from the start posture and, if there is a plan, execute it."""
    robot.reset(spec)
    plan, planning_ms = _timed(robot, spec, lambda spec, qpos, rng: world.plan_opening(spec.to_dict(), qpos, part, rng))
    if plan is None:
        return Opened(planning_ms, planned=False, opened=False, collided=False)
    execute(robot, plan)
    opened = PrivilegedView(robot).opened(part)
    return Opened(planning_ms, planned=True, opened=opened, collided=robot.collision_steps > 0)


def _timed(robot: MujocoRobot, spec: EpisodeSpec, planner: Planner) -> tuple[JointPlan | None, float]:
    """Return the plan, None when it is refused, and the CPU time that it took [ms]."""
    start = time.process_time()
    try:
        plan = planner(spec, robot.data.qpos.copy(), np.random.default_rng(0))
    except PlanningError:
        plan = None
    return plan, (time.process_time() - start) * 1e3


def execute(robot: MujocoRobot, plan: JointPlan) -> None:
    """Send every target of a plan."""
    for joints, gripper in zip(plan.joints_rad, plan.gripper, strict=True):
        robot.send_action(Action(ActionSpace.JOINT_POSITION, joints, float(gripper)))


def rows_of(name: str, picks: list[Pick]) -> list[Row]:
    """Return the figures of one group of picks; `plans_lifted` counts executed plans only."""
    executed = [pick for pick in picks if pick.planned]
    return [
        *_share(f"sim.visible_at_start.{name}", [pick.visible_fraction > 0.0 for pick in picks]),
        *_share(f"sim.well_visible_at_start.{name}", [pick.visible_fraction >= WELL_SEEN for pick in picks]),
        *_share(f"sim.picks_planned.{name}", [pick.planned for pick in picks]),
        *_share(f"sim.picks_lifted.{name}", [pick.lifted for pick in picks]),
        *_share(f"sim.plans_lifted.{name}", [pick.lifted for pick in executed]),
        Row(f"sim.plans_collided.{name}", sum(pick.collided for pick in executed), "1"),
        *_times(name, [pick.planning_ms for pick in picks]),
    ]


def opening_rows(part: str, tries: list[Opened]) -> list[Row]:
    """Return the figures of one door or drawer."""
    return [
        *_share(f"sim.openings_planned.{part}", [one.planned for one in tries]),
        *_share(f"sim.openings_opened.{part}", [one.opened for one in tries]),
        Row(f"sim.openings_collided.{part}", sum(one.collided for one in tries), "1"),
        *_times(part, [one.planning_ms for one in tries]),
    ]


def _share(name: str, hits: list[bool]) -> list[Row]:
    low, high = wilson(sum(hits), len(hits)) or (0.0, 1.0)
    share = sum(hits) / len(hits) if hits else 0.0
    counts = [Row(f"{name}.hits", sum(hits), "1"), Row(f"{name}.of", len(hits), "1")]
    return [Row(name, share, "1"), Row(f"{name}.low", low, "1"), Row(f"{name}.high", high, "1"), *counts]


def _times(name: str, times_ms: list[float]) -> list[Row]:
    return [
        Row(f"sim.planning_ms_median.{name}", statistics.median(times_ms), "ms"),
        Row(f"sim.planning_ms_max.{name}", max(times_ms), "ms"),
    ]


def measure_shelf(world: ExpertWorld, targets: tuple[str, ...], episodes: int, first_seed: int) -> list[Row]:
    """Pick every class from bookshelves with a clear way, on seeds of its own, and all of them together."""
    rows, every = [], list[Pick]()
    with _robot(SHELF_TASK) as robot:
        for index, target in enumerate(targets):
            seeds = range(first_seed + index * episodes, first_seed + (index + 1) * episodes)
            specs = [sample_episode(SHELF_TASK, seed, target=target, occlusion="low") for seed in seeds]
            picks = [pick(world, robot, spec) for spec in specs]
            rows += rows_of(target, picks)
            every += picks
    return rows + rows_of("bookshelf", every)


def measure_cabinet(world: ExpertWorld, task: str, episodes: int, first_seed: int) -> list[Row]:
    """Pick the usual target from open cabinets, counted by what hides it."""
    groups: dict[str, list[Pick]] = {}
    with _robot(task) as robot:
        for seed in range(first_seed, first_seed + episodes):
            spec = sample_episode(task, seed)
            groups.setdefault(f"{task}.{hiding_place(spec)}", []).append(pick(world, robot, spec))
    every = [one for picks in groups.values() for one in picks]
    groups = dict(sorted(groups.items())) | {task: every}
    return [row for name, picks in groups.items() for row in rows_of(name, picks)]


def hiding_place(spec: EpisodeSpec) -> str:
    """Return what hides the target: `door`, `drawer`, `screen`, or `shelf` for nothing."""
    target = next(item for item in spec.objects if item.name == spec.target_name)
    index = spec.region.index_of(np.array(target.position_m) + np.array([0.0, 0.0, 0.02]))
    place = "" if index is None else spec.region.compartments[index].name
    return next((part.kind.value for part in find_furniture(spec.scene).parts if part.compartment == place), "shelf")


def measure_openings(world: ExpertWorld, episodes: int, first_seed: int) -> list[Row]:
    """Open every door and drawer of cabinets that are shut or ajar."""
    rows: list[Row] = []
    parts = [part for part in find_furniture(scene_of(OPENING_TASK)).parts if part.kind is not PartKind.SCREEN]
    with _robot(OPENING_TASK) as robot:
        for part in parts:
            specs = [sample_episode(OPENING_TASK, seed) for seed in range(first_seed, first_seed + episodes)]
            rows += opening_rows(part.name, [open_part(world, robot, spec, part.name) for spec in specs])
    return rows


def _robot(task: str) -> MujocoRobot:
    return MujocoRobot(SimConfig(wrist_px=(224, 224), scene=scene_of(task)), time.monotonic)


def main() -> int:
    """Measure and publish."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--targets", default="all", help="`all`, or one class to pick from the bookshelf")
    parser.add_argument("--episodes", type=int, default=19, help="bookshelf layouts per class")
    parser.add_argument("--cabinet-episodes", type=int, default=50, help="layouts per cabinet task and per part")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="seed of the first layout of each group")
    options = parser.parse_args()
    everything = options.targets == "all"
    targets = targets_of(SHELF_TASK) if everything else (find_task(SHELF_TASK, options.targets).target,)
    world = ExpertWorld(dt_s=1 / 15)
    rows = measure_shelf(world, targets, options.episodes, options.first_seed)
    for task in CABINET_TASKS if everything else ():
        rows += measure_cabinet(world, task, options.cabinet_episodes, options.first_seed)
    rows += measure_openings(world, options.cabinet_episodes, options.first_seed) if everything else []
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
