"""Memory of training, by what the kernel says of a fresh process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MIB = 1 << 20


def in_fresh_process(measure: Callable[..., float], *given: int) -> float:
    """Return what a function of this module finds in a process of its own, into which nothing was loaded before."""
    code = f"from {__name__} import {measure.__name__} as measure; print(measure(*{given}))"
    run = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, timeout=3600)
    return float(run.stdout)


def buffer_mib(episodes: int, decisions: int) -> float:
    """Return by how much resident memory grows when a frame store is filled [MiB]."""
    from benchmarks.training_frames import noise_frames

    noise_frames(1, 1)
    before = _status("VmRSS")
    frames = noise_frames(episodes, decisions)
    grown = _status("VmRSS") - before
    return grown if len(frames) else 0.0


def reference_buffer_mib(transitions: int) -> float:
    """Return the same for the reconstruction's transitions [MiB]."""
    from benchmarks.training_reference import Buffer

    before = _status("VmRSS")
    buffer = Buffer(transitions)
    return _status("VmRSS") - before if buffer.nbytes() else 0.0


def peak_mib(episodes: int, decisions: int, updates: int, pretrain_updates: int) -> float:
    """Return the peak of resident memory over what imports take, in the shipped recipe with fewer updates [MiB]."""
    from benchmarks.training_frames import noise_frames
    from benchmarks.training_work import shipped
    from search_policy.learning.trainer import train_on

    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    with tempfile.TemporaryDirectory() as place:
        train_on(shipped(Path(place) / "run", updates, pretrain_updates), noise_frames(episodes, decisions))
    return _status("VmHWM") - before


def _status(key: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024 / MIB
