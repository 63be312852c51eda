"""The robot's end of the bridge. Its own thread owns the socket; the control loop only exchanges values with it.

No public method waits for the network, except `wait` and `close`. Nothing raises for a fault of the server: faults are
replies and link states.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from robots.errors import UsageError
from vla_bridge.connection import Connection
from vla_bridge.endpoints import check_endpoint
from vla_bridge.exchange import Exchange, Reply, Request
from vla_bridge.link import LinkState, LinkStatus

JOIN_TIMEOUT_S = 2.0


class PolicyClient:
    """A connection to one policy server that repairs itself. Thread-safe; may be started again after `close`.

    Args:
        endpoint: `tcp://127.0.0.1:PORT` or `ipc://PATH`.
        name: Shown in the server's log.
        silence_s: A server that holds its transport open but says nothing for so long is given up [s]. Longer than
            any time for which its policy may hold the interpreter lock.

    Raises:
        UsageError: The endpoint is not on this machine or not understood.
    """

    def __init__(self, endpoint: str, *, name: str = "baton", silence_s: float = 15.0) -> None:
        self._endpoint = check_endpoint(endpoint)
        self._name = name
        self._silence_s = silence_s
        self._changed = threading.Condition()
        self._exchange = Exchange()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None

    @property
    def endpoint(self) -> str:
        """Where the server is looked for."""
        return self._endpoint

    def start(self) -> None:
        """Begin to connect, and return at once. A second call is ignored."""
        if self._thread is not None:
            return
        self._connection = Connection(self._endpoint, self._name, self._silence_s, self._exchange, self._changed)
        self._thread = threading.Thread(target=self._connection.run, name="policy-client", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and close the socket. Requests still open end as LOST. A second call is ignored."""
        if self._thread is None or self._connection is None:
            return
        self._connection.stop()
        self._thread.join(JOIN_TIMEOUT_S)
        self._connection.release()
        self._thread = self._connection = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def arm(self) -> None:
        """Start if need be, and have the server forget this session's past, so that a first request finds it ready."""
        self.start()
        if self._connection is not None:
            self._connection.ask_reset()

    def request(
        self,
        arrays: Mapping[str, NDArray[Any]],
        *,
        instruction: str,
        epoch: int,
        seq: int,
        captured_at_s: float,
        deadline_s: float,
    ) -> None:
        """Ask for a chunk and return at once; one that still waits to be sent is replaced.

        Args:
            arrays: One array per entry of the observation schema; writable ones are copied.
            instruction: The sentence given to the policy.
            epoch: Epoch of the lease that the actions will be executed under.
            seq: Must rise with every request.
            captured_at_s: Capture time of the observation on the caller's clock; comes back with the reply [s].
            deadline_s: How long the answer is worth waiting for; then the request ends as LATE [s].

        Raises:
            UsageError: The client was not started.
        """
        if self._connection is None:
            raise UsageError("The policy client was asked before it was started; call start() first.")
        frozen = {name: array.copy() if array.flags.writeable else array for name, array in arrays.items()}
        asked_at_s = time.monotonic()
        request = Request(frozen, instruction, epoch, seq, captured_at_s, deadline_s, asked_at_s)
        with self._changed:
            self._exchange.submit(request)
        self._connection.wake()

    def poll(self) -> Reply | None:
        """Return the oldest reply not yet fetched, or None."""
        with self._changed:
            return self._exchange.take()

    def link(self) -> LinkStatus:
        """Return how the connection is now."""
        connection = self._connection
        if connection is None:
            return LinkStatus(LinkState.CLOSED)
        with self._changed:
            return connection.status()

    def wait(self, timeout_s: float) -> bool:
        """Wait until no request is open. For simulated clocks, which stand still meanwhile; never in a real-time loop.

        Returns:
            False when `timeout_s` passed first.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._exchange.idle, timeout_s)
