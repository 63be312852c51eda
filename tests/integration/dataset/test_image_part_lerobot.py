"""What `image_part` writes is what LeRobot's own writer writes, and LeRobot reads it."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from handoff.dataset.image_part import PartFormat, write_part
from handoff.dataset.part import PartWriter, prepare_lerobot
from tests.dataset_fakes import image, layout

FEATURES = {
    name: feature
    for name, feature in layout().features().items()
    if feature["dtype"] == "image" or tuple(feature["shape"]) != (1,)
}
INSTRUCTION = "Pick up the duck."


def row(name, feature, index):
    return image(index) if feature["dtype"] == "image" else np.full(feature["shape"], index, feature["dtype"])


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    columns = {name: np.stack([row(name, feature, i) for i in range(5)]) for name, feature in FEATURES.items()}
    return write_part(
        tmp_path_factory.mktemp("parts"), "mine", PartFormat("fake", 15, FEATURES), columns, INSTRUCTION, {}
    )


def test_lerobot_reads_frames_chunks_task_and_statistics(part):
    prepare_lerobot()
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("local/x", root=part, delta_timestamps={"action": [0.0, 1 / 15]})
    frame = dataset[3]
    assert len(dataset) == 5
    assert frame["task"] == INSTRUCTION
    assert np.array_equal((frame["observation.images.wrist"].permute(1, 2, 0) * 255).round().byte().numpy(), image(3))
    assert frame["action"][:, 0].tolist() == [3.0, 4.0]
    assert set(dataset.meta.stats) >= {*FEATURES, "timestamp"}


def test_names_and_types_are_those_of_lerobots_writer(part, tmp_path):
    prepare_lerobot()
    columns = layout()
    writer = PartWriter(tmp_path, "theirs", columns)
    writer.add({name: row(name, feature, 0) for name, feature in columns.features().items()}, INSTRUCTION)
    theirs = writer.save({})
    for place in ("data/chunk-000/file-000.parquet", "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet"):
        own, other = (pq.ParquetFile(root / place).schema_arrow for root in (part, theirs))
        assert own.names
        for name in own.names:
            assert own.field(name).type == other.field(name).type, name
