"""What the shipped actor's choice costs, alone and while every core is busy."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.training_frames import noise_frames
from search_policy.observations import AgentState
from search_policy.searchers.choosers import PolicyChooser

_PERIOD_S = 0.02
_BUSY = "while True: pass"


def act_costs(calls: int) -> tuple[float, float]:
    """Return CPU time per choice [ms], and the 99 % wall time with a busy process per core [ms]; torch on one thread.

    Between two choices the process sleeps, as a control loop does.

    Args:
        calls: Choices measured for each figure.
    """
    torch.set_num_threads(1)
    chooser, states = PolicyChooser.shipped(), _states()
    cpu_ms = float(np.median([_choose(chooser, states[i % len(states)])[0] for i in range(calls)]))
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(0.2)
        wall_ms = [_choose(chooser, states[i % len(states)], _PERIOD_S)[1] for i in range(calls)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return cpu_ms, float(np.percentile(wall_ms, 99))


def _choose(chooser: PolicyChooser, state: AgentState, sleep_s: float = 0.0) -> tuple[float, float]:
    """Return CPU and wall time of one choice [ms]."""
    if sleep_s:
        time.sleep(sleep_s)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    chooser.choose(state)
    return (time.process_time() - cpu_s) * 1e3, (time.perf_counter() - wall_s) * 1e3


def _states() -> list[AgentState]:
    frames = noise_frames(1, 8)
    parts: tuple[NDArray[np.generic], ...] = (
        *(frames.image, frames.proprioception, frames.seen_map, frames.views, frames.mask),
    )
    return [AgentState(*(part[index] for part in parts)) for index in range(len(frames))]
