"""The server as a process: configuration, announcements, signals. `python -m vla_bridge.serve --help` lists options.

Announcements are single lines of JSON on standard output, for a parent process: `{"event": "bound", "endpoint": ...}`
first, then `{"event": "state", "state": ..., "detail": ...}` at every change up to READY or FAILED.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import draccus

from robots.errors import BatonError, ServerError, UsageError
from vla_bridge.backends.base import BackendConfig, build_backend
from vla_bridge.endpoints import tcp_endpoint
from vla_bridge.messages import PolicyState
from vla_bridge.server import PolicyServer

logger = logging.getLogger(__name__)

ANNOUNCE_INTERVAL_S = 0.05
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class ServeConfig:
    """Options of the policy server."""

    # The policy: backend.type=lerobot or expert, and that backend's own options.
    backend: BackendConfig
    # Address to listen on; this machine only.
    host: str = "127.0.0.1"
    # Port to listen on; 0 takes any free one and announces it.
    port: int = 5656
    # A file that is written with the bound endpoint once the policy is ready.
    ready_file: Path | None = None
    # Stop when standard input closes, so that the server cannot outlive the process that started it.
    stop_with_stdin: bool = False
    # How much to log: debug, info, warning or error.
    log_level: str = "info"

    def __post_init__(self) -> None:
        if self.log_level not in LOG_LEVELS:
            raise UsageError.unknown("log level", self.log_level, LOG_LEVELS)


def serve(config: ServeConfig) -> None:
    """Serve `config.backend` until SIGTERM or SIGINT. Must be called from the main thread.

    Raises:
        ServerError: The port is taken, or the policy failed to load.
        UsageError: The host is not this machine.
    """
    server = PolicyServer(build_backend(config.backend), tcp_endpoint(config.host, config.port))
    endpoint = server.bind()
    previous = {number: signal.signal(number, lambda *_: server.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    if config.stop_with_stdin:
        threading.Thread(target=_stop_at_eof, args=(server,), daemon=True).start()
    _announce(event="bound", endpoint=endpoint, pid=os.getpid())
    threading.Thread(target=_announce_states, args=(server, endpoint, config.ready_file), daemon=True).start()
    try:
        server.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    state, detail = server.state()
    if state is PolicyState.FAILED:
        raise ServerError(f"The policy could not be served: {detail}")


def parse(arguments: Sequence[str] | None = None) -> ServeConfig:
    """Return the configuration in command line `arguments`, by default this process's own.

    Raises:
        UsageError: They are not understood; the message says which.
        SystemExit: An option does not exist, or help was asked for; argparse has printed why.
    """
    try:
        config: ServeConfig = draccus.parse(config_class=ServeConfig, args=arguments)
    except draccus.ParsingError as error:
        if isinstance(error.__cause__, BatonError):
            raise error.__cause__ from None
        raise UsageError(" ".join(str(error).split())) from None
    return config


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse `arguments`, serve, and return the exit code: 0, or 2 after a one-line error."""
    try:
        config = parse(arguments)
        logging.basicConfig(level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        serve(config)
    except BatonError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _announce(**fields: str | int) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _announce_states(server: PolicyServer, endpoint: str, ready_file: Path | None) -> None:
    said: PolicyState | None = None
    pause = threading.Event()
    while said not in (PolicyState.READY, PolicyState.BUSY, PolicyState.FAILED):
        state, detail = server.state()
        if state is not said:
            said = state
            _announce(event="state", state=state.value, detail=detail)
        if state is PolicyState.FAILED:
            server.stop()
        pause.wait(ANNOUNCE_INTERVAL_S)
    if ready_file is not None and said is not PolicyState.FAILED:
        partial = ready_file.with_name(f"{ready_file.name}.partial")
        partial.write_text(endpoint + "\n")
        partial.replace(ready_file)


def _stop_at_eof(server: PolicyServer) -> None:
    while sys.stdin.readline():
        pass
    server.stop()


if __name__ == "__main__":
    sys.exit(main())
