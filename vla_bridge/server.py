"""The policy server: a ROUTER socket loop that always answers, beside a policy that may be slow.

Per session at most one request is computed and one waits; a newer one takes the waiting one's place. Sessions take
turns. Work whose deadline has passed is refused, not computed.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass, field

import zmq

from robots.errors import ProtocolError, ServerError, SpecError
from vla_bridge.backends.base import Backend
from vla_bridge.channel import set_common_options
from vla_bridge.codec import decode, encode
from vla_bridge.endpoints import check_endpoint
from vla_bridge.messages import (
    PROTOCOL_VERSION,
    Error,
    ErrorCode,
    Hello,
    Infer,
    Message,
    PolicySchema,
    PolicyState,
    Reset,
    Status,
    Welcome,
)
from vla_bridge.wakeup import Wakeup
from vla_bridge.worker import Job, PolicyWorker

logger = logging.getLogger(__name__)

STATUS_INTERVAL_S = 0.1
STOP_TIMEOUT_S = 1.0
MAX_PEERS = 64
MAX_FRAMES = 64


@dataclass(slots=True)
class _Peer:
    """What the server knows of one connected client."""

    session: str
    name: str
    epoch: int = 0
    seq: int = 0
    welcomed: bool = False
    reset: bool = True
    waiting: Job | None = field(default=None)


class PolicyServer:
    """Serves one backend at one endpoint.

    Args:
        backend: The policy.
        endpoint: `tcp://127.0.0.1:PORT` (port 0: any free one) or `ipc://PATH`.

    Raises:
        UsageError: The endpoint is not on this machine.
    """

    def __init__(self, backend: Backend, endpoint: str) -> None:
        self._wanted = check_endpoint(endpoint)
        self._wakeup = Wakeup()
        self._worker = PolicyWorker(backend, self._wakeup.set)
        self._stopping = threading.Event()
        self._peers: dict[bytes, _Peer] = {}
        self._turns: dict[bytes, None] = {}  # insertion order is the order of service
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._reported: PolicyState | None = None

    def bind(self) -> str:
        """Take the port and return the endpoint that clients must use.

        Raises:
            ServerError: The port is taken or cannot be used.
        """
        set_common_options(self._socket)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        try:
            self._socket.bind(self._wanted)
        except zmq.ZMQError as error:
            self._release()
            raise ServerError(f"The policy server cannot listen at {self._wanted}: {error.strerror}.") from None
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def state(self) -> tuple[PolicyState, str]:
        """Return what the policy is doing, and why it failed if it did. May be called from any thread."""
        state, _, detail = self._worker.state()
        return state, detail

    def run(self) -> None:
        """Load the policy and serve until `stop`. Must be called once, after `bind`, in one thread."""
        self._worker.start()
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        next_status_s = time.monotonic()
        try:
            while not self._stopping.is_set():
                poller.poll(max(0, round(1000 * (next_status_s - time.monotonic()))))
                self._wakeup.clear()
                self._receive_all()
                self._send_results()
                self._start_next()
                if time.monotonic() >= next_status_s or self._state_changed():
                    self._report()
                    next_status_s = time.monotonic() + STATUS_INTERVAL_S
        finally:
            ended = self._worker.stop(STOP_TIMEOUT_S)
            self._release()
            if ended:  # a policy still at work would write into a descriptor that may belong to another by then
                self._wakeup.close()

    def stop(self) -> None:
        """End `run`. May be called from any thread or a signal handler."""
        self._stopping.set()
        self._wakeup.set()

    def _release(self) -> None:
        self._socket.close(0)
        self._context.term()

    def _state_changed(self) -> bool:
        state = self._worker.state()[0]
        busy_and_ready = (PolicyState.READY, PolicyState.BUSY)
        return state is not self._reported and not (state in busy_and_ready and self._reported in busy_and_ready)

    def _receive_all(self) -> None:
        for _ in range(2 * MAX_PEERS):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._receive(frames[0].bytes, frames[1:])

    def _receive(self, peer: bytes, frames: list[zmq.Frame]) -> None:
        try:
            if len(frames) > MAX_FRAMES:
                raise ProtocolError(f"A message of {len(frames)} frames.")
            message = decode([frame.buffer for frame in frames])
        except ProtocolError as error:
            self._refuse(peer, ErrorCode.MALFORMED, str(error))
            return
        match message:
            case Hello():
                self._greet(peer, message)
            case Infer():
                self._accept(peer, message)
            case Reset():
                self._reset(peer, message)
            case _:
                self._refuse(peer, ErrorCode.MALFORMED, f"a client must not send {type(message).__name__}")

    def _greet(self, peer: bytes, hello: Hello) -> None:
        if hello.version != PROTOCOL_VERSION:
            detail = f"the server speaks protocol {PROTOCOL_VERSION}, the client {hello.version}"
            self._send(peer, Error(hello.session, ErrorCode.VERSION, detail))
            return
        known = self._peers.get(peer)
        if known is None or known.session != hello.session:
            if known is None and len(self._peers) >= MAX_PEERS:
                self._send(peer, Error(hello.session, ErrorCode.NOT_READY, f"{MAX_PEERS} clients are connected"))
                return
            logger.info("Client %r opened session %s.", hello.client, hello.session)
            self._peers[peer] = known = _Peer(hello.session, hello.client)
        known.welcomed = False
        self._report_to(peer, known)

    def _accept(self, peer: bytes, request: Infer) -> None:
        known = self._peers.get(peer)
        problem = self._problem(known, request)
        if known is None or problem is not None:
            code, detail = problem or (ErrorCode.STALE, "no session")
            self._send(peer, Error(request.session, code, detail, _new_id(), request.epoch, request.seq))
            return
        if known.waiting is not None:
            self._supersede(peer, known.waiting.request)
        reset = known.reset or request.epoch > known.epoch
        known.epoch, known.seq, known.reset = request.epoch, request.seq, False
        known.waiting = Job(peer, request, time.monotonic() + request.deadline_s, reset)
        self._turns.setdefault(peer)

    def _problem(self, known: _Peer | None, request: Infer) -> tuple[ErrorCode, str] | None:
        if known is None or known.session != request.session:
            return ErrorCode.STALE, "the request is not of an open session"
        if request.epoch < known.epoch:
            return ErrorCode.STALE, f"epoch {request.epoch} is over; the session is at {known.epoch}"
        if request.epoch == known.epoch and request.seq <= known.seq:
            return ErrorCode.STALE, f"seq {request.seq} does not rise; the last was {known.seq}"
        state, _, detail = self._worker.state()
        schema = self._worker.schema
        if schema is None or state not in (PolicyState.READY, PolicyState.BUSY):
            return ErrorCode.NOT_READY, f"the policy is {state}{': ' + detail if detail else ''}"
        return _schema_problem(schema, request)

    def _supersede(self, peer: bytes, old: Infer) -> None:
        detail = "a newer request took its place"
        self._send(peer, Error(old.session, ErrorCode.SUPERSEDED, detail, "", old.epoch, old.seq))

    def _reset(self, peer: bytes, message: Reset) -> None:
        known = self._peers.get(peer)
        if known is None or known.session != message.session or message.epoch < known.epoch:
            self._refuse(peer, ErrorCode.STALE, "the reset is not of an open session and epoch")
            return
        if known.waiting is not None:
            self._supersede(peer, known.waiting.request)
        known.epoch, known.reset, known.waiting = message.epoch, True, None
        self._turns.pop(peer, None)

    def _start_next(self) -> None:
        """Give the policy the oldest turn's request; refuse those whose deadline has passed meanwhile."""
        for peer in list(self._turns):
            known = self._peers.get(peer)
            job = known.waiting if known is not None else None
            if known is None or job is None:
                self._turns.pop(peer, None)
            elif time.monotonic() >= job.expires_at_s:
                self._end_turn(peer, known)
                known.reset = known.reset or job.reset
                request = job.request
                detail = "its deadline passed before the policy was free"
                self._send(peer, Error(request.session, ErrorCode.EXPIRED, detail, "", request.epoch, request.seq))
            elif self._worker.offer(job):
                self._end_turn(peer, known)
                return

    def _end_turn(self, peer: bytes, known: _Peer) -> None:
        self._turns.pop(peer, None)
        known.waiting = None

    def _send_results(self) -> None:
        while (result := self._worker.take()) is not None:
            known = self._peers.get(result.job.peer)
            if known is not None and known.session == result.answer.session:
                self._send(result.job.peer, result.answer)

    def _report(self) -> None:
        self._reported = self._worker.state()[0]
        for peer, known in list(self._peers.items()):
            self._report_to(peer, known)

    def _report_to(self, peer: bytes, known: _Peer) -> None:
        state, lasted_s, detail = self._worker.state()
        if not known.welcomed and (schema := self._worker.schema) is not None:
            known.welcomed = True
            self._send(peer, Welcome(known.session, schema))
        self._send(peer, Status(known.session, state, lasted_s, detail))

    def _refuse(self, peer: bytes, code: ErrorCode, detail: str) -> None:
        known = self._peers.get(peer)
        error_id = _new_id()
        logger.warning("Refused a message, id %s: %s", error_id, detail)
        self._send(peer, Error(known.session if known else "", code, detail, error_id))

    def _send(self, peer: bytes, message: Message) -> None:
        try:
            self._socket.send_multipart([peer, *encode(message)], zmq.NOBLOCK, copy=False)
        except zmq.Again:
            logger.warning("A client does not read; dropped a %s.", type(message).__name__)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._forget(peer)

    def _forget(self, peer: bytes) -> None:
        known = self._peers.pop(peer, None)
        self._turns.pop(peer, None)
        if known is not None:
            logger.info("Client %r of session %s is gone.", known.name, known.session)


def _schema_problem(schema: PolicySchema, request: Infer) -> tuple[ErrorCode, str] | None:
    expected = {spec.name for spec in schema.observation}
    given = set(request.arrays)
    if missing := sorted(expected - given):
        return ErrorCode.SCHEMA, f"{missing[0]}: the policy needs it, but the request does not hold it"
    if extra := sorted(given - expected):
        return ErrorCode.SCHEMA, f"{extra[0]}: the policy does not take it; it takes {', '.join(sorted(expected))}"
    try:
        for spec in schema.observation:
            spec.validate(request.arrays[spec.name])
    except SpecError as error:
        return ErrorCode.SCHEMA, str(error)
    return None


def _new_id() -> str:
    return secrets.token_hex(4)
