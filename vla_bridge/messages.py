"""The messages of the bridge, as typed frozen values. `codec` maps them to and from frames on the wire.

```
client                                   server
  HELLO(version, session)          ->
                                   <-    STATUS(LOADING ...)            every 100 ms, whatever the policy does
                                   <-    WELCOME(version, schema)       once the policy knows its schema
  INFER(session, epoch, seq, ...)  ->
                                   <-    CHUNK(session, epoch, seq, ...) or ERROR(code, id)
  RESET(session, epoch)            ->
```
`session` is chosen by the client anew for every connection. `epoch` is that of the control lease, `seq` rises within a
session. Deadlines are relative, so the two clocks are never compared; `captured_at_s` is only echoed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from robots.specs import ArraySpec
from robots.types import ActionSpace, read_only

PROTOCOL_VERSION = 1


class GripperConvention(StrEnum):
    """What the gripper values of a chunk mean."""

    OPEN_0_CLOSED_1 = "open_0_closed_1"
    NONE = "none"  # the policy does not move the gripper


class PolicyState(StrEnum):
    """What the server's policy is doing."""

    LOADING = "loading"  # reading weights; the schema is not known yet
    WARMING = "warming"  # the schema is known; first, slow inference
    READY = "ready"
    BUSY = "busy"  # computing a chunk, since `Status.busy_s`
    FAILED = "failed"  # cannot serve until it is restarted


class ReplyOutcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    LATE = "late"  # no answer before the deadline
    STALE = "stale"  # of an epoch or session that is over
    BUSY = "busy"  # replaced by a newer request, or the policy was not ready
    REJECTED = "rejected"  # the server refused it, or its policy failed on it
    LOST = "lost"  # the link broke


class ErrorCode(StrEnum):
    """Why a server refused."""

    VERSION = "version"  # the protocol versions differ
    MALFORMED = "malformed"  # the message could not be read
    SCHEMA = "schema"  # arrays that do not fit the observation schema
    STALE = "stale"  # of another session or an earlier epoch
    NOT_READY = "not_ready"  # the policy is loading or warming, or has failed
    SUPERSEDED = "superseded"  # a newer request of the same session took its place
    EXPIRED = "expired"  # its deadline passed before the policy was free
    POLICY = "policy"  # the policy failed; the traceback is in the server's log under the error's id


OUTCOME_OF_ERROR: Mapping[ErrorCode, ReplyOutcome] = MappingProxyType(
    {
        ErrorCode.VERSION: ReplyOutcome.REJECTED,
        ErrorCode.MALFORMED: ReplyOutcome.REJECTED,
        ErrorCode.SCHEMA: ReplyOutcome.REJECTED,
        ErrorCode.STALE: ReplyOutcome.STALE,
        ErrorCode.NOT_READY: ReplyOutcome.BUSY,
        ErrorCode.SUPERSEDED: ReplyOutcome.BUSY,
        ErrorCode.EXPIRED: ReplyOutcome.LATE,
        ErrorCode.POLICY: ReplyOutcome.REJECTED,
    }
)


@dataclass(frozen=True, slots=True)
class PolicySchema:
    """What a policy needs and gives. Known before the first request.

    Attributes:
        policy: Name of the policy, for logs.
        observation: The arrays that every request must hold, no more and no fewer.
        action: Shape (k, a), unit and bounds of a chunk's actions.
        action_space: What the numbers of an action mean.
        control_hz: Rate at which the policy expects its actions to be executed [Hz].
        gripper: What the gripper values mean.
    """

    policy: str
    observation: tuple[ArraySpec, ...]
    action: ArraySpec
    action_space: ActionSpace
    control_hz: float
    gripper: GripperConvention

    @property
    def horizon(self) -> int:
        """Number of actions in a chunk, k."""
        return self.action.shape[0]

    @property
    def action_dim(self) -> int:
        """Width of one action, a."""
        return self.action.shape[1]

    @property
    def dt_s(self) -> float:
        """Time between two actions [s]."""
        return 1.0 / self.control_hz


@dataclass(frozen=True, slots=True)
class Hello:
    """Client to server: opens a session."""

    session: str
    client: str
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Welcome:
    """Server to client: the session is open, and this is what the policy needs and gives."""

    session: str
    schema: PolicySchema
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True, eq=False)
class Infer:
    """Client to server: compute a chunk.

    Attributes:
        session: The session of the connection.
        epoch: Epoch of the lease that the actions will be executed under.
        seq: Rises strictly within a session.
        captured_at_s: Capture time of the observation on the client's clock; echoed, never compared [s].
        deadline_s: Time that the answer is worth waiting for, from the server's receipt [s].
        instruction: The sentence given to the policy.
        arrays: One array per `PolicySchema.observation`.
    """

    session: str
    epoch: int
    seq: int
    captured_at_s: float
    deadline_s: float
    instruction: str
    arrays: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        frozen = {name: read_only(array) for name, array in self.arrays.items()}
        object.__setattr__(self, "arrays", MappingProxyType(frozen))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Server to client: the answer to `Infer`.

    Attributes:
        session: Copied from the request.
        epoch: Copied from the request.
        seq: Copied from the request.
        captured_at_s: Copied from the request [s].
        action_space: What `actions` means.
        dt_s: Time between two actions [s].
        done: The policy believes that its job was finished when the observation was captured.
        infer_s: Time that the policy needed [s].
        actions: (k, a).
        gripper: (k,) targets, 0.0 open to 1.0 closed; None leaves the gripper as it is.
    """

    session: str
    epoch: int
    seq: int
    captured_at_s: float
    action_space: ActionSpace
    dt_s: float
    done: bool
    infer_s: float
    actions: NDArray[Any]
    gripper: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", read_only(self.actions))
        if self.gripper is not None:
            object.__setattr__(self, "gripper", read_only(self.gripper))


@dataclass(frozen=True, slots=True)
class Reset:
    """Client to server: forget what came before; requests of epochs below `epoch` are refused from now on."""

    session: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Status:
    """Server to client: what the policy is doing.

    Attributes:
        session: The session of the connection.
        state: See `PolicyState`.
        busy_s: How long the policy has been in this state [s].
        detail: Why it failed, or empty.
    """

    session: str
    state: PolicyState
    busy_s: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Error:
    """Server to client: a refusal. Carries no traceback; `error_id` finds it in the server's log.

    `epoch` and `seq` are those of the refused request, or 0 when it was not about a request.
    """

    session: str
    code: ErrorCode
    detail: str
    error_id: str = ""
    epoch: int = 0
    seq: int = 0


type Message = Hello | Welcome | Infer | Chunk | Reset | Status | Error
