"""The two ends that the bridge benchmark talks to: the policy server with a null policy, and bare ZeroMQ.

Run as `python -m benchmarks.bridge_servers --backend.type=zeros ...` it is the policy server; with `raw CHUNK_BYTES` it
answers every message with a chunk's bytes, decodes nothing and checks nothing: the bound that the bridge is held to.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import numpy as np
import zmq

from robots.specs import ArraySpec
from robots.types import ActionSpace
from vla_bridge.backends import base
from vla_bridge.backends.base import BackendConfig, Prediction
from vla_bridge.messages import GripperConvention, Infer, PolicySchema

HORIZON, ACTION_DIM = 10, 8


@dataclass(frozen=True)
class NullConfig(BackendConfig):
    """Size of the images that the null policy asks for."""

    # Number of cameras.
    cameras: int = 2
    # Height and width of each image.
    height_px: int = 224
    width_px: int = 224
    # Time that the policy takes [s].
    infer_s: float = 0.0


class NullBackend:
    """Answers zeros at once, so that what remains is the bridge."""

    def __init__(self, config: NullConfig) -> None:
        shape = (config.height_px, config.width_px, 3)
        images = tuple(ArraySpec(f"observation.images.{i}", shape, "uint8", "rgb") for i in range(config.cameras))
        self.schema = PolicySchema(
            policy="null",
            observation=(*images, ArraySpec("observation.state", (8,), "float32", "rad")),
            action=ArraySpec("actions", (HORIZON, ACTION_DIM), "float32", "rad"),
            action_space=ActionSpace.JOINT_POSITION,
            control_hz=15.0,
            gripper=GripperConvention.NONE,
        )
        self._answer = Prediction(np.zeros((HORIZON, ACTION_DIM), np.float32))

    def load(self) -> None:
        """Nothing to load."""

    def warm(self) -> None:
        """Nothing to warm."""

    def infer(self, request: Infer) -> Prediction:
        """Return zeros."""
        return self._answer

    def reset(self, session: str) -> None:
        """Nothing to forget."""


def serve_raw(chunk_bytes: int) -> None:
    """Answer every message with `chunk_bytes` bytes until killed."""
    answer = bytes(chunk_bytes)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        sys.stdout.write(json.dumps({"endpoint": f"tcp://127.0.0.1:{port}"}) + "\n")
        sys.stdout.flush()
        while True:
            peer, *_ = socket.recv_multipart(copy=False)
            socket.send_multipart([peer, answer], copy=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["raw"]:
        serve_raw(int(sys.argv[2]))
    base.BACKENDS = {"zeros": ("benchmarks.bridge_servers", "NullConfig", "NullBackend")}
    from vla_bridge.serve import main

    sys.exit(main())
