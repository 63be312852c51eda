"""Which request is being waited for, and what became of it. Pure bookkeeping: time is passed in, no sockets.

One request is outstanding at a time. A newer one waits in a slot of depth one, where the latest wins; one of a newer
epoch does not wait, because the answer to the old one has become worthless.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from vla_bridge.messages import OUTCOME_OF_ERROR, Chunk, Error, Infer, ReplyOutcome

KEPT_REPLIES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What the control loop asks for.

    Attributes:
        arrays: One array per entry of the policy's observation schema.
        instruction: The sentence given to the policy.
        epoch: Epoch of the lease that the actions will be executed under.
        seq: Rises strictly.
        captured_at_s: Capture time of the observation, on the loop's clock [s].
        deadline_s: How long the answer is worth waiting for [s].
        asked_at_s: When it was asked for, on the client's monotonic clock [s].
    """

    arrays: Mapping[str, NDArray[Any]]
    instruction: str
    epoch: int
    seq: int
    captured_at_s: float
    deadline_s: float
    asked_at_s: float

    @property
    def expires_at_s(self) -> float:
        """When the deadline passes, on the client's monotonic clock [s]."""
        return self.asked_at_s + self.deadline_s


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """How one request ended.

    Attributes:
        outcome: `chunk` is set exactly when this is OK.
        epoch: Of the request.
        seq: Of the request.
        captured_at_s: Of the request [s].
        chunk: The answer.
        detail: Why there is none.
        round_trip_s: Time from asking to this reply [s].
    """

    outcome: ReplyOutcome
    epoch: int
    seq: int
    captured_at_s: float
    chunk: Chunk | None
    detail: str
    round_trip_s: float


@dataclass(slots=True)
class Counters:
    """What happened on a connection's exchange, for reports.

    Attributes:
        answered: Requests that got their chunk in time.
        failed: Requests that ended in any other outcome.
        dropped: Answers thrown away, because nobody waited for them any more.
        superseded: Requests replaced by a newer one before they were sent.
    """

    answered: int = 0
    failed: int = 0
    dropped: int = 0
    superseded: int = 0


class Exchange:
    """The one outstanding request, the one waiting, and the replies not yet fetched. Not thread-safe by itself."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._session = ""
        self._waiting: Request | None = None
        self._outstanding: Request | None = None
        self._replies: deque[Reply] = deque(maxlen=KEPT_REPLIES)

    @property
    def idle(self) -> bool:
        """Whether every request has been answered or has failed."""
        return self._waiting is None and self._outstanding is None

    @property
    def expires_at_s(self) -> float | None:
        """When the next deadline passes, or None while idle [s]."""
        deadlines = [r.expires_at_s for r in (self._waiting, self._outstanding) if r is not None]
        return min(deadlines, default=None)

    def submit(self, request: Request) -> None:
        """Put `request` into the slot; one that waits there is replaced."""
        if self._waiting is not None:
            self.counters.superseded += 1
        self._waiting = request
        if self._outstanding is not None and self._outstanding.epoch != request.epoch:
            self._end(self._outstanding, ReplyOutcome.STALE, "a newer epoch began", request.asked_at_s)
            self._outstanding = None

    def open(self, session: str) -> None:
        """Begin a new session; answers of an earlier one no longer match."""
        self._session = session

    def send(self, now: float) -> Infer | None:
        """Return the message to send now, or None. The caller must send it."""
        if self._waiting is None or self._outstanding is not None:
            return None
        request, self._waiting = self._waiting, None
        self._outstanding = request
        return Infer(
            self._session,
            request.epoch,
            request.seq,
            request.captured_at_s,
            max(request.expires_at_s - now, 0.0),
            request.instruction,
            request.arrays,
        )

    def answer(self, chunk: Chunk, now: float) -> bool:
        """Take in a chunk. Returns False, and drops it, when it does not answer the outstanding request."""
        request = self._matching(chunk.session, chunk.epoch, chunk.seq)
        if request is None or chunk.captured_at_s != request.captured_at_s:
            self.counters.dropped += 1
            return False
        self._outstanding = None
        self.counters.answered += 1
        self._replies.append(
            Reply(ReplyOutcome.OK, chunk.epoch, chunk.seq, chunk.captured_at_s, chunk, "", now - request.asked_at_s)
        )
        return True

    def refuse(self, error: Error, now: float) -> bool:
        """Take in an error about a request. Returns False, and drops it, when it is not about the outstanding one."""
        request = self._matching(error.session, error.epoch, error.seq)
        if request is None:
            self.counters.dropped += 1
            return False
        self._outstanding = None
        where = f" (server log id {error.error_id})" if error.error_id else ""
        self._end(request, OUTCOME_OF_ERROR[error.code], f"{error.code}: {error.detail}{where}", now)
        return True

    def expire(self, now: float) -> None:
        """End the requests whose deadline has passed as LATE."""
        if self._outstanding is not None and now >= self._outstanding.expires_at_s:
            self._end(self._outstanding, ReplyOutcome.LATE, "no answer before the deadline", now)
            self._outstanding = None
        if self._waiting is not None and now >= self._waiting.expires_at_s:
            self._end(self._waiting, ReplyOutcome.LATE, "not sent before the deadline", now)
            self._waiting = None

    def fail(self, outcome: ReplyOutcome, detail: str, now: float) -> None:
        """End every request, for instance as LOST when the link broke."""
        for request in (self._outstanding, self._waiting):
            if request is not None:
                self._end(request, outcome, detail, now)
        self._outstanding = self._waiting = None

    def take(self) -> Reply | None:
        """Return the oldest reply not yet taken, or None."""
        return self._replies.popleft() if self._replies else None

    def _matching(self, session: str, epoch: int, seq: int) -> Request | None:
        request = self._outstanding
        if request is None or (session, epoch, seq) != (self._session, request.epoch, request.seq):
            return None
        return request

    def _end(self, request: Request, outcome: ReplyOutcome, detail: str, now: float) -> None:
        self.counters.failed += 1
        self._replies.append(
            Reply(outcome, request.epoch, request.seq, request.captured_at_s, None, detail, now - request.asked_at_s)
        )
