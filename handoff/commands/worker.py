"""`baton worker`: runs the jobs that arrive on stdin as JSON lines, answers each with its row. Started by the crew."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from handoff.commands.options import parse_options
from handoff.config import EvalConfig
from handoff.records import EpisodeRecord, Job
from robots.errors import BatonError

END = "\n"  # the line that dismisses a worker; a pipe that ends without it means that the crew is gone


class World(Protocol):
    """Where episodes happen."""

    def run(self, job: Job) -> EpisodeRecord:
        """Run one episode."""
        ...


OpenWorld = Callable[[EvalConfig, Path], AbstractContextManager[World]]


class Jobs:
    """Jobs read from a pipe by a thread. A pipe that ends early stops a running episode."""

    def __init__(self, source: IO[str]) -> None:
        self._source = source
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        threading.Thread(target=self._read, name="jobs", daemon=True).start()

    def __iter__(self) -> Iterator[Job]:
        """Yield jobs until the pipe ends."""
        while (job := self._jobs.get()) is not None:
            yield job

    def _read(self) -> None:
        for text in self._source:
            if text == END:
                self._jobs.put(None)
                return
            self._jobs.put(Job(**json.loads(text)))
        # A real signal, because it also wakes a main thread that waits for its next job.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def help_lines(_command: str) -> list[str]:
    """Nobody calls this by hand."""
    return ["  (started by baton eval)"]


def run(_command: str, arguments: Sequence[str]) -> int:
    """Serve jobs from stdin in the simulation."""
    from handoff.commands.simulation import open_world

    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Whatever a library prints must not be taken for an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return serve(parse_options(EvalConfig, arguments), sys.stdin, answers, open_world)


def serve(config: EvalConfig, source: IO[str], answers: IO[str], open_world: OpenWorld) -> int:
    """Answer every job with its row, or with an error and exit code 2."""
    try:
        with open_world(config, Path(config.out)) as world:
            for job in Jobs(source):
                _put(answers, world.run(job).to_row())
    except BatonError as error:
        _put(answers, {"error": str(error)})
        return 2
    except OSError as error:
        _put(answers, {"error": f"Cannot use {error.filename or 'a file'}: {error.strerror or error}."})
        return 2
    finally:
        # Everything is closed: an interrupt would only disturb the interpreter's own ending.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return 0


def _put(answers: IO[str], answer: dict[str, str]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
