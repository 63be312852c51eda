"""Our differential inverse kinematics against mink's, on the same robot-only model and the same camera servo.

Run `python -m benchmarks.inverse_kinematics`; it needs mink (`pip install 'mink>=1.2,<2'`). A proportional servo turns
the error of the wrist camera's pose into a gripper twist, and each solver turns twists into joint velocities. The
servo visits 60 views of the bookcase in random orders, each from where it stopped before, so that it meets joint
limits on the way. A view is reached within 5 mm and 0.02 rad in 8 s. Where a joint is within 0.1 rad of a bound, the
missed part of the commanded twist is reported apart (metres count as 5 radians, as the reach of a hand does).
mink gets its own limits for range and speed, and is measured with several weights of posture and damping.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from benchmarks.report import Row, arguments, publish
from robots.sim.arm import PANDA
from robots.sim.furniture import BOOKCASE
from robots.sim.kinematics import ArmKinematics, robot_model, rotation_vector
from robots.types import Float

DT_S = 1 / 15
PERIODS = 120
NEAR_RAD = 0.1
WEIGHT = np.repeat([5.0, 1.0], 3)
POSTURE_COSTS, LM_DAMPINGS = (1e-3, 1e-2), (0.0, 1e-2)

Solver = Callable[[Float, Float], Float]


@dataclass(slots=True)
class Tally:
    """What one solver did.

    Attributes:
        reached: Whether each view was reached.
        periods: Control periods of the reached ones.
        missed: Share of the twist missed, per control period away from the joint limits.
        missed_near: The same near a limit.
        cpu_ms: CPU time of every solution.
    """

    reached: list[bool] = field(default_factory=list)
    periods: list[int] = field(default_factory=list)
    missed: list[float] = field(default_factory=list)
    missed_near: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def rows(self, name: str) -> list[Row]:
        """Return the figures."""
        return [
            Row(f"ik.reached.{name}", float(np.mean(self.reached)), "1"),
            Row(f"ik.seconds_median.{name}", float(np.median(self.periods or [np.nan])) * DT_S, "s"),
            Row(f"ik.twist_missed.{name}", float(np.mean(self.missed)), "1"),
            Row(f"ik.twist_missed_near_limits.{name}", float(np.mean(self.missed_near)), "1"),
            Row(f"ik.cpu_ms.{name}", float(np.mean(self.cpu_ms)), "ms"),
            Row(f"ik.cpu_ms_99.{name}", float(np.quantile(self.cpu_ms, 0.99)), "ms"),
        ]


def ours() -> Solver:
    """Return Baton's solver."""
    kinematics = ArmKinematics(np.array(PANDA.home_rad))
    return lambda q_rad, twist: kinematics.twist_to_joint_velocity(q_rad, twist, dt_s=DT_S)


def minks(posture_cost: float, lm_damping: float) -> Solver:
    """Return mink's solver: the gripper's next pose as a frame task, the home posture as a weak one, both limits."""
    import mink

    model = robot_model()
    joints = [model.joint(name) for name in PANDA.joint_names]
    qpos = [int(joint.qposadr[0]) for joint in joints]
    dofs = [int(joint.dofadr[0]) for joint in joints]
    speeds = dict(zip(PANDA.joint_names, PANDA.limits.velocity_rad_s, strict=True))
    limits = [
        mink.ConfigurationLimit(model, gain=1.0),
        mink.VelocityLimit(model, {**speeds, **dict.fromkeys(PANDA.finger_joints, 1e-6)}),
    ]
    configuration = mink.Configuration(model)
    hand = mink.FrameTask(PANDA.gripper_site, "site", position_cost=5.0, orientation_cost=1.0, lm_damping=lm_damping)
    posture = mink.PostureTask(model, cost=posture_cost)
    home = configuration.q.copy()
    home[qpos] = PANDA.home_rad
    posture.set_target(home)

    def solve(q_rad: Float, twist: Float) -> Float:
        full = home.copy()
        full[qpos] = q_rad
        configuration.update(full)
        now = configuration.get_transform_frame_to_world(PANDA.gripper_site, "site")
        step = mink.SE3.from_rotation_and_translation(mink.SO3.exp(twist[3:] * DT_S), twist[:3] * DT_S)
        turned = step.rotation().multiply(now.rotation())
        hand.set_target(mink.SE3.from_rotation_and_translation(turned, now.translation() + step.translation()))
        velocity = mink.solve_ik(configuration, [hand, posture], DT_S, "daqp", limits=limits)
        return np.asarray(velocity)[dofs]

    return solve


def views() -> list[Float]:
    """Return camera poses (4, 4), OpenCV axes, that look at the cells of every shelf from four sides."""
    region, poses = BOOKCASE.region, []
    for shelf, y in product(region.compartments, (-0.34, -0.17, 0.0, 0.17, 0.34)):
        cell = np.array([region.front_x_m + 0.10, y, shelf.floor_z_m + 0.08])
        for distance, bearing, up in ((0.36, 0.0, 0.0), (0.40, 0.0, 0.15), (0.34, 0.35, 0.0), (0.34, -0.35, 0.0)):
            way = np.array([np.cos(bearing) * np.cos(up), np.sin(bearing), -np.sin(up)])
            poses.append(_looking(cell - distance * way, cell))
    return poses


def run(solve: Solver, orders: list[list[Float]]) -> Tally:
    """Visit every view in every order."""
    kinematics, tally = ArmKinematics(np.array(PANDA.home_rad)), Tally()
    for order in orders:
        q_rad = np.array(PANDA.home_rad)
        for goal in order:
            q_rad = _visit(solve, kinematics, q_rad, goal, tally)
    return tally


def _visit(solve: Solver, kinematics: ArmKinematics, q_rad: Float, goal: Float, tally: Tally) -> Float:
    for period in range(PERIODS):
        twist, close = _servo(kinematics, q_rad, goal)
        if close:
            tally.periods.append(period)
            break
        start = time.process_time()
        velocity = solve(q_rad, twist)
        tally.cpu_ms.append((time.process_time() - start) * 1e3)
        missed = np.linalg.norm(WEIGHT * (kinematics.jacobian(q_rad) @ velocity - twist))
        margin = np.minimum(q_rad - kinematics.lower_rad, kinematics.upper_rad - q_rad).min()
        share = float(missed / np.linalg.norm(WEIGHT * twist))
        (tally.missed_near if margin < NEAR_RAD else tally.missed).append(share)
        q_rad = np.clip(q_rad + DT_S * velocity, kinematics.lower_rad, kinematics.upper_rad)
    tally.reached.append(close)
    return q_rad


def _servo(kinematics: ArmKinematics, q_rad: Float, goal: Float) -> tuple[Float, bool]:
    """Return the gripper twist that moves the camera towards its goal, and whether it is there."""
    now = kinematics.forward(q_rad)
    delta = goal[:3, 3] - now.camera_to_world[:3, 3]
    turn = rotation_vector(goal[:3, :3] @ now.camera_to_world[:3, :3].T)
    spin = 3.0 * turn * min(1.0, 1.0 / max(3.0 * float(np.linalg.norm(turn)), 1e-9))
    move = 3.0 * delta * min(1.0, 0.3 / max(3.0 * float(np.linalg.norm(delta)), 1e-9))
    lever = now.gripper_to_world[:3, 3] - now.camera_to_world[:3, 3]
    close = bool(np.linalg.norm(delta) < 0.005 and np.linalg.norm(turn) < 0.02)
    return np.concatenate([move + np.cross(spin, lever), spin]), close


def _looking(position: Float, target: Float) -> Float:
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = position
    return pose


def main() -> int:
    """Measure and publish."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--orders", type=int, default=5, help="random orders of the 60 views")
    options = parser.parse_args()
    rng, every = np.random.default_rng(0), views()
    orders = [[every[int(index)] for index in rng.permutation(len(every))] for _ in range(options.orders)]
    rows = run(ours(), orders).rows("baton")
    for cost, damping in product(POSTURE_COSTS, LM_DAMPINGS):
        rows += run(minks(cost, damping), orders).rows(f"mink.posture{cost:g}.damping{damping:g}")
    publish(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
