"""What the simulation costs: images, physics, inverse kinematics, resets, and whole control steps in 1 and 2 processes.

Run `python -m benchmarks.sim`. Costs are CPU time of the process (all threads), rates are wall time; both are medians
over repetitions. A step is one control period: inverse kinematics, physics and one 84 x 84 wrist image, with a reset
every 50 steps. The bound for the second process is twice the first one's rate.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from threading import Barrier

import numpy as np

from benchmarks.report import Row, arguments, publish
from robots.sim.appearance import SensorSpec
from robots.sim.kinematics import ArmKinematics
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.privileged import PrivilegedView
from robots.sim.scene import HOME_RAD
from robots.sim.sensor import degrade
from robots.types import Action, ActionSpace

TASK = "bookshelf_pineapple"
SEED = 100_000
RESET_EVERY = 50
WARM_STEPS = 60


def cpu_ms(call: Callable[[], object], *, repetitions: int, calls: int) -> float:
    """Return the CPU time of one call [ms]: median over `repetitions` of the mean over `calls`."""
    call()
    means = []
    for _ in range(repetitions):
        start = time.process_time()
        for _ in range(calls):
            call()
        means.append((time.process_time() - start) * 1e3 / calls)
    return statistics.median(means)


def run_steps(robot: MujocoRobot, count: int, rng: np.random.Generator) -> None:
    """Drive around at random with an image in every step and a reset every `RESET_EVERY`."""
    for step in range(count):
        if step % RESET_EVERY == 0:
            robot.reset(sample_episode(TASK, SEED + step // RESET_EVERY))
        twist = rng.uniform(-0.4, 0.4, 6)
        robot.send_action(Action(ActionSpace.CARTESIAN_VELOCITY, twist, gripper=0.0))
        robot.get_observation()


def measure_rates(steps: int, repetitions: int, seed: int, start: Barrier | None = None) -> list[float]:
    """Return the steps per second of each repetition; with a barrier, every repetition starts together."""
    rng = np.random.default_rng(seed)
    rates = []
    with MujocoRobot(SimConfig(), time.monotonic) as robot:
        run_steps(robot, WARM_STEPS, rng)
        for _ in range(repetitions):
            if start is not None:
                start.wait(timeout=120.0)
            begun = time.perf_counter()
            run_steps(robot, steps, rng)
            rates.append(steps / (time.perf_counter() - begun))
    return rates


def measure_two(steps: int, repetitions: int) -> float:
    """Return the steps per second of two processes together: median over repetitions of the sum of both."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager:
        barrier = manager.Barrier(2)
        with spawn.Pool(2) as pool:
            both = pool.starmap(measure_rates, [(steps, repetitions, seed, barrier) for seed in (1, 2)], chunksize=1)
    return statistics.median(sum(pair) for pair in zip(*both, strict=True))


def measure_image(size: int, repetitions: int) -> float:
    """Return the CPU time of one square wrist image [ms]."""
    with MujocoRobot(SimConfig(wrist_px=(size, size)), time.monotonic) as robot:
        robot.reset(sample_episode(TASK, SEED))
        return cpu_ms(
            lambda: robot.renderer.color(robot.data, "wrist", (size, size)), repetitions=repetitions, calls=40
        )


def measure_sensor(size: int, repetitions: int) -> float:
    """Return the CPU time that blur, exposure, noise and JPEG together add to one square image [ms]."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    sensor = SensorSpec(exposure=1.1, noise=3.0, blur_px=0.5, jpeg_quality=80)
    return cpu_ms(lambda: degrade(image, sensor, (SEED, 0)), repetitions=repetitions, calls=100)


def measure_costs(repetitions: int) -> list[Row]:
    """Return what the parts of a step cost."""
    spec = sample_episode(TASK, SEED)
    rng = np.random.default_rng(0)
    kinematics, home = ArmKinematics(np.array(HOME_RAD)), np.array(HOME_RAD)
    twists = iter(rng.uniform(-0.4, 0.4, (repetitions * 500 + 1, 6)))
    with MujocoRobot(SimConfig(), time.monotonic) as robot:
        step = cpu_ms(lambda: run_steps(robot, 2 * RESET_EVERY, rng), repetitions=repetitions, calls=1)
        reset = cpu_ms(lambda: robot.reset(spec), repetitions=repetitions, calls=10)
        physics = cpu_ms(robot.hold, repetitions=repetitions, calls=50)
        truth = PrivilegedView(robot)
        visible = cpu_ms(truth.observe, repetitions=repetitions, calls=20)
        solve = cpu_ms(
            lambda: kinematics.twist_to_joint_velocity(home, next(twists)), repetitions=repetitions, calls=500
        )
    return [
        Row("sim.step_cpu_ms", step / (2 * RESET_EVERY), "ms"),
        Row("sim.reset_ms", reset, "ms"),
        Row("sim.physics_ms", physics, "ms"),
        Row("sim.ik_ms", solve, "ms"),
        Row("sim.privileged_ms.84", visible, "ms"),
    ]


def main() -> int:
    """Measure and publish."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--steps", type=int, default=200, help="control steps per repetition")
    parser.add_argument("--repetitions", type=int, default=5, help="repetitions of every measurement")
    options = parser.parse_args()
    one = statistics.median(measure_rates(options.steps, options.repetitions, 0))
    rows = [
        Row("sim.steps_per_s.1", one, "1/s"),
        Row("sim.steps_per_s.2", measure_two(options.steps, options.repetitions), "1/s"),
        *(Row(f"sim.image_cpu_ms.{size}", measure_image(size, options.repetitions), "ms") for size in (84, 224)),
        *(Row(f"sim.sensor_cpu_ms.{size}", measure_sensor(size, options.repetitions), "ms") for size in (84, 224)),
        *measure_costs(options.repetitions),
    ]
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
