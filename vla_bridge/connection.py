"""The client's thread: the session with the server, from HELLO to the loss of the link and back."""

from __future__ import annotations

import logging
import secrets
import threading
import time

import zmq

from robots.errors import ProtocolError
from vla_bridge.channel import Channel, Transport
from vla_bridge.exchange import Exchange
from vla_bridge.link import LINK_OF_POLICY, LinkState, LinkStatus
from vla_bridge.messages import (
    PROTOCOL_VERSION,
    Chunk,
    Error,
    ErrorCode,
    Hello,
    Infer,
    Message,
    PolicySchema,
    ReplyOutcome,
    Reset,
    Status,
    Welcome,
)
from vla_bridge.wakeup import Wakeup

logger = logging.getLogger(__name__)

IDLE_POLL_S = 0.1
HELLO_INTERVAL_S = 0.25
RETRY_PAUSE_S = 0.05


class Connection:
    """Keeps one session with the server alive, opening a new one whenever the link comes back.

    `run` belongs to a thread of its own. `status` and the exchange are shared: hold `changed` around them.

    Args:
        endpoint: Where the server listens.
        name: Shown in the server's log.
        silence_s: A server that says nothing for so long is given up [s].
        exchange: Requests and replies, shared with the control loop.
        changed: Guards what is shared; notified when no request is open any more.
    """

    def __init__(
        self, endpoint: str, name: str, silence_s: float, exchange: Exchange, changed: threading.Condition
    ) -> None:
        self._endpoint = endpoint
        self._name = name
        self._silence_s = silence_s
        self._exchange = exchange
        self._changed = changed
        self._wakeup = Wakeup()
        self._stopping = threading.Event()
        self._reset_due = threading.Event()
        self._state = LinkState.CONNECTING
        self._detail = ""
        self._session = ""
        self._schema: PolicySchema | None = None
        self._busy_s = 0.0
        self._sessions = 0
        self._epoch = 0
        self._up = False
        self._heard_at_s = 0.0
        self._hello_at_s = 0.0

    def status(self) -> LinkStatus:
        """Return a snapshot. The caller must hold `changed`."""
        counters = self._exchange.counters
        return LinkStatus(
            state=self._state,
            detail=self._detail,
            session=self._session,
            schema=self._schema,
            busy_s=self._busy_s,
            sessions=self._sessions,
            answered=counters.answered,
            failed=counters.failed,
            dropped=counters.dropped,
            superseded=counters.superseded,
        )

    def wake(self) -> None:
        """Have the thread look at the exchange now."""
        self._wakeup.set()

    def ask_reset(self) -> None:
        """Have the server forget this session's past, as soon as there is a session."""
        self._reset_due.set()
        self._wakeup.set()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()
        self._wakeup.set()

    def release(self) -> None:
        """Free the wake-up. Must be called after the thread has ended."""
        self._wakeup.close()

    def run(self) -> None:
        """Serve the connection until `stop`."""
        with zmq.Context() as context:
            while not self._stopping.is_set():
                channel = Channel(context, self._endpoint, self._wakeup.fileno())
                try:
                    self._serve(channel)
                finally:
                    channel.close()
                self._stopping.wait(RETRY_PAUSE_S)
        self._lose(LinkState.CLOSED, "the client was closed")

    def _serve(self, channel: Channel) -> None:
        """Use one channel until its link breaks: a fresh socket cannot deliver what an old session left behind."""
        self._up = False
        while not self._stopping.is_set():
            channel.poll(self._poll_s())
            self._wakeup.clear()
            now = time.monotonic()
            self._take_messages(channel, now)
            for happened in channel.transport():
                if happened is Transport.DOWN:
                    self._lose(LinkState.LOST, f"the connection to {self._endpoint} broke")
                    return
                self._begin(now)
            if self._up and now - self._heard_at_s > self._silence_s:
                self._lose(LinkState.LOST, f"nothing heard from {self._endpoint} for {self._silence_s:g} s")
                return
            self._say_what_is_due(channel, now)

    def _poll_s(self) -> float:
        with self._changed:
            expires_at_s = self._exchange.expires_at_s
        until = IDLE_POLL_S if expires_at_s is None else expires_at_s - time.monotonic()
        return min(max(until, 0.0) + 0.001, IDLE_POLL_S)

    def _begin(self, now: float) -> None:
        """The transport is up: open a session of our own choosing, so that no answer to an earlier one can match."""
        self._up = True
        self._heard_at_s = now
        self._hello_at_s = float("-inf")
        with self._changed:
            self._session = secrets.token_hex(8)
            self._state = LinkState.CONNECTING
            self._detail = ""
            self._exchange.open(self._session)

    def _lose(self, state: LinkState, detail: str) -> None:
        now = time.monotonic()
        with self._changed:
            if self._up and state is LinkState.LOST:
                logger.warning("Policy link lost: %s.", detail)
            if self._up or state is LinkState.CLOSED:
                self._state, self._detail = state, detail
            self._up = False
            self._schema = None
            self._session = ""
            self._exchange.open("")
            self._exchange.fail(ReplyOutcome.LOST, detail, now)
            self._tell()

    def _tell(self) -> None:
        """Wake who waits for the end of all requests, and nobody for anything less."""
        if self._exchange.idle:
            self._changed.notify_all()

    def _take_messages(self, channel: Channel, now: float) -> None:
        while True:
            try:
                message = channel.receive()
            except ProtocolError as error:
                logger.warning("Dropped a message from %s: %s", self._endpoint, error)
                continue
            if message is None:
                return
            with self._changed:
                self._take(message, now)
                self._tell()

    def _take(self, message: Message, now: float) -> None:
        if isinstance(message, Chunk):
            self._heard_at_s = now
            self._exchange.answer(message, now)
        elif message.session != self._session:
            logger.warning("Dropped a %s of another session.", type(message).__name__)
        else:
            self._heard_at_s = now
            self._take_control(message, now)

    def _take_control(self, message: Message, now: float) -> None:
        match message:
            case Status():
                self._take_status(message)
            case Welcome():
                self._take_welcome(message)
            case Error(seq=0):
                self._state = LinkState.REFUSED if message.code is ErrorCode.VERSION else self._state
                self._detail = message.detail
                logger.warning("The server at %s refused: %s", self._endpoint, message.detail)
            case Error():
                self._exchange.refuse(message, now)
            case _:
                logger.warning("Dropped a %s, which only clients send.", type(message).__name__)

    def _take_status(self, status: Status) -> None:
        if self._state is LinkState.REFUSED:
            return
        state = LINK_OF_POLICY[status.state]
        if state.usable and self._schema is None:
            return
        self._state, self._detail, self._busy_s = state, status.detail, status.busy_s

    def _take_welcome(self, welcome: Welcome) -> None:
        if welcome.version != PROTOCOL_VERSION:
            self._state = LinkState.REFUSED
            self._detail = f"the server speaks protocol {welcome.version}, this client {PROTOCOL_VERSION}"
            return
        if self._schema is None:
            self._sessions += 1
        self._schema = welcome.schema

    def _say_what_is_due(self, channel: Channel, now: float) -> None:
        if self._up and self._schema is None and now - self._hello_at_s >= HELLO_INTERVAL_S:
            self._hello_at_s = now
            channel.send(Hello(self._session, self._name))
        infer = self._due_request(now)
        if self._schema is not None and self._reset_due.is_set():
            self._reset_due.clear()
            channel.send(Reset(self._session, self._epoch))
        if infer is not None and not channel.send(infer):
            logger.warning("A request could not be sent to %s.", self._endpoint)

    def _due_request(self, now: float) -> Infer | None:
        with self._changed:
            self._exchange.expire(now)
            if self._state.broken:
                outcome = ReplyOutcome.LOST if self._state is LinkState.LOST else ReplyOutcome.REJECTED
                self._exchange.fail(outcome, self._detail, now)
            self._tell()
            if not self._state.usable or self._schema is None:
                return None
            infer = self._exchange.send(now)
            self._epoch = infer.epoch if infer is not None else self._epoch
            return infer
