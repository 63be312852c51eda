"""The worker's protocol: one answer per job, errors as answers, and an end when the crew is gone."""

import contextlib
import io
import json
import os
import signal
from dataclasses import asdict

import pytest
from cli_fakes import ScriptedWorld

from handoff.commands.worker import END, serve
from handoff.config import EvalConfig
from handoff.records import EpisodeRecord, Job
from robots.errors import ServerError


@pytest.fixture(autouse=True)
def _interrupts():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def scripted(config, folder):
    yield ScriptedWorld(config, folder)


@contextlib.contextmanager
def broken(config, folder):
    raise ServerError("The policy server could not start.")
    yield


def lines_of(jobs):
    return "".join(json.dumps(asdict(job)) + "\n" for job in jobs)


def test_every_job_is_answered_with_its_row(tmp_path):
    config = EvalConfig(out=str(tmp_path))
    jobs = [Job("generalist", 1, video=False), Job("sweep+handoff", 2, video=False)]
    answers = io.StringIO()
    assert serve(config, io.StringIO(lines_of(jobs) + END), answers, scripted) == 0
    rows = [EpisodeRecord.from_row(json.loads(line)) for line in answers.getvalue().splitlines()]
    assert [row.key for row in rows] == [job.key for job in jobs]


@pytest.mark.parametrize("open_world", [broken])
def test_an_error_is_an_answer(tmp_path, open_world):
    answers = io.StringIO()
    assert serve(EvalConfig(out=str(tmp_path)), io.StringIO(END), answers, open_world) == 2
    assert json.loads(answers.getvalue()) == {"error": "The policy server could not start."}


def test_a_folder_that_cannot_be_written_is_an_answer(tmp_path):
    answers = io.StringIO()
    config = EvalConfig(out=str(tmp_path / "missing"))
    jobs = io.StringIO(lines_of([Job("generalist", 1, video=False)]) + END)
    assert serve(config, jobs, answers, scripted) == 2
    assert "missing" in json.loads(answers.getvalue())["error"]


def test_a_pipe_that_ends_early_interrupts(tmp_path):
    reading, writing = os.pipe()
    os.close(writing)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with os.fdopen(reading) as source, pytest.raises(KeyboardInterrupt):
        serve(EvalConfig(out=str(tmp_path)), source, io.StringIO(), scripted)
