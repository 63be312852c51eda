"""Everything that is written down about one episode: events, verdict, video, and the row that sums it up."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from handoff.config import GENERALIST_ALONE
from handoff.dataset.recorder import DatasetRecorder
from handoff.interfaces import Recorder
from handoff.judge import Judge, JudgingRecorder
from handoff.outcome import Outcome
from handoff.recorder import EventRecorder, LineWriter, RecorderGroup
from handoff.records import EpisodeRecord, Job
from handoff.run_folder import EVENTS, VIDEO
from handoff.video import Filming, VideoRecorder
from robots.types import Task


class EpisodeLog:
    """The recorders of one episode, closed on every path; `record` sums up a finished episode.

    Args:
        folder: The run folder.
        job: The episode.
        judge: Ground truth, or None on a real robot.
        filming: See `handoff.video.Filming`.
        dataset: Records the episode as a dataset part, or None.
    """

    def __init__(
        self,
        folder: Path,
        job: Job,
        judge: Judge | None,
        filming: Filming,
        dataset: DatasetRecorder | None = None,
    ) -> None:
        self._job = job
        self._started_s = time.monotonic()
        self._writer = LineWriter(folder / EVENTS)
        self._judging = JudgingRecorder(judge, triggered=job.method != GENERALIST_ALONE) if judge else None
        self._video = (
            VideoRecorder(folder / VIDEO, job.name, f"{job.method}, layout {job.seed}", filming) if job.video else None
        )
        self._dataset = dataset
        parts = (self._judging, EventRecorder(self._writer, job), self._video, dataset)
        self.recorder: Recorder = RecorderGroup([part for part in parts if part is not None])

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the files.

        Raises:
            OSError: Something could not be written, for instance because the disk is full.
            BatonError: The dataset misses a camera or a joint target.
        """
        self._writer.close()
        if self._video is not None and self._video.error is not None:
            raise self._video.error
        if self._dataset is not None:
            self._dataset.raise_failure()

    def record(self, task: Task, outcome: Outcome, *, absent: bool) -> EpisodeRecord:
        """Return the finished episode's row."""
        return EpisodeRecord.build(
            self._job,
            task.name,
            absent=absent,
            outcome=outcome,
            verdict=self._judging.verdict if self._judging else None,
            wall_s=time.monotonic() - self._started_s,
            dropped=self._writer.dropped + sum(part.dropped for part in (self._video, self._dataset) if part),
            video=f"{VIDEO}/{self._job.name}.mp4" if self._video else "",
        )
