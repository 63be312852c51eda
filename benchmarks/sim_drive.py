"""What the simulation's benchmark drives: an episode of each scene, control steps in it, and their rate."""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Barrier

import numpy as np

from robots.region import Compartment, Opening
from robots.sim.episode import EpisodeSpec, ObjectSpec, PartState
from robots.sim.furniture import Furniture, PartKind, find_furniture
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.objects import CLASSES
from robots.sim.privileged import PrivilegedView
from robots.sim.tasks import TASKS, scene_of
from robots.types import Action, ActionSpace

SEED = 100_000  # validation
RESET_EVERY = 50
WARM_STEPS = 60
_BORROWED = "bookshelf_pineapple"  # whose layouts fill the shelves of a scene without a task


@dataclass(frozen=True, slots=True)
class Drive:
    """What is driven.

    Attributes:
        scene: Name of the scene.
        size_px: Side of the square wrist image.
        visibility: Also read the truth in every step, which draws two segmentations.
        randomization: Preset of the episodes.
    """

    scene: str
    size_px: int = 84
    visibility: bool = False
    randomization: str = "train"


@dataclass(frozen=True, slots=True)
class Rate:
    """Control steps per second of wall time, and per second of the processes' own CPU time."""

    wall_hz: float
    cpu_hz: float


def episode(scene: str, seed: int = SEED, randomization: str = "train") -> EpisodeSpec:
    """Return an episode of a scene: of its first task, or a bookcase layout moved into furniture without a task."""
    task = next((name for name in TASKS if scene_of(name) == scene), None)
    if task is not None:
        return sample_episode(task, seed, randomization=randomization)
    furniture = find_furniture(scene)
    layout = sample_episode(_BORROWED, seed, randomization=randomization)
    objects = _rehoused(layout.objects, furniture)
    present = any(item.kind == layout.task.target for item in objects)
    return replace(
        layout,
        scene=scene,
        region=furniture.region,
        objects=objects,
        target_present=present,
        parts=tuple(PartState(part.name, _open(part.kind, part.high)) for part in furniture.parts),
    )


@contextmanager
def open_robot(scene: str, size_px: int) -> Iterator[MujocoRobot]:
    """Open a robot in a scene, and free its graphics afterwards."""
    with MujocoRobot(SimConfig(scene=scene, wrist_px=(size_px, size_px)), time.monotonic) as robot:
        yield robot
        robot.close()


def run_steps(robot: MujocoRobot, drive: Drive, count: int, rng: np.random.Generator) -> None:
    """Drive around at random with an image in every step and a reset to another episode every `RESET_EVERY`."""
    truth = PrivilegedView(robot)
    for step in range(count):
        if step % RESET_EVERY == 0:
            robot.reset(episode(drive.scene, SEED + step // RESET_EVERY, drive.randomization))
        robot.send_action(Action(ActionSpace.CARTESIAN_VELOCITY, rng.uniform(-0.4, 0.4, 6), gripper=0.0))
        robot.get_observation()
        if drive.visibility:
            truth.observe()


def measure_one(drive: Drive, steps: int, repetitions: int) -> Rate:
    """Return the rate of this process: medians over repetitions."""
    return _median(_rates(drive, steps, repetitions, 0))


def measure_two(drive: Drive, steps: int, repetitions: int) -> Rate:
    """Return the rate of two processes together: medians over repetitions of the sum of both."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager:
        barrier = manager.Barrier(2)
        with spawn.Pool(2) as pool:
            jobs = [(drive, steps, repetitions, seed, barrier) for seed in (1, 2)]
            both = pool.starmap(_rates, jobs, chunksize=1)
    return _median([Rate(a.wall_hz + b.wall_hz, a.cpu_hz + b.cpu_hz) for a, b in zip(*both, strict=True)])


def _rates(drive: Drive, steps: int, repetitions: int, seed: int, start: Barrier | None = None) -> list[Rate]:
    """Return the rate of each repetition; with a barrier, every repetition starts together with another process's."""
    rng, rates = np.random.default_rng(seed), []
    with open_robot(drive.scene, drive.size_px) as robot:
        run_steps(robot, drive, WARM_STEPS, rng)
        for _ in range(repetitions):
            if start is not None:
                start.wait(timeout=120.0)
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            run_steps(robot, drive, steps, rng)
            rates.append(Rate(steps / (time.perf_counter() - wall_s), steps / (time.process_time() - cpu_s)))
    return rates


def _median(rates: list[Rate]) -> Rate:
    return Rate(statistics.median(rate.wall_hz for rate in rates), statistics.median(rate.cpu_hz for rate in rates))


def _open(kind: PartKind, high: float) -> float:
    return 0.0 if kind is PartKind.SCREEN else high


def _rehoused(objects: tuple[ObjectSpec, ...], furniture: Furniture) -> tuple[ObjectSpec, ...]:
    """Move every object sideways into the nearest bay on its level, and leave out what then has no room."""
    kept: list[ObjectSpec] = []
    for item in objects:
        bays = [bay for bay in furniture.region.compartments if _level(bay, item)]
        if not bays:
            continue
        y_m = min((_inside(bay, item) for bay in bays), key=lambda y, item=item: abs(y - item.position_m[1]))
        moved = replace(item, position_m=(item.position_m[0], y_m, item.position_m[2]))
        if all(_apart(moved, other) for other in kept):
            kept.append(moved)
    return tuple(kept)


def _level(bay: Compartment, item: ObjectSpec) -> bool:
    wide = bay.y_max_m - bay.y_min_m > 2.0 * _radius_m(item)
    return wide and bay.opening is Opening.FRONT and math.isclose(bay.floor_z_m, item.position_m[2], abs_tol=0.01)


def _inside(bay: Compartment, item: ObjectSpec) -> float:
    radius_m = _radius_m(item)
    return min(max(item.position_m[1], bay.y_min_m + radius_m), bay.y_max_m - radius_m)


def _apart(item: ObjectSpec, other: ObjectSpec) -> bool:
    return math.dist(item.position_m, other.position_m) > _radius_m(item) + _radius_m(other)


def _radius_m(item: ObjectSpec) -> float:
    return CLASSES[item.kind].radius_m * item.scale + 0.005
