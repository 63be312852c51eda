"""A policy server as a child process: started, awaited, restarted, killed, and never left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from robots.errors import ServerError, UsageError
from vla_bridge.messages import PolicyState

STOP_TIMEOUT_S = 3.0
BIND_TIMEOUT_S = 30.0


class ServerProcess:
    """Runs `python -m vla_bridge.serve` with the given options. Used as a context manager.

    The child holds the read end of a pipe whose other end dies with this process, whatever kills it, and then stops.

    Args:
        options: Command line options of the server, for instance `["--backend.type=expert"]`.
        ready_timeout_s: How long loading and warming may take [s].
        log: File for the server's log; this process's standard error when None.
        module: The module to run; another one serves its own backends.
    """

    def __init__(
        self,
        options: Sequence[str],
        *,
        ready_timeout_s: float = 120.0,
        log: Path | None = None,
        module: str = "vla_bridge.serve",
    ) -> None:
        self._options = tuple(options)
        self._ready_timeout_s = ready_timeout_s
        self._log = log
        self._module = module
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._heard = threading.Condition()
        self._endpoint = ""
        self._state = PolicyState.LOADING
        self._detail = ""
        self._ended = False

    def __enter__(self) -> Self:
        """Start and wait until the policy is ready."""
        self.start()
        try:
            self.wait_ready()
        except ServerError:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def endpoint(self) -> str:
        """Where clients connect. Stays the same over restarts.

        Raises:
            UsageError: The server was never started.
        """
        if not self._endpoint:
            raise UsageError("The policy server has no endpoint before it was started.")
        return self._endpoint

    @property
    def pid(self) -> int:
        """Process id of the running child.

        Raises:
            UsageError: It does not run.
        """
        if self._child is None:
            raise UsageError("The policy server does not run.")
        return self._child.pid

    def start(self) -> None:
        """Start the child and wait until it listens; the policy may still be loading.

        Raises:
            ServerError: It ended, or did not listen in time.
        """
        with self._heard:
            self._state, self._detail, self._ended, bound_before = PolicyState.LOADING, "", False, self._endpoint
            self._endpoint = ""
        port = [f"--port={bound_before.rpartition(':')[2]}"] if bound_before else []
        self._child = self._spawn([*self._options, *port, "--stop_with_stdin=true"])
        assert self._child.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._child.stdout,), daemon=True)
        self._reader.start()
        if not self._await(lambda: bool(self._endpoint), BIND_TIMEOUT_S):
            self.kill()
            with self._heard:
                self._endpoint = bound_before
            raise ServerError("The policy server ended or did not listen in time; its log says why.")

    def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the policy is ready.

        Raises:
            ServerError: It failed, ended, or was not ready in time.
        """
        timeout_s = self._ready_timeout_s if timeout_s is None else timeout_s
        settled = (PolicyState.READY, PolicyState.BUSY, PolicyState.FAILED)
        if not self._await(lambda: self._state in settled, timeout_s):
            raise ServerError(f"The policy server ended or was still {self._state} after {timeout_s:g} s.")
        if self._state is PolicyState.FAILED:
            raise ServerError(f"The policy could not be served: {self._detail}")

    def restart(self) -> None:
        """Kill the child and start it again at the same endpoint; returns once it listens."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """Ask the child to end, and kill it if it does not. Ignored when it does not run."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._collect()

    def kill(self) -> None:
        """End the child at once. Ignored when it does not run."""
        if self._child is not None:
            self._child.kill()
            self._collect()

    def _spawn(self, options: Sequence[str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", self._module, *options]
        if self._log is None:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with self._log.open("a") as log:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def _collect(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.wait(STOP_TIMEOUT_S)
        if self._reader is not None:
            self._reader.join(STOP_TIMEOUT_S)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self, lines: IO[str]) -> None:
        """Take in announcements; what foreign libraries print between them is skipped."""
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            with self._heard:
                self._take(said)
                self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()

    def _take(self, said: object) -> None:
        match said:
            case {"event": "bound", "endpoint": str(endpoint)}:
                self._endpoint = endpoint
            case {"event": "state", "state": str(state), "detail": str(detail)}:
                self._state, self._detail = PolicyState(state), detail

    def _await(self, happened: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        with self._heard:
            while not happened() and not self._ended and time.monotonic() < deadline_s:
                self._heard.wait(max(0.0, deadline_s - time.monotonic()))
            return happened()
