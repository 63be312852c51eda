"""Records episodes as dataset parts from a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from handoff.dataset.columns import DatasetLayout
from handoff.dataset.frames import Row, RowBuilder, Sources, ended
from handoff.dataset.part import PartWriter, prepare_lerobot
from handoff.interfaces import Step
from handoff.outcome import Outcome
from handoff.phases import StopReason
from robots.errors import BatonError
from robots.types import Task

QUEUE_LENGTH = 64
ENCODE_DEADLINE_S = 900.0
PATIENCE_S = 1.0
# What the disk, the encoder, parquet and LeRobot raise; an encoder that cannot write raises its library's own error.
FAILURES = (OSError, BatonError, RuntimeError, ValueError, LookupError, TypeError, av.error.FFmpegError)

OpenPart = Callable[[Path, str, DatasetLayout], PartWriter]


def controller_success(outcome: Outcome) -> bool:
    """Whether the controller itself believes in success: the only judgement on a real robot."""
    return outcome.stop_reason is StopReason.COMPLETED


class DatasetRecorder:
    """Satisfies `handoff.interfaces.Recorder`: each episode becomes `<folder>/<name>`, durable when `end` returns.

    Rows are built on the loop's thread and written by another. When the writer falls behind, rows are dropped and
    counted, and the next row says so in its `gap`; with `wait` the loop waits instead, for simulated time.
    An episode that was cut short is not kept. A failing disk ends the recording of that episode, not the episode:
    `error` holds the reason.

    Args:
        folder: Where parts go.
        name: Name of the episode.
        layout: The columns.
        sources: What is not in a `Step`.
        wait: Slow the loop instead of dropping rows.
        success: Judges the finished episode; called in `end`.
        notes: More facts about the episode for `meta/baton.json`.
        open_part: Opens the writer; another one in tests.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        layout: DatasetLayout,
        sources: Sources | None = None,
        *,
        wait: bool = False,
        success: Callable[[Outcome], bool] = controller_success,
        notes: dict[str, Any] | None = None,
        open_part: OpenPart | None = None,
    ) -> None:
        self._folder, self._name, self._layout = folder, name, layout
        self._rows, self._wait, self._success = RowBuilder(layout, sources or Sources()), wait, success
        self._notes = notes or {}
        self._open_part: OpenPart = open_part or PartWriter
        self._queue: queue.Queue[Row | None] = queue.Queue(QUEUE_LENGTH)
        self._thread: threading.Thread | None = None
        self._task = Task("", "", "")
        self._gap = 0
        self._success_flag = False
        self._keep = False
        self.error: Exception | None = None
        self.dropped = 0
        self.part: Path | None = None
        if open_part is None:
            prepare_lerobot()

    def raise_failure(self) -> None:
        """Say in one sentence why the last episode was not recorded; does nothing when it was.

        Raises:
            OSError: The disk is full or fails.
            BatonError: A camera or a joint target is missing, or LeRobot refused a row.
        """
        if self.error is None:
            return
        if isinstance(self.error, OSError) and self.error.errno is not None:
            raise OSError(self.error.errno, self.error.strerror, str(self._folder / self._name)) from self.error
        reason = " ".join(str(self.error).split())
        raise BatonError(f"The dataset does not hold the episode {self._name}: {reason}") from self.error

    def begin(self, task: Task) -> None:
        """Start the writer."""
        self._task, self._gap, self.dropped = task, 0, 0
        self.error = self.part = None
        self._keep = False
        self._guard(self._rows.begin)
        self._thread = threading.Thread(target=self._write, name="dataset", daemon=True)
        self._thread.start()

    def step(self, step: Step) -> None:
        """Offer one control period."""
        if self.error is not None:
            return
        row = self._guard(lambda: self._rows.row(step, self._gap))
        if row is None:
            return
        if self._offer(row):
            self._gap = 0
        else:
            self._gap += 1
            self.dropped += 1

    def end(self, outcome: Outcome | None) -> None:
        """Finish the part, and wait until it is on the disk."""
        if self._thread is None:
            return
        self._keep = outcome is not None
        self._success_flag = outcome is not None and self._success(outcome)
        if outcome is not None:
            self._notes = {**self._notes, "stop_reason": str(outcome.stop_reason)}
        while self._thread.is_alive() and not self._put(None, PATIENCE_S):
            continue
        self._thread.join(ENCODE_DEADLINE_S)
        if self._thread.is_alive():
            self.error = BatonError(f"The dataset's writer did not finish {self._name} in {ENCODE_DEADLINE_S:.0f} s.")
        self._thread = None

    def _offer(self, row: Row) -> bool:
        """Queue a row at once, or, in simulated time, as soon as there is room."""
        if not self._wait:
            return self._put(row, 0.0)
        while self._thread is not None and self._thread.is_alive():
            if self._put(row, PATIENCE_S):
                return True
        return False

    def _put(self, row: Row | None, patience_s: float) -> bool:
        try:
            self._queue.put(row, block=patience_s > 0.0, timeout=patience_s or None)
        except queue.Full:
            return False
        return True

    def _guard[T](self, build: Callable[[], T]) -> T | None:
        """Call, but let no missing camera, unknown action or faulty source end the loop."""
        try:
            return build()
        except FAILURES as error:
            self.error = error
            return None

    def _write(self) -> None:
        try:
            self._write_part()
        except FAILURES as error:
            self.error = error
            while self._queue.get() is not None:
                self.dropped += 1

    def _write_part(self) -> None:
        part = self._open_part(self._folder, self._name, self._layout)
        try:
            self._fill(part)
        except BaseException:
            part.discard()
            raise

    def _fill(self, part: PartWriter) -> None:
        last: Row | None = None
        while (row := self._queue.get()) is not None:
            if last is not None:
                part.add(last, self._task.instruction)
            last = row
        if last is None or not self._keep or self.error is not None:
            part.discard()
            return
        part.add(ended(last, success=self._success_flag), self._task.instruction)
        self.part = part.save({**self._notes, "success": self._success_flag, "dropped": self.dropped})
