"""How often the scripted pick succeeds from home, and how often the target is seen from there, on held-out layouts.

Run `python -m benchmarks.sim_picks`. Shares are followed by their 95 % Wilson interval; planning times are CPU time of
the process. The bound for every share is 1.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.report import Row, arguments, publish
from handoff.statistics import wilson
from robots.errors import PlanningError
from robots.sim.experts.trajectory import JointPlan
from robots.sim.experts.world import ExpertWorld
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.tasks import TASKS, scene_of
from robots.types import Action, ActionSpace

FIRST_SEED = 100_000
WELL_SEEN = 0.2  # share of the target in the wrist image


@dataclass(frozen=True, slots=True)
class Pick:
    """One layout: the target's visible share at home, planning, and what became of an executed plan."""

    visible_fraction: float
    planning_ms: float
    planned: bool
    lifted: bool
    collided: bool


def attempt(world: ExpertWorld, robot: MujocoRobot, task: str, seed: int) -> Pick:
    """Plan a pick from home and, if there is a plan, execute it."""
    spec, truth = sample_episode(task, seed), PrivilegedView(robot)
    robot.reset(spec)
    seen, state = truth.visibility().fraction, robot.data.qpos.copy()
    start = time.process_time()
    try:
        plan = world.plan(spec.to_dict(), state, np.random.default_rng(0), min_visible_fraction=0.0)
    except PlanningError:
        plan = None
    planning_ms = (time.process_time() - start) * 1e3
    if plan is None:
        return Pick(seen, planning_ms, planned=False, lifted=False, collided=False)
    execute(robot, plan)
    judged = truth.judge()
    return Pick(seen, planning_ms, planned=True, lifted=judged.success, collided=judged.collision_steps > 0)


def execute(robot: MujocoRobot, plan: JointPlan) -> None:
    """Send every target of a plan."""
    for joints, gripper in zip(plan.joints_rad, plan.gripper, strict=True):
        robot.send_action(Action(ActionSpace.JOINT_POSITION, joints, float(gripper)))


def rows_of(task: str, picks: list[Pick]) -> list[Row]:
    """Return the figures of one task."""
    executed = [pick for pick in picks if pick.planned]
    times = [pick.planning_ms for pick in picks]
    return [
        *_share(f"sim.visible_at_home.{task}", [pick.visible_fraction > 0.0 for pick in picks]),
        *_share(f"sim.well_visible_at_home.{task}", [pick.visible_fraction >= WELL_SEEN for pick in picks]),
        *_share(f"sim.picks_planned.{task}", [pick.planned for pick in picks]),
        *_share(f"sim.plans_lifted.{task}", [pick.lifted for pick in executed]),
        Row(f"sim.plans_collided.{task}", sum(pick.collided for pick in executed), "1"),
        Row(f"sim.planning_ms_median.{task}", statistics.median(times), "ms"),
        Row(f"sim.planning_ms_max.{task}", max(times), "ms"),
    ]


def _share(name: str, hits: list[bool]) -> list[Row]:
    low, high = wilson(sum(hits), len(hits)) or (0.0, 1.0)
    share = sum(hits) / len(hits) if hits else 0.0
    return [Row(name, share, "1"), Row(f"{name}.low", low, "1"), Row(f"{name}.high", high, "1")]


def main() -> int:
    """Measure and publish."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--episodes", type=int, default=100, help="layouts per task")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="seed of the first layout")
    options = parser.parse_args()
    world, rows = ExpertWorld(dt_s=1 / 15), []
    seeds = range(options.first_seed, options.first_seed + options.episodes)
    for task in TASKS:
        with MujocoRobot(SimConfig(wrist_px=(224, 224), scene=scene_of(task)), time.monotonic) as robot:
            rows += rows_of(task, [attempt(world, robot, task, seed) for seed in seeds])
            robot.close()
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
