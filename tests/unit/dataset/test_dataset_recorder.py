"""The recorder's thread, queue and faults, with writers that fail on purpose."""

import errno
import threading

import pytest

from handoff.dataset.recorder import QUEUE_LENGTH, DatasetRecorder
from handoff.phases import StopReason
from robots.errors import BatonError
from robots.types import Action, ActionSpace
from tests.dataset_fakes import TASK, layout, np, outcome, record, step


class MemoryPart:
    """Keeps rows; may be held up, or fail after some rows."""

    def __init__(self, go=None, fail_after=None, error=None):
        self.rows, self.notes, self.discarded = [], None, False
        self._go, self._fail_after, self._error = go, fail_after, error

    def add(self, row, instruction):
        if self._go is not None:
            self._go.wait(20.0)
        if self._fail_after is not None and len(self.rows) >= self._fail_after:
            raise self._error
        self.rows.append(row)

    def save(self, notes):
        self.notes = notes
        return "part"

    def discard(self):
        self.discarded = True


def recorder_of(part, tmp_path, **options):
    return DatasetRecorder(tmp_path, "episode", layout(), open_part=lambda *_: part, **options)


def test_rows_arrive_in_order_and_the_last_one_ends_the_episode(tmp_path):
    part = MemoryPart()
    recorder = record(recorder_of(part, tmp_path, notes={"seed": 3}), steps=4)
    assert [row["next.done"].item() for row in part.rows] == [False, False, False, True]
    assert part.notes == {"seed": 3, "stop_reason": "completed", "success": True, "dropped": 0}
    assert (recorder.part, recorder.error) == ("part", None)


def test_a_slow_writer_costs_rows_not_time_and_the_gap_is_marked(tmp_path):
    go = threading.Event()
    part = MemoryPart(go)
    recorder = recorder_of(part, tmp_path)
    recorder.begin(TASK)
    for index in range(QUEUE_LENGTH + 10):
        recorder.step(step(index))
    assert recorder.dropped >= 7
    go.set()
    while not recorder._queue.empty():
        pass
    recorder.step(step(QUEUE_LENGTH + 10))
    recorder.end(outcome())
    assert sum(row["gap"].item() for row in part.rows) == recorder.dropped == part.notes["dropped"]


def test_in_simulated_time_nothing_is_lost(tmp_path):
    part = MemoryPart()
    recorder = record(recorder_of(part, tmp_path, wait=True), steps=3 * QUEUE_LENGTH)
    assert (len(part.rows), recorder.dropped) == (3 * QUEUE_LENGTH, 0)


@pytest.mark.parametrize("wait", [False, True])
def test_a_full_disk_ends_the_recording_not_the_episode(tmp_path, wait):
    part = MemoryPart(fail_after=2, error=OSError(errno.ENOSPC, "No space left on device"))
    recorder = record(recorder_of(part, tmp_path, wait=wait), steps=3 * QUEUE_LENGTH)
    assert part.discarded
    assert recorder.part is None
    with pytest.raises(OSError, match="No space left"):
        recorder.raise_failure()


def test_a_library_that_fails_is_one_sentence(tmp_path):
    recorder = record(recorder_of(MemoryPart(fail_after=0, error=RuntimeError("encoder\ngone")), tmp_path))
    with pytest.raises(BatonError, match="does not hold the episode episode: encoder gone"):
        recorder.raise_failure()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_episode(tmp_path):
    (tmp_path / "file").write_text("")

    def open_part(folder, *_):
        (folder / "below").mkdir()

    recorder = DatasetRecorder(tmp_path / "file", "episode", layout(), open_part=open_part)
    record(recorder)
    with pytest.raises(OSError, match="Not a directory"):
        recorder.raise_failure()


def test_a_missing_joint_target_is_an_error_of_the_episode(tmp_path):
    part = MemoryPart()
    twist = Action(ActionSpace.CARTESIAN_VELOCITY, np.zeros(6))
    recorder = record(recorder_of(part, tmp_path), sent=twist)
    assert part.discarded
    with pytest.raises(BatonError, match="source of joint targets"):
        recorder.raise_failure()


def test_an_interrupted_episode_is_not_kept(tmp_path):
    part = MemoryPart()
    recorder = recorder_of(part, tmp_path)
    recorder.begin(TASK)
    recorder.step(step(0))
    recorder.end(None)
    assert part.discarded
    recorder.raise_failure()


def test_the_controller_judges_where_nobody_else_does(tmp_path):
    part = MemoryPart()
    record(recorder_of(part, tmp_path), reason=StopReason.SEARCH_TIMEOUT)
    assert (part.notes["success"], part.rows[-1]["next.reward"].item()) == (False, 0.0)
