"""One DEALER socket to the server, and what its transport says about the link. Used by the client's thread only.

Liveness comes from ZMTP heartbeats: libzmq's own thread sends and answers them, so neither a slow policy nor a held
interpreter lock looks like a dead server, while a killed or frozen process is noticed within `HEARTBEAT_TIMEOUT_MS`
and one interval.
"""

from __future__ import annotations

from enum import Enum

import zmq
from zmq.utils.monitor import recv_monitor_message

from robots.errors import ProtocolError
from vla_bridge.codec import decode, encode
from vla_bridge.messages import Message

HEARTBEAT_INTERVAL_MS = 200
HEARTBEAT_TIMEOUT_MS = 500
HANDSHAKE_TIMEOUT_MS = 2000
RECONNECT_MS = 50
RECONNECT_MAX_MS = 400
MAX_FRAME_BYTES = 64 * 1024 * 1024


class Transport(Enum):
    """What happened to the transport."""

    UP = "up"
    DOWN = "down"


_WATCHED = {zmq.Event.HANDSHAKE_SUCCEEDED: Transport.UP, zmq.Event.DISCONNECTED: Transport.DOWN}


def set_common_options(socket: zmq.Socket[bytes]) -> None:
    """Set what both ends of the bridge share: heartbeats, bounded queues and no lingering."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, 8)
    socket.setsockopt(zmq.RCVHWM, 8)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_TIMEOUT_MS)


class Channel:
    """A connection attempt and its successors, until it is closed. libzmq reconnects the transport by itself.

    Args:
        context: The ZeroMQ context.
        endpoint: Where the server listens.
        wake_fd: A descriptor that ends `poll` early.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, wake_fd: int) -> None:
        self._socket = context.socket(zmq.DEALER)
        set_common_options(self._socket)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._monitor = self._socket.get_monitor_socket(sum(_WATCHED))
        self._poller = zmq.Poller()
        for source in (self._socket, self._monitor, wake_fd):
            self._poller.register(source, zmq.POLLIN)
        self._socket.connect(endpoint)

    def poll(self, timeout_s: float) -> None:
        """Wait until something arrives, the descriptor wakes, or the time is over."""
        self._poller.poll(max(0, round(timeout_s * 1000)))

    def transport(self) -> list[Transport]:
        """Return what happened to the transport since the last call, oldest first."""
        happened = []
        while self._monitor.poll(0):
            event = zmq.Event(recv_monitor_message(self._monitor)["event"])
            if event in _WATCHED:
                happened.append(_WATCHED[event])
        return happened

    def receive(self) -> Message | None:
        """Return the next message, or None when none is waiting.

        Raises:
            ProtocolError: A message could not be read; it has been taken off the socket.
        """
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        if len(frames) > 64:
            raise ProtocolError(f"A message of {len(frames)} frames.")
        return decode([frame.buffer for frame in frames])

    def send(self, message: Message) -> bool:
        """Send without waiting. Returns False when the transport takes nothing now; the message is then lost."""
        try:
            self._socket.send_multipart(encode(message), zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Close the socket at once; what was not sent is dropped."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
