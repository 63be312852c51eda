"""What training and acting cost: CPU time per update, memory, sampling, and how long a choice takes.

Run `OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python -m benchmarks.training --json FILE`. Rows named
`reconstruction` are our reconstruction of the published code's update (see `training_reference.py`), not the authors'
code. Where that costs 0.70 CPU-seconds, the bounds are 0.45 for `published`, 0.14 for `ours` and 0.018 for `cached`:
ratios of 1.6 (3 in bf16), 5 and 40.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.report import Row, against, arguments, publish
from benchmarks.training_act import act_costs
from benchmarks.training_frames import noise_frames
from benchmarks.training_memory import buffer_mib, in_fresh_process, peak_mib, reference_buffer_mib
from benchmarks.training_reference import BATCH, Reconstruction
from benchmarks.training_turns import Cost, by_turns
from benchmarks.training_work import PRECISIONS, SHAPES, Work, sampling
from search_policy.learning.precision import native_bf16

REFERENCE = "reconstruction.fp32"
RATIOS = {"published.fp32": 1.6, "published.bf16": 3.0, "ours.fp32": 5.0, "cached.fp32": 40.0}
PER_10K_MIB, PEAK_MIB, ACT_MS = 210.0, 1024.0, 10.0
PERIOD_MS = 1e3 / 15  # of the control loop
EPISODE = 49  # decisions; the published episodes have 50 steps
SHIPPED_EPISODES, SHIPPED_DECISIONS = 600, 3


def update_rows(options: argparse.Namespace) -> list[Row]:
    """Return CPU time and rate of updates, and their ratio to the reconstruction."""
    frames = noise_frames(options.episodes, EPISODE)
    work: dict[str, Callable[[], object]] = {REFERENCE: Reconstruction(len(frames), options.batch).update}
    for shape in SHAPES:
        for precision in PRECISIONS:
            work[f"{shape}.{precision}"] = Work(shape, precision, frames, options.batch).update
    one = by_turns(work, rounds=options.rounds, seconds=options.seconds)
    rows = [Row(f"train.cpu_s_per_update.{name}.{options.batch}", cost.cpu_s, "s") for name, cost in one.items()]
    rows += _ratios(one)
    rows += [Row(f"train.updates_per_s.{name}.1_thread", 1.0 / cost.wall_s, "1/s") for name, cost in one.items()]
    two = by_turns(work, rounds=options.rounds, seconds=options.seconds, threads=2)
    return rows + [Row(f"train.updates_per_s.{name}.2_threads", 1.0 / cost.wall_s, "1/s") for name, cost in two.items()]


def _ratios(costs: dict[str, Cost]) -> list[Row]:
    rows: list[Row] = []
    for name, bound in RATIOS.items():
        ratio = costs[REFERENCE].cpu_s / costs[name].cpu_s
        rows += against(Row(f"train.ratio.{name.removesuffix('.fp32')}", ratio, "x"), bound)
    return rows


def gpu_rows(options: argparse.Namespace) -> list[Row]:
    """Return time and rate of updates on the GPU; nothing without one."""
    if not torch.cuda.is_available():
        return []
    frames = noise_frames(options.episodes, EPISODE)
    work = {
        f"{shape}.{precision}": Work(shape, precision, frames, options.batch, "cuda").update
        for shape in SHAPES
        for precision in PRECISIONS
    }
    costs = by_turns(work, rounds=options.rounds, seconds=options.seconds, device="cuda")
    rows = [
        Row(f"train.wall_s_per_update.{name}.{options.batch}.cuda", cost.wall_s, "s") for name, cost in costs.items()
    ]
    return rows + [
        Row(f"train.cpu_s_per_update.{name}.{options.batch}.cuda", cost.cpu_s, "s") for name, cost in costs.items()
    ]


def sampling_rows(options: argparse.Namespace) -> list[Row]:
    """Return CPU time of drawing and augmenting a batch."""
    frames = noise_frames(options.episodes, EPISODE)
    work: dict[str, Callable[[], object]] = {"reconstruction": Reconstruction(len(frames), options.batch).buffer.sample}
    work |= {shape: sampling(shape, frames, options.batch) for shape in ("ours", "cached")}
    costs = by_turns(work, rounds=options.rounds, seconds=options.seconds)
    return [Row(f"train.sampling_cpu_s_per_batch.{name}", cost.cpu_s, "s") for name, cost in costs.items()]


def memory_rows(options: argparse.Namespace) -> list[Row]:
    """Return what 10 000 transitions take, and the peak of the shipped recipe."""
    episodes = options.buffer // (EPISODE + 1)
    scale = 10_000 / (episodes * EPISODE)
    ours = in_fresh_process(buffer_mib, episodes, EPISODE) * scale
    reference = in_fresh_process(reference_buffer_mib, episodes * EPISODE) * scale
    peak = in_fresh_process(peak_mib, options.demonstrations, SHIPPED_DECISIONS, options.updates, options.updates // 3)
    return [
        *against(Row("train.buffer_mib_per_10k", ours, "MiB"), PER_10K_MIB),
        Row("train.buffer_mib_per_10k.reconstruction", reference, "MiB"),
        *against(Row("train.peak_mib", peak, "MiB"), PEAK_MIB),
    ]


def act_rows(options: argparse.Namespace) -> list[Row]:
    """Return what the shipped skill costs while it acts."""
    costs = act_costs(options.acts)
    return [
        Row("act.cpu_ms", costs.choice_cpu, "ms"),
        *against(Row("act.wall_ms_p99_loaded", costs.choice_p99, "ms"), ACT_MS),
        Row("act.step_cpu_ms", costs.step_cpu, "ms"),
        *against(Row("act.step_wall_ms_p99_loaded", costs.step_p99, "ms"), PERIOD_MS),
    ]


PARTS = {"update": update_rows, "gpu": gpu_rows, "sampling": sampling_rows, "memory": memory_rows, "act": act_rows}


def machine() -> str:
    """Return processor, bfloat16 instructions, torch and cores in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    bf16 = ", ".join(native_bf16()) or "none: bf16 is emulated"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return f"processor {model}; bf16 instructions {bf16}; GPU {gpu}; torch {torch.__version__}"


def _options(words: list[str]) -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each; medians are taken over them")
    parser.add_argument("--seconds", type=float, default=0.5, help="CPU time of a turn; slow updates take one call")
    parser.add_argument("--batch", type=int, default=BATCH, help="decisions per update")
    parser.add_argument("--episodes", type=int, default=40, help="of 50 frames, in the store that updates draw from")
    parser.add_argument("--buffer", type=int, default=10_000, help="frames allocated to measure a buffer")
    parser.add_argument("--demonstrations", type=int, default=SHIPPED_EPISODES, help="in the measured recipe")
    parser.add_argument("--updates", type=int, default=150, help="of the measured recipe, beside a third to pretrain")
    parser.add_argument("--acts", type=int, default=500, help="choices measured")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Measure and publish."""
    options = _options(words)
    torch.set_num_threads(1)
    sys.stdout.write(f"{machine()}; threads 1 unless named\n")
    rows = [row for part in options.parts for row in PARTS[part](options)]
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
