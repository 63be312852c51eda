"""A kinematic world for the search tests: a camera that moves exactly as commanded, and a target in a bookcase."""

from __future__ import annotations

import numpy as np

from robots.region import SearchRegion
from robots.types import CameraIntrinsics, Detection, DetectionFrame, Observation, Task
from search_policy.episodes.world import CAMERA, Truth
from search_policy.motion.geometry import look_at, rotation_of

REGION = SearchRegion.bookcase(
    front_x_m=0.66, depth_m=0.28, y_min_m=-0.42, y_max_m=0.42, shelf_z_m=(0.06, 0.35, 0.64), clearance_m=0.27
)
INTRINSICS = CameraIntrinsics(84, 84, 60.0)
TASK = Task("bookshelf_duck", "duck", "Pick up the duck.")
DT_S = 1 / 15
TIPS = np.eye(4)
TIPS[:3, 3] = (0.0, 0.07, 0.10)


class KinematicWorld:
    """Satisfies `SearchWorld`; the target is visible through the opening of its shelf."""

    region = REGION
    intrinsics = INTRINSICS
    closed = frozenset()

    def __init__(self, walls=None):
        self.collisions = 0
        self.walls = walls or (lambda pose: False)
        self.reset("bookshelf_duck", 0)

    def reset(self, task, seed):
        rng = np.random.default_rng(seed)
        shelf = int(rng.integers(3))
        self.target = np.array([0.76, rng.uniform(-0.34, 0.34), REGION.compartments[shelf].floor_z_m + 0.05])
        self.pose = look_at(np.array([0.40, 0.0, 0.45]), np.array([0.8, 0.0, 0.45]))
        self.captures = 0
        self.joints = np.zeros(7)
        return TASK

    def observe(self):
        return Observation(
            captured_at_s=self.captures * DT_S,
            capture_id=self.captures,
            images={CAMERA: np.full((84, 84, 3), 100, dtype=np.uint8)},
            joint_positions_rad=self.joints.copy(),
            joint_velocities_rad_s=np.zeros(7),
            gripper=0.0,
            gripper_to_world=self.pose @ TIPS,
            camera_to_world={CAMERA: self.pose.copy()},
        )

    def act(self, action):
        self.captures += 1
        if action is None:
            return
        twist = action.values * DT_S
        tips = self.pose @ TIPS
        turn = rotation_of(twist[3:])
        moved = np.eye(4)
        moved[:3, :3] = turn @ tips[:3, :3]
        moved[:3, 3] = tips[:3, 3] + twist[:3]
        pose = moved @ np.linalg.inv(TIPS)
        if not self.walls(pose):
            self.pose = pose

    def truth(self):
        box = self.box()
        return Truth(self.target, box, 0 if box is None else 100)

    def visibility(self):
        return float(self.box() is not None)

    def box(self):
        x, y, z = self.pose[:3, :3].T @ (self.target - self.pose[:3, 3])
        if z < 0.05 or not self.in_opening():
            return None
        u, v, r = 42 + 60 * x / z, 42 + 60 * y / z, 60 * 0.035 / z
        return (u - r, v - r, u + r, v + r) if max(abs(u - 42), abs(v - 42)) < 42 else None

    def in_opening(self):
        start = self.pose[:3, 3]
        entry = start + (self.target - start) * (REGION.front_x_m - start[0]) / (self.target[0] - start[0])
        floor = max(c.floor_z_m for c in REGION.compartments if c.floor_z_m < self.target[2])
        return floor < entry[2] < floor + REGION.compartments[0].clearance_m


def perfect_detector(world, task, rng):
    def detect(observation):
        box = world.box()
        found = () if box is None else (Detection(box, 0.9, task.target),)
        return DetectionFrame(observation.capture_id, observation.captured_at_s, CAMERA, 84, 84, found)

    return detect
