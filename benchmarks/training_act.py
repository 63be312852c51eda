"""What the shipped skill costs while it acts: a choice, and the whole control step in which it chooses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from robots.region import SearchRegion
from robots.types import CameraIntrinsics, Holder, Lease, Observation, Task
from search_policy.motion.viewpoints import View
from search_policy.searchers.choosers import PolicyChooser
from search_policy.skill import SearchSkill

_PERIOD_S = 0.02
_BUSY = "while True: pass"
_WRIST_PX = 168
_TASK = Task("bookshelf_pineapple", "pineapple", "Pick up the pineapple.")
_LEASE = Lease(Holder.SEARCH, 1)
REGION = SearchRegion.bookcase(
    front_x_m=0.66, depth_m=0.28, y_min_m=-0.42, y_max_m=0.42, shelf_z_m=(0.06, 0.35, 0.64), clearance_m=0.27
)


@dataclass(frozen=True, slots=True)
class ActCosts:
    """Times of one call, torch on one thread [ms].

    Attributes:
        choice_cpu: CPU time of a choice from a state that is given; median.
        choice_p99: Wall time of the same with a busy process per core; 99 %.
        step_cpu: CPU time of a control step that chooses: map, insight, state, choice, first twist; median.
        step_p99: Wall time of the same with a busy process per core; 99 %.
    """

    choice_cpu: float
    choice_p99: float
    step_cpu: float
    step_p99: float


def act_costs(calls: int) -> ActCosts:
    """Return what the shipped skill's acting costs.

    While the cores are busy the process sleeps between two calls, as a control loop does.

    Args:
        calls: Measured for each figure.
    """
    torch.set_num_threads(1)
    steps = _Steps()
    choices = _Choices(steps)
    alone = [np.median([_time(call)[0] for _ in range(calls)]) for call in (choices, steps)]
    with _busy():
        loaded = [np.percentile([_time(call, _PERIOD_S)[1] for _ in range(calls)], 99) for call in (choices, steps)]
    return ActCosts(float(alone[0]), float(loaded[0]), float(alone[1]), float(loaded[1]))


@dataclass(slots=True)
class _Steps:
    """Control steps of fresh episodes in the bookcase: a new skill state chooses in its first step."""

    chooser: PolicyChooser = field(default_factory=PolicyChooser.shipped)
    skill: SearchSkill = field(init=False)
    seen: list[Observation] = field(init=False)
    calls: int = 0

    def __post_init__(self) -> None:
        self.skill = SearchSkill(self.chooser, REGION, CameraIntrinsics(_WRIST_PX, _WRIST_PX, 120.0), seed=0)
        self.seen = [_observation(view, number) for number, view in enumerate(self.skill.views)]

    def prepare(self) -> None:
        self.calls += 1
        self.skill.reset(_TASK)

    def __call__(self) -> None:
        self.skill.propose(self.seen[self.calls % len(self.seen)], None, _LEASE)


class _Choices:
    """Choices from states that are given."""

    def __init__(self, steps: _Steps) -> None:
        self._chooser, self._calls = steps.chooser, 0
        steps.prepare()
        self._states = [steps.skill.state(observation) for observation in steps.seen]

    def prepare(self) -> None:
        self._calls += 1

    def __call__(self) -> None:
        self._chooser.choose(self._states[self._calls % len(self._states)])


def _time(call: _Steps | _Choices, sleep_s: float = 0.0) -> tuple[float, float]:
    """Return CPU and wall time of one call [ms]."""
    call.prepare()
    if sleep_s:
        time.sleep(sleep_s)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    call()
    return (time.process_time() - cpu_s) * 1e3, (time.perf_counter() - wall_s) * 1e3


@contextmanager
def _busy() -> Iterator[None]:
    """Keep every core busy with a process of its own."""
    processes = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(0.2)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _observation(view: View, number: int) -> Observation:
    """Return a noisy image from a candidate view."""
    image = np.random.default_rng(number).integers(256, size=(_WRIST_PX, _WRIST_PX, 3), dtype=np.uint8)
    return Observation(
        captured_at_s=float(number),
        capture_id=number,
        images={"wrist": image},
        joint_positions_rad=np.zeros(7),
        joint_velocities_rad_s=np.zeros(7),
        gripper=0.0,
        gripper_to_world=view.camera_to_world,
        camera_to_world={"wrist": view.camera_to_world},
    )
