"""Worker processes that run episodes for the evaluation: JSON lines over pipes, one job at a time each."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from handoff.commands.worker import END
from handoff.config import EvalConfig
from handoff.records import EpisodeRecord, Job
from handoff.run_folder import CONFIG
from robots.errors import BatonError

EPISODE_DEADLINE_S = 1200.0
STOP_DEADLINE_S = 15.0
MOST_WORKERS = 2


class ProcessCrew:
    """A few worker processes, each with its own simulation and policy server.

    Every worker leads its own process group: an interrupt reaches it once, from here, and nothing that it started
    outlives it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: queue.Queue[tuple[int, str]] = queue.Queue()
        self._workers: list[subprocess.Popen[str]] = []

    @classmethod
    @contextmanager
    def open(cls, config: EvalConfig, folder: Path) -> Iterator[ProcessCrew]:
        """Start the workers; end them on every path."""
        crew = cls(folder)
        try:
            for _ in range(config.workers or min(MOST_WORKERS, len(os.sched_getaffinity(0)))):
                crew._start()
            yield crew
            crew._dismiss()
        except BaseException:
            crew._signal(signal.SIGINT)
            raise
        finally:
            crew._end()

    def run(self, jobs: Sequence[Job]) -> Iterator[EpisodeRecord]:
        """Hand out jobs and yield episodes as they finish.

        Raises:
            BatonError: A worker reported an error, ended, or gave no result within the deadline.
        """
        waiting = list(jobs)
        busy = {number for number in range(len(self._workers)) if self._give(number, waiting)}
        while busy:
            number, text = self._answer()
            yield self._record(number, text)
            if not self._give(number, waiting):
                busy.discard(number)

    def _start(self) -> None:
        number = len(self._workers)
        folder = self._folder / "log"
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "handoff.cli", "worker"]
        with (folder / f"worker-{number}.log").open("a") as log:
            worker = subprocess.Popen(
                [*command, "--config_path", str(self._folder / CONFIG), "--out", str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
            )
        self._workers.append(worker)
        threading.Thread(target=self._listen, args=(number, worker), name=f"worker-{number}", daemon=True).start()

    def _listen(self, number: int, worker: subprocess.Popen[str]) -> None:
        if worker.stdout is not None:
            for text in worker.stdout:
                self._answers.put((number, text))
        self._answers.put((number, ""))

    def _give(self, number: int, waiting: list[Job]) -> bool:
        stdin = self._workers[number].stdin
        if not waiting or stdin is None:
            return False
        # A worker that ended is reported by its empty answer, with the reason.
        with suppress(BrokenPipeError):
            stdin.write(json.dumps(asdict(waiting.pop(0))) + "\n")
            stdin.flush()
        return True

    def _answer(self) -> tuple[int, str]:
        try:
            return self._answers.get(timeout=EPISODE_DEADLINE_S)
        except queue.Empty:
            raise BatonError(
                f"No episode ended within {EPISODE_DEADLINE_S:.0f} s; see {self._folder / 'log'}."
            ) from None

    def _record(self, number: int, text: str) -> EpisodeRecord:
        if not text:
            code = self._workers[number].wait(STOP_DEADLINE_S)
            raise BatonError(
                f"An evaluation process ended with code {code}; the reason is in {self._folder / 'log'}"
                f"/worker-{number}.log, and finished episodes are kept: continue with --resume --out {self._folder}."
            )
        answer = json.loads(text)
        if "error" in answer:
            raise BatonError(answer["error"])
        return EpisodeRecord.from_row(answer)

    def _dismiss(self) -> None:
        for worker in self._workers:
            if worker.stdin is not None:
                with suppress(BrokenPipeError):
                    worker.stdin.write(END)
                    worker.stdin.flush()

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            with suppress(ProcessLookupError):
                worker.send_signal(number)

    def _end(self) -> None:
        for worker in self._workers:
            if worker.stdin is not None:
                with suppress(BrokenPipeError):
                    worker.stdin.close()
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(STOP_DEADLINE_S)
            # The group outlives its leader as long as anything the worker started is left.
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self._remove_empty_logs()

    def _remove_empty_logs(self) -> None:
        folder = self._folder / "log"
        for log in folder.glob("worker-*.log"):
            if log.stat().st_size == 0:
                log.unlink()
        with suppress(OSError):
            folder.rmdir()
