"""What the parts of a simulated control step cost [ms of CPU time]: image, camera, physics, IK, truth, reset."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.report import Row, against
from benchmarks.sim_drive import RESET_EVERY, SEED, Drive, episode, open_robot, run_steps
from benchmarks.sim_timing import compare_cpu_ms, cpu_ms
from robots.sim.appearance import SensorSpec
from robots.sim.kinematics import ArmKinematics
from robots.sim.privileged import PrivilegedView
from robots.sim.randomization import presets
from robots.sim.sensor import degrade

SMALL_PX, LARGE_PX = 84, 224
IMAGE_BOUND_MS, RESET_BOUND_MS = 3.0, 15.0
_SENSOR = SensorSpec(exposure=1.1, noise=3.0, blur_px=0.5, jpeg_quality=80)
_PLAIN, _USUAL = "none", "train"


def measure_parts(scene: str, repetitions: int) -> list[Row]:
    """Return what the parts of a step cost, whatever the size of the image."""
    rng = np.random.default_rng(0)
    with open_robot(scene, SMALL_PX) as robot:
        spec, home = episode(scene), np.array(robot.arm.home_rad)
        kinematics = ArmKinematics(home, robot.arm)
        reset = cpu_ms(lambda: robot.reset(spec), repetitions=repetitions, calls=20)
        physics = cpu_ms(robot.hold, repetitions=repetitions, calls=50)
        solve = cpu_ms(
            lambda: kinematics.twist_to_joint_velocity(home, rng.uniform(-0.4, 0.4, 6)),
            repetitions=repetitions,
            calls=500,
        )
    return [
        *against(Row("sim.reset_ms", reset, "ms"), RESET_BOUND_MS),
        Row("sim.physics_ms", physics, "ms"),
        Row("sim.ik_ms", solve, "ms"),
    ]


def measure_images(scene: str, size_px: int, repetitions: int) -> list[Row]:
    """Return what depends on the side of the wrist image: the image, the camera's effects on it, and the truth."""
    noisy = np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
    with open_robot(scene, size_px) as robot:
        robot.reset(episode(scene))
        work = {
            "image_cpu_ms": partial(robot.renderer.color, robot.data, robot.arm.wrist_camera, (size_px, size_px)),
            "sensor_cpu_ms": lambda: degrade(noisy, _SENSOR, (SEED, 0)),
            "privileged_ms": PrivilegedView(robot).observe,
        }
        costs = compare_cpu_ms(work, repetitions=repetitions, calls=40)
    image, *others = (Row(f"sim.{name}.{size_px}", cost, "ms") for name, cost in costs.items())
    return [*(against(image, IMAGE_BOUND_MS) if size_px == SMALL_PX else [image]), *others]


def measure_presets(scene: str, repetitions: int) -> list[Row]:
    """Return what a whole control step costs under each randomisation preset, and its ratio to the one without."""
    rng, steps = np.random.default_rng(0), 2 * RESET_EVERY
    with open_robot(scene, SMALL_PX) as robot:
        work = {
            name: partial(run_steps, robot, Drive(scene, SMALL_PX, randomization=name), steps, rng)
            for name in presets()
        }
        costs = compare_cpu_ms(work, repetitions=repetitions, calls=1)
    rows = [Row("sim.step_cpu_ms", costs[_USUAL] / steps, "ms")]
    rows += [Row(f"sim.step_cpu_ms.{name}", cost / steps, "ms") for name, cost in costs.items()]
    others = [name for name in costs if name != _PLAIN]
    return rows + [Row(f"sim.step_ratio.{name}", costs[name] / costs[_PLAIN], "x") for name in others]
