"""What the bridge costs over bare ZeroMQ, and how fast faults are noticed. Run: `python -m benchmarks.bridge`.

Rounds of the bridge and of a raw DEALER/ROUTER pair alternate in one run, so that the ratio stands even on a loaded
machine. The raw pair decodes and checks nothing. Payloads: A = two 224 x 224 RGB images, B = three 720p images.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import zmq
from numpy.typing import NDArray

from benchmarks.bridge_servers import ACTION_DIM, HORIZON
from benchmarks.report import Row, arguments, publish
from vla_bridge.client import PolicyClient
from vla_bridge.link import LinkState
from vla_bridge.messages import ReplyOutcome
from vla_bridge.process import ServerProcess

MODULE = "benchmarks.bridge_servers"
PAYLOADS = {"A_2x224": (2, 224, 224), "B_3x720p": (3, 720, 1280)}
CHUNK_BYTES = HORIZON * ACTION_DIM * 4


def main() -> None:
    """Measure and publish."""
    parser = arguments(__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=150, help="per round, payload A; B makes a tenth")
    options = parser.parse_args()
    logging.getLogger("vla_bridge").setLevel(logging.ERROR)
    rows = measure_faults()
    for name, size in PAYLOADS.items():
        requests = options.requests if name.startswith("A") else max(options.requests // 10, 5)
        rows += measure_payload(name, size, options.rounds, requests)
    publish(rows, options.json)


def measure_payload(name: str, size: tuple[int, int, int], rounds: int, requests: int) -> list[Row]:
    """Round trips of one payload through the bridge and through bare sockets, in alternating rounds."""
    arrays = _arrays(*size)
    times: dict[str, list[list[float]]] = {"raw": [], "bridge": []}
    cpu: dict[str, list[float]] = {"raw": [], "bridge": []}
    with _raw() as raw, _served(size) as (server, client):
        asks = {"raw": _raw_ask(raw, arrays), "bridge": _bridge_ask(client, arrays)}
        for _ in range(rounds):
            for system, ask in asks.items():
                began = _cpu_s(server.pid)
                times[system].append([_timed(ask) for _ in range(requests)])
                cpu[system].append((_cpu_s(server.pid) - began) / requests)
    medians = {system: statistics.median(statistics.median(r) for r in all_) for system, all_ in times.items()}
    best = {system: min(statistics.median(r) for r in all_) for system, all_ in times.items()}
    tail = {system: float(np.percentile(np.concatenate(all_), 99)) for system, all_ in times.items()}
    rows = [Row(f"{name}.{system}.median", 1e3 * medians[system], "ms") for system in times]
    rows += [Row(f"{name}.{system}.best_round", 1e3 * best[system], "ms") for system in times]
    rows += [Row(f"{name}.{system}.p99", 1e3 * tail[system], "ms") for system in times]
    rows.append(Row(f"{name}.ratio.median", medians["bridge"] / medians["raw"], "x"))
    rows.append(Row(f"{name}.ratio.best_round", best["bridge"] / best["raw"], "x"))
    rows.append(Row(f"{name}.bridge.overhead", 1e6 * (medians["bridge"] - medians["raw"]), "us"))
    rows.append(Row(f"{name}.bridge.cpu_both_ends", 1e3 * statistics.median(cpu["bridge"]), "ms/request"))
    return rows


def measure_faults(repeats: int = 5) -> list[Row]:
    """How long a killed and a frozen server go unnoticed, and how long the same client needs to be back."""
    killed, frozen, back, thawed = [], [], [], []
    for _ in range(repeats):
        with _served((1, 8, 8)) as (server, client):
            os.kill(server.pid, signal.SIGSTOP)
            frozen.append(_until(lambda: client.link().state is LinkState.LOST))
            os.kill(server.pid, signal.SIGCONT)
            thawed.append(_until(lambda: client.link().state is LinkState.READY))
            os.kill(server.pid, signal.SIGKILL)
            killed.append(_until(lambda: client.link().state is LinkState.LOST))
            server.restart()
            server.wait_ready()
            back.append(_until(lambda: client.link().state is LinkState.READY))
    figures = {
        "killed_noticed": killed,
        "frozen_noticed": frozen,
        "ready_after_restart": back,
        "ready_after_thaw": thawed,
    }
    return [Row(f"fault.{name}.worst_of_{repeats}", max(values), "s") for name, values in figures.items()]


@contextmanager
def _served(size: tuple[int, int, int]) -> Iterator[tuple[ServerProcess, PolicyClient]]:
    cameras, height, width = size
    options = [
        "--backend.type=zeros",
        f"--backend.cameras={cameras}",
        f"--backend.height_px={height}",
        f"--backend.width_px={width}",
        "--port=0",
        "--log_level=error",
    ]
    with ServerProcess(options, module=MODULE) as server, PolicyClient(server.endpoint) as client:
        _until(lambda: client.link().state is LinkState.READY)
        yield server, client


@contextmanager
def _raw() -> Iterator[zmq.Socket[bytes]]:
    child = subprocess.Popen([sys.executable, "-m", MODULE, "raw", str(CHUNK_BYTES)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(json.loads(child.stdout.readline())["endpoint"])
            yield socket
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def _raw_ask(socket: zmq.Socket[bytes], arrays: dict[str, NDArray[np.generic]]) -> Callable[[], None]:
    frames = [b"header", *(array.data for array in arrays.values())]

    def ask() -> None:
        socket.send_multipart(frames, copy=False)
        socket.recv_multipart(copy=False)

    return ask


def _bridge_ask(client: PolicyClient, arrays: dict[str, NDArray[np.generic]]) -> Callable[[], None]:
    seq = 0

    def ask() -> None:
        nonlocal seq
        seq += 1
        client.request(arrays, instruction="pick it up", epoch=1, seq=seq, captured_at_s=0.0, deadline_s=10.0)
        reply = client.poll() if client.wait(10.0) else None
        if reply is None or reply.outcome is not ReplyOutcome.OK:
            raise RuntimeError(f"the request failed: {reply}")

    return ask


def _arrays(cameras: int, height: int, width: int) -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[np.generic]] = {
        f"observation.images.{i}": rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for i in range(cameras)
    }
    arrays["observation.state"] = np.zeros(8, np.float32)
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _timed(work: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _cpu_s(pid: int) -> float:
    """CPU time of this process and of `pid` [s]."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _until(happened: Callable[[], bool], timeout_s: float = 30.0) -> float:
    began_s = time.perf_counter()
    while not happened():
        if time.perf_counter() - began_s > timeout_s:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.001)
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
