"""The policy's thread in the server. The socket loop hands it jobs and never waits for it."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from robots.errors import BatonError, SpecError
from vla_bridge.backends.base import Backend, Prediction
from vla_bridge.messages import Chunk, Error, ErrorCode, GripperConvention, Infer, PolicySchema, PolicyState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One request on its way through the policy.

    Attributes:
        peer: Routing id of the client.
        request: What it asked.
        expires_at_s: When the answer has become worthless [s].
        reset: Whether a new attempt begins with it.
    """

    peer: bytes
    request: Infer
    expires_at_s: float
    reset: bool


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of a job."""

    job: Job
    answer: Chunk | Error


class PolicyWorker:
    """Runs a backend: loads it, warms it, then answers one job at a time.

    Args:
        backend: The policy.
        on_change: Called in the worker's thread after every change of state and every result; must not block.
    """

    def __init__(self, backend: Backend, on_change: Callable[[], None]) -> None:
        self._backend = backend
        self._on_change = on_change
        self._lock = threading.Lock()
        self._state = PolicyState.LOADING
        self._since_s = time.monotonic()
        self._detail = ""
        self._schema: PolicySchema | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()  # at most one job, then None to stop
        self._results: deque[Result] = deque()
        self._thread = threading.Thread(target=self._run, name="policy-worker", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end after its current job, and wait at most `timeout_s`. Returns whether it ended."""
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def state(self) -> tuple[PolicyState, float, str]:
        """Return the state, for how long it has lasted [s], and why, if it failed."""
        with self._lock:
            return self._state, time.monotonic() - self._since_s, self._detail

    @property
    def schema(self) -> PolicySchema | None:
        """What the policy needs and gives; None until it is loaded."""
        return self._schema

    def offer(self, job: Job) -> bool:
        """Start `job` if the policy is free. Returns False, and does nothing, when it is not."""
        with self._lock:
            if self._state is not PolicyState.READY:
                return False
            self._change(PolicyState.BUSY)
        self._jobs.put(job)
        return True

    def take(self) -> Result | None:
        """Return a finished job's result, or None."""
        with self._lock:
            return self._results.popleft() if self._results else None

    def _change(self, state: PolicyState, detail: str = "") -> None:
        self._state, self._since_s, self._detail = state, time.monotonic(), detail

    def _enter(self, state: PolicyState, detail: str = "") -> None:
        with self._lock:
            self._change(state, detail)
        self._on_change()

    def _run(self) -> None:
        failure = _guarded(self._prepare)
        if failure is not None:
            self._enter(PolicyState.FAILED, failure)
            return
        self._enter(PolicyState.READY)
        while (job := self._jobs.get()) is not None:
            answer = self._answer(job)
            with self._lock:
                self._results.append(Result(job, answer))
                self._change(PolicyState.READY)
            self._on_change()

    def _prepare(self) -> None:
        self._backend.load()
        self._schema = self._backend.schema
        self._enter(PolicyState.WARMING)
        self._backend.warm()

    def _answer(self, job: Job) -> Chunk | Error:
        answers: list[Chunk] = []
        failure = _guarded(lambda: answers.append(self._infer(job)))
        if failure is None:
            return answers[0]
        request = job.request
        detail, _, error_id = failure.rpartition(" #")
        return Error(request.session, ErrorCode.POLICY, detail, error_id, request.epoch, request.seq)

    def _infer(self, job: Job) -> Chunk:
        request, schema = job.request, self._backend.schema
        if job.reset:
            self._backend.reset(request.session)
        began_s = time.monotonic()
        prediction = self._backend.infer(request)
        _check(prediction, schema)
        return Chunk(
            session=request.session,
            epoch=request.epoch,
            seq=request.seq,
            captured_at_s=request.captured_at_s,
            action_space=schema.action_space,
            dt_s=schema.dt_s,
            done=prediction.done,
            infer_s=time.monotonic() - began_s,
            actions=prediction.actions,
            gripper=prediction.gripper,
        )


def _check(prediction: Prediction, schema: PolicySchema) -> None:
    """Check a policy's answer before it leaves the server; a wrong one must never reach a robot."""
    schema.action.validate(prediction.actions)
    expected = None if schema.gripper is GripperConvention.NONE else (schema.horizon,)
    given = None if prediction.gripper is None else prediction.gripper.shape
    if given != expected:
        raise SpecError(f"gripper: expected shape {expected}, got {given}.")
    if prediction.gripper is not None and not ((prediction.gripper >= 0.0) & (prediction.gripper <= 1.0)).all():
        raise SpecError("gripper: holds values outside 0.0 (open) to 1.0 (closed).")


def _guarded(work: Callable[[], None]) -> str | None:
    """Do `work`. Returns None, or one line that says why it failed; the log has it under an id.

    A deliberate error says all there is to say; of any other the log keeps the traceback.

    This is the process boundary: a backend is foreign code, and whatever it raises must become an answer.
    """
    try:
        work()
    except Exception as error:
        error_id = secrets.token_hex(4)
        deliberate = isinstance(error, BatonError)
        logger.error("The policy failed, id %s: %s", error_id, error, exc_info=not deliberate)
        return f"{error if deliberate else 'the policy failed'} #{error_id}"
    return None
