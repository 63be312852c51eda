"""Recorders: an append-only event log that never blocks the loop, and a group that passes each step to several."""

from __future__ import annotations

import errno
import json
import math
import os
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handoff.interfaces import Recorder, Step
from handoff.outcome import Outcome
from handoff.phases import Phase
from handoff.records import Job
from robots.types import Task

QUEUE_LENGTH = 4096


class LineWriter:
    """Appends whole lines to a file from its own thread. A full queue drops lines and counts them.

    Each line is one `write` to a descriptor opened for appending, so several processes may share the file.
    """

    def __init__(self, path: Path) -> None:
        """Open `path` for appending.

        Raises:
            OSError: It cannot be opened.
        """
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUE_LENGTH)
        self._error: OSError | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, name="event-log", daemon=True)
        self._thread.start()

    def put(self, text: str) -> None:
        """Offer one line; never waits and never raises."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is queued, and close the file.

        Raises:
            OSError: Some line could not be written, for instance because the disk is full.
        """
        self._lines.put(None)
        self._thread.join()
        os.close(self._descriptor)
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            if self._error is not None:
                self.dropped += 1
                continue
            try:
                self._append(f"{text}\n".encode())
            except OSError as error:
                self._error = OSError(error.errno, error.strerror, str(self._path))
                self.dropped += 1

    def _append(self, line: bytes) -> None:
        if os.write(self._descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class EventRecorder:
    """Writes the begin, every phase transition, every gate refusal and the end of an episode, one JSON line each."""

    def __init__(self, writer: LineWriter, job: Job) -> None:
        self._writer = writer
        self._episode = {"method": job.method, "seed": job.seed}
        self._phase: Phase | None = None
        self._refusal = ""

    def begin(self, task: Task) -> None:
        """Log the start."""
        self._phase, self._refusal = None, ""
        self._put("begin", task=task.name, target=task.target, instruction=task.instruction)

    def step(self, step: Step) -> None:
        """Log a changed phase with its cause and evidence, and the first of a row of equal refusals."""
        if step.status.phase is not self._phase:
            self._put("transition", **self._transition(step))
            self._phase = step.status.phase
        if step.refusal and step.refusal != self._refusal:
            since_start_s = step.now_s - step.status.started_s
            self._put("refusal", step=step.index, t_s=_rounded(since_start_s), reason=step.refusal)
        self._refusal = step.refusal

    def end(self, outcome: Outcome | None) -> None:
        """Log the end; an episode that was cut short has no outcome."""
        if outcome is None:
            self._put("end", stop_reason="interrupted", steps=None)
            return
        self._put("end", stop_reason=str(outcome.stop_reason), steps=outcome.steps, handoffs=outcome.handoffs)

    def _transition(self, step: Step) -> dict[str, Any]:
        status, decision = step.status, step.decision
        return {
            "step": step.index,
            "t_s": _rounded(step.now_s - status.started_s),
            "from": str(self._phase) if self._phase else None,
            "to": str(status.phase),
            "cause": step.cause,
            "holder": str(status.lease.holder),
            "epoch": status.lease.epoch,
            "evidence": {
                "trigger": str(decision.state),
                "nats": _rounded(decision.evidence_nats),
                "visible": decision.visible,
                "fixated": decision.fixated,
                "frame_age_s": _rounded(decision.frame_age_s),
                "box_xyxy_px": [_rounded(v) for v in decision.target.box_xyxy_px] if decision.target else None,
                "score": _rounded(decision.target.score) if decision.target else None,
                "detail": decision.detail,
            },
        }

    def _put(self, event: str, **values: object) -> None:
        self._writer.put(json.dumps({"event": event, **self._episode, **values}))


class RecorderGroup:
    """Passes every call to several recorders, in order."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = tuple(recorders)

    def begin(self, task: Task) -> None:
        """Begin all."""
        for recorder in self._recorders:
            recorder.begin(task)

    def step(self, step: Step) -> None:
        """Pass on one control period."""
        for recorder in self._recorders:
            recorder.step(step)

    def end(self, outcome: Outcome | None) -> None:
        """End all."""
        for recorder in self._recorders:
            recorder.end(outcome)


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
