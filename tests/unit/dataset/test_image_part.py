"""Episodes written without LeRobot are datasets like LeRobot's own: whole, mergeable, and read back exactly."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.dataset.folder import DatasetFolder
from handoff.dataset.image_part import PartFormat, column_statistics, png_bytes, write_part
from handoff.dataset.verify import verify
from robots.errors import SpecError
from tests.dataset_fakes import image

FEATURES = {
    "observation.images.wrist": {"dtype": "image", "shape": (16, 16, 3), "names": ["height", "width", "channels"]},
    "action": {"dtype": "float32", "shape": (2,), "names": ["x", "y"]},
}
FORMAT = PartFormat("fake", 15, FEATURES)


def columns(length=4, shift=0.0):
    return {
        "observation.images.wrist": np.stack([image(index) for index in range(length)]),
        "action": np.arange(2 * length, dtype=np.float32).reshape(length, 2) + np.float32(shift),
    }


def test_a_part_is_whole_and_says_what_it_was_told(tmp_path):
    part = write_part(tmp_path, "grasp-1", FORMAT, columns(), "Grab it.", {"success": True})
    found = verify(part)
    assert found.ok, found.findings
    assert found.rows[0].tasks == ("Grab it.",)
    assert found.notes[0] == {"name": "grasp-1", "length": 4, "success": True}
    assert [path.name for path in tmp_path.iterdir()] == ["grasp-1"]


def test_images_come_back_exactly(tmp_path):
    import cv2

    part = write_part(tmp_path, "a", FORMAT, columns(), "Grab it.", {})
    cells = pq.ParquetFile(next(part.glob("data/*/*.parquet"))).read()["observation.images.wrist"].to_pylist()
    for index, cell in enumerate(cells):
        decoded = cv2.imdecode(np.frombuffer(cell["bytes"], np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), image(index))
    assert png_bytes(image(0))[:4] == b"\x89PNG"


def test_parts_merge_into_one_dataset_and_a_part_is_replaced_by_its_successor(tmp_path):
    folder = DatasetFolder(tmp_path / "grasps")
    write_part(folder.journal, "a", FORMAT, columns(3), "Grab it.", {})
    write_part(folder.journal, "b", FORMAT, columns(5), "Take it.", {})
    write_part(folder.journal, "a", FORMAT, columns(6, shift=1.0), "Grab it.", {})
    assert folder.merge().episodes == 2
    found = verify(folder.root)
    assert found.ok, found.findings
    assert [rows.length for rows in found.rows.values()] == [6, 5]
    stats = json.loads((folder.root / "meta/stats.json").read_text())
    assert stats["action"]["count"] == [11]
    assert folder.names() == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": np.zeros((4, 3), np.float32)}, "action: expected rows of shape"),
        ({"action": np.zeros((3, 2), np.float32)}, "as many in every column"),
        ({"action": np.zeros((0, 2), np.float32), "observation.images.wrist": np.zeros((0, 16, 16, 3))}, "one row"),
    ],
)
def test_columns_that_do_not_fit_leave_nothing_behind(tmp_path, change, message):
    with pytest.raises(SpecError, match=message):
        write_part(tmp_path / "journal", "a", FORMAT, {**columns(), **change}, "Grab it.", {})
    with pytest.raises(SpecError, match="no such column"):
        write_part(tmp_path / "journal", "a", FORMAT, {}, "Grab it.", {})
    assert not (tmp_path / "journal").exists()


def test_a_disk_that_fails_leaves_no_part(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("handoff.dataset.image_part.publish", full)
    with pytest.raises(OSError, match="No space"):
        write_part(tmp_path, "a", FORMAT, columns(), "Grab it.", {})
    assert not list(tmp_path.iterdir())


@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_statistics_bound_their_column(values):
    stats = column_statistics(np.array(values, np.float32)[:, None], image=False)
    assert stats["min"] <= stats["q50"] <= stats["max"]
    assert stats["count"] == [len(values)]
    assert stats["mean"][0] == pytest.approx(float(np.mean(np.float32(values))), abs=1e-3)


def test_image_statistics_have_a_value_per_channel_in_zero_to_one():
    stats = column_statistics(np.full((2, 8, 8, 3), (0, 51, 255), np.uint8), image=True)
    assert np.allclose(stats["mean"], [[[0.0]], [[0.2]], [[1.0]]])
