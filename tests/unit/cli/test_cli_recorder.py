"""Recorders: what is logged, what the judge is asked, and a disk that is full."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_fakes import BOX, TASK, ScriptedJudge, make_step, outcome_of, script

from handoff.interfaces import Recorder
from handoff.judge import JudgingRecorder
from handoff.phases import Phase
from handoff.recorder import EventRecorder, LineWriter, RecorderGroup
from handoff.records import Job
from handoff.video import Filming, VideoRecorder

JOB = Job("search+handoff", 7, video=True)
FILMING = Filming("wrist", None, lambda: np.full((96, 128, 3), 90, np.uint8), 15.0, wait=True)


def play(recorder, length=60, outcome=True):
    recorder.begin(TASK)
    for step in script(length):
        recorder.step(step)
    recorder.end(outcome_of(length) if outcome else None)


def test_every_transition_is_one_line_with_cause_and_evidence(tmp_path):
    writer = LineWriter(tmp_path / "events.jsonl")
    play(EventRecorder(writer, JOB))
    writer.close()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["begin", *["transition"] * 8, "end"]
    phases = [event["to"] for event in events[1:-1]]
    assert phases == ["hold", "search", "verify", "settle", "prefetch", "grasp", "check", "done"]
    assert all(event["method"] == JOB.method and event["seed"] == 7 for event in events)
    verify = events[3]
    assert verify["evidence"]["box_xyxy_px"] == list(BOX)
    assert verify["cause"] == "scripted"


def test_equal_refusals_in_a_row_are_one_line(tmp_path):
    writer = LineWriter(tmp_path / "events.jsonl")
    recorder = EventRecorder(writer, JOB)
    recorder.begin(TASK)
    for index, refusal in enumerate(["", "too_old", "too_old", "", "too_old", "no_command"]):
        recorder.step(make_step(index, Phase.SEARCH, refusal=refusal))
    writer.close()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "refusal"] == [1, 4, 5]


def test_times_are_counted_from_the_start_of_the_episode(tmp_path):
    writer = LineWriter(tmp_path / "events.jsonl")
    recorder = EventRecorder(writer, JOB)
    recorder.begin(TASK)
    step = make_step(3, Phase.SEARCH, refusal="too_old")
    recorder.step(replace(step, now_s=902.5, status=replace(step.status, started_s=900.0)))
    writer.close()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["t_s"] for event in events if "t_s" in event] == [2.5, 2.5]


def test_a_full_disk_fails_the_command_but_not_the_loop():
    writer = LineWriter(Path("/dev/full"))
    play(EventRecorder(writer, JOB))
    with pytest.raises(OSError, match="No space left") as error:
        writer.close()
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename == "/dev/full"
    assert writer.dropped == 10


def test_two_writers_share_a_file_without_mixing_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    writers = [LineWriter(path), LineWriter(path)]
    for index in range(200):
        for number, writer in enumerate(writers):
            writer.put(json.dumps({"writer": number, "index": index, "padding": "x" * 300}))
    for writer in writers:
        writer.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 400
    assert [line["index"] for line in lines if line["writer"] == 1] == list(range(200))


@pytest.mark.parametrize(
    ("seen", "triggered", "found", "false", "box"),
    [(True, True, True, 0, BOX), (False, True, False, 1, BOX), (True, False, True, 0, None)],
)
def test_the_judge_decides_what_a_handoff_was(seen, triggered, found, false, box):
    judge = ScriptedJudge(seen=seen, held=True)
    recorder = JudgingRecorder(judge, triggered=triggered)
    play(recorder)
    assert (recorder.verdict.found, recorder.verdict.false_handoffs) == (found, false)
    assert judge.boxes == [box]
    assert recorder.verdict.completed is True


def test_a_confirmation_without_a_box_is_false_even_if_the_generalist_refuses():
    recorder = JudgingRecorder(ScriptedJudge(seen=True))
    recorder.begin(TASK)
    recorder.step(make_step(0, Phase.VERIFY))
    recorder.step(make_step(1, Phase.SETTLE))
    recorder.end(outcome_of(2))
    assert recorder.verdict.false_handoffs == 1
    assert recorder.verdict.found is False


def test_verdicts_do_not_leak_into_the_next_episode():
    recorder = JudgingRecorder(ScriptedJudge(seen=True))
    play(recorder)
    recorder.begin(TASK)
    recorder.end(outcome_of(1))
    assert recorder.verdict.found is False
    assert recorder.verdict.steps_to_find is None


def test_an_episode_that_was_cut_short_leaves_no_video(tmp_path):
    play(VideoRecorder(tmp_path / "video", "x", "title", FILMING), outcome=False)
    assert list((tmp_path / "video").iterdir()) == []


def test_a_video_that_cannot_be_written_is_an_error_to_ask_for(tmp_path):
    (tmp_path / "video").write_text("in the way")
    recorder = VideoRecorder(tmp_path / "video", "x", "title", FILMING)
    play(recorder)
    assert isinstance(recorder.error, OSError)


def test_without_waiting_frames_are_dropped_and_counted(tmp_path):
    filming = Filming("wrist", None, None, 15.0, wait=False)
    recorder = VideoRecorder(tmp_path, "x", "title", filming)
    play(recorder, length=400)
    assert recorder.error is None
    assert recorder.dropped > 0
    assert (tmp_path / "x.mp4").stat().st_size > 0


def test_recorders_satisfy_the_protocol(tmp_path):
    recorder: Recorder = RecorderGroup([JudgingRecorder(ScriptedJudge())])
    play(recorder)
