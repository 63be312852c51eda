"""Fakes for the bridge's tests: a deterministic backend, a runnable server of it, a robot description, observations."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np

from robots.specs import ArraySpec
from robots.types import ActionSpace, CameraIntrinsics, Observation, RobotDescription, Task
from vla_bridge.backends.base import BackendConfig, Prediction
from vla_bridge.messages import GripperConvention, PolicySchema
from vla_bridge.server import PolicyServer

TASK = Task("shelf", "pineapple", "pick up the pineapple")
DESCRIPTION = RobotDescription(
    name="fake-arm",
    joint_names=("a", "b", "c"),
    action_spaces=(ActionSpace.JOINT_VELOCITY, ActionSpace.JOINT_POSITION),
    cameras={"wrist": CameraIntrinsics(8, 6, 10.0)},
    control_hz=10.0,
)
SCHEMA = PolicySchema(
    policy="fake",
    observation=(
        ArraySpec("observation.images.wrist", (6, 8, 3), "uint8", "rgb"),
        ArraySpec("observation.state", (4,), "float32", "rad"),
    ),
    action=ArraySpec("actions", (8, 3), "float32", "rad", -1000.0, 1000.0),
    action_space=ActionSpace.JOINT_POSITION,
    control_hz=10.0,
    gripper=GripperConvention.OPEN_0_CLOSED_1,
)


@dataclass(frozen=True)
class FakeConfig(BackendConfig):
    """Delays and faults of the fake policy."""

    load_s: float = 0.0
    warm_s: float = 0.0
    infer_s: float = 0.0
    hold_lock_s: float = 0.0
    done_at_seq: int = 0
    fail_at_seq: int = 0
    fail_load: bool = False
    nan: bool = False


class FakeBackend:
    """actions[i] = state + image mean + i, so that every answer betrays the observation it came from."""

    def __init__(self, config: FakeConfig | None = None, schema: PolicySchema = SCHEMA) -> None:
        self.config = config or FakeConfig()
        self.schema = schema
        self.inferred: list[tuple[str, int, int]] = []
        self.resets: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def load(self) -> None:
        time.sleep(self.config.load_s)
        if self.config.fail_load:
            raise ValueError("secret traceback text")

    def warm(self) -> None:
        time.sleep(self.config.warm_s)

    def infer(self, request) -> Prediction:
        self.gate.wait(10.0)
        time.sleep(self.config.infer_s)
        if self.config.hold_lock_s:
            ctypes.PyDLL(None).usleep(int(self.config.hold_lock_s * 1e6))
        self.inferred.append((request.session, request.epoch, request.seq))
        if request.seq == self.config.fail_at_seq:
            raise RuntimeError("secret traceback text")
        start = request.arrays["observation.state"][:3] + np.float32(request.arrays["observation.images.wrist"].mean())
        actions = np.asarray(start, np.float32) + np.arange(8, dtype=np.float32)[:, None] * np.float32(0.01)
        if self.config.nan:
            actions = np.full((8, 3), np.nan, np.float32)
        return Prediction(actions, np.linspace(0, 1, 8, dtype=np.float32), done=request.seq == self.config.done_at_seq)

    def reset(self, session: str) -> None:
        self.resets.append(session)


def arrays(value: float = 0.0) -> dict[str, np.ndarray]:
    return {
        "observation.images.wrist": np.full((6, 8, 3), 2, np.uint8),
        "observation.state": np.full(4, value, np.float32),
    }


def observation(at_s: float, value: float = 0.0) -> Observation:
    return Observation(
        captured_at_s=at_s,
        capture_id=int(at_s * 1000),
        images={"wrist": np.full((6, 8, 3), 2, np.uint8)},
        joint_positions_rad=np.full(3, value),
        joint_velocities_rad_s=np.zeros(3),
        gripper=value,
        gripper_to_world=np.eye(4),
        camera_to_world={},
    )


class RunningServer:
    """A `PolicyServer` in a thread of the test's process."""

    def __init__(self, backend=None, endpoint: str = "tcp://127.0.0.1:0") -> None:
        self.backend = backend or FakeBackend()
        self.server = PolicyServer(self.backend, endpoint)

    def __enter__(self) -> RunningServer:
        self.endpoint = self.server.bind()
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self.backend.gate.set()
        self.server.stop()
        self._thread.join(5.0)
        assert not self._thread.is_alive()


def eventually(happened, timeout_s: float = 5.0) -> float:
    """Wait until `happened()`; returns how long it took [s]."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < timeout_s, "did not happen in time"
        time.sleep(0.002)
    return time.monotonic() - began


if __name__ == "__main__":
    from vla_bridge.backends import base
    from vla_bridge.serve import main

    base.BACKENDS = {"fake": ("tests.bridge_fakes", "FakeConfig", "FakeBackend")}
    sys.exit(main())
