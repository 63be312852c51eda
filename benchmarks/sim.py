"""What the simulation costs: control steps per second, their parts, randomisation, and detailed meshes for comparison.

Run `python -m benchmarks.sim --scene bookcase`. A step is one control period at 15 Hz: inverse kinematics, physics and
one wrist image of 84 px, with a reset to another episode every 50 steps. Rates are given in wall time, which other
processes spoil, and as `.cpu`, steps per second of CPU time, which they spoil less; two processes are summed.
`.visibility` adds everything privileged in every step, which draws two segmentations. All other costs are CPU time.
Figures are medians over repetitions; what is compared takes turns. `.bound` is a goal and `.of_bound` the ratio to it:
rates aim at 1 or more, costs at 1 or less.
"""

from __future__ import annotations

import sys

from benchmarks.report import Row, against, arguments, publish
from benchmarks.sim_drive import Drive, Rate, measure_one, measure_two
from benchmarks.sim_meshes import FACES, measure_detail
from benchmarks.sim_parts import LARGE_PX, SMALL_PX, measure_images, measure_parts, measure_presets
from robots.sim.furniture import FURNITURE

BOUNDS_HZ = {"sim.steps_per_s.1": 240.0, "sim.steps_per_s.2": 480.0, "sim.steps_per_s.1.visibility": 150.0}


def measure_rates(scene: str, steps: int, repetitions: int) -> list[Row]:
    """Return the control steps per second of one process and of two, plain, with the truth, and with large images."""
    rows: list[Row] = []
    drives = {
        "": Drive(scene, SMALL_PX),
        ".visibility": Drive(scene, SMALL_PX, visibility=True),
        f".{LARGE_PX}px": Drive(scene, LARGE_PX),
    }
    for suffix, drive in drives.items():
        rows += rate_rows(f"sim.steps_per_s.1{suffix}", measure_one(drive, steps, repetitions))
        rows += rate_rows(f"sim.steps_per_s.2{suffix}", measure_two(drive, steps, repetitions))
    return rows


def rate_rows(name: str, rate: Rate) -> list[Row]:
    """Return a rate in wall time and in CPU time, each against the bound where there is one."""
    rows = [Row(name, rate.wall_hz, "1/s"), Row(f"{name}.cpu", rate.cpu_hz, "1/s")]
    bound = BOUNDS_HZ.get(name)
    return rows if bound is None else [found for row in rows for found in against(row, bound)]


def main() -> int:
    """Measure and publish."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--scene", choices=sorted(FURNITURE), default="bookcase", help="which scene to drive in")
    parser.add_argument("--steps", type=int, default=200, help="control steps per repetition")
    parser.add_argument("--repetitions", type=int, default=5, help="repetitions of every measurement")
    parser.add_argument("--faces", type=int, default=FACES, help="triangles of the detailed scene")
    options = parser.parse_args()
    scene, repetitions = options.scene, options.repetitions
    rows = [
        *measure_rates(scene, options.steps, repetitions),
        *measure_images(scene, SMALL_PX, repetitions),
        *measure_images(scene, LARGE_PX, repetitions),
        *measure_parts(scene, repetitions),
        *measure_presets(scene, repetitions),
        *measure_detail(scene, (SMALL_PX, LARGE_PX), repetitions, options.faces),
    ]
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
