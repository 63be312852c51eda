"""Frames in memory are what LeRobot would read, and a dataset that cannot be trained on is refused in one sentence."""

import numpy as np
import pytest
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from torch.utils.data import default_collate

from robots.errors import UsageError
from tests.grasp_data import features, record
from vla_bridge.training import memory
from vla_bridge.training.checks import check_alike, check_columns, check_folder, check_selection, check_values
from vla_bridge.training.config import INPUTS, GeneralistConfig
from vla_bridge.training.memory import FramesInMemory

DELTAS = {"action": [index / 15 for index in range(8)], "observation.state": [-1 / 15, 0.0]}


def opened(root, **options):
    return LeRobotDataset("local/squares", root=root, delta_timestamps=DELTAS, video_backend="pyav", **options)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return record(tmp_path_factory.mktemp("squares") / "data")


def assert_same(expected, found):
    assert set(expected) == set(found)
    assert expected["task"] == found["task"]
    for key in set(expected) - {"task"}:
        assert expected[key].dtype == found[key].dtype, key
        assert torch.equal(expected[key], found[key]), key


@pytest.mark.parametrize("episodes", [None, [0, 1, 2], [2], [1, 2]])
def test_every_item_is_the_one_that_lerobot_gives(root, episodes):
    source = opened(root, episodes=episodes)
    frames = FramesInMemory(source)
    assert len(frames) == len(source)
    for index in range(len(source)):
        assert_same(source[index], frames[index])


def test_a_batch_is_the_collated_items_with_images_still_uint8(root):
    frames = FramesInMemory(opened(root))
    rows = [30, 0, 11, 0]
    batch = frames.batch(rows)
    assert all(batch[key].dtype == torch.uint8 for key in frames.images)
    images = {key: batch[key].to(torch.float32) / 255.0 for key in frames.images}
    assert_same(default_collate([frames[row] for row in rows]), batch | images)


def test_a_chunk_never_reaches_into_the_next_episode(root):
    frames = FramesInMemory(opened(root))
    _, stops = frames.episode_bounds()
    item = frames[stops[0] - 1]
    assert item["action_is_pad"].tolist() == [False] + [True] * 7
    assert torch.equal(item["action"], item["action"][:1].expand(8, -1))


def test_datasets_are_numbered_on_one_after_the_other(root, tmp_path):
    other = record(tmp_path / "more", episodes=1, frames=4, seed=1)
    joined = FramesInMemory(opened(root), opened(other))
    assert (len(joined), joined.episodes) == (37, 4)
    assert joined.values["index"].tolist() == list(range(37))
    assert joined.values["episode_index"][-4:].tolist() == [3] * 4
    assert joined[-1]["task"] == "Pick up the red mug."
    assert torch.equal(joined[33]["action"], FramesInMemory(opened(other))[0]["action"])


def test_more_frames_than_fit_into_memory_are_refused_before_they_are_read(root, tmp_path, monkeypatch):
    said = tmp_path / "meminfo"
    said.write_text("MemTotal: 99999999 kB\nMemAvailable:       512 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", said)
    with pytest.raises(UsageError, match=r"33 frames need 0\.0 GiB of memory.*--episodes"):
        FramesInMemory(opened(root))


def test_without_a_word_from_the_system_memory_counts_as_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert memory.available_bytes() > 2**40


def spoiled(column, index, value):
    def change(frame, episode, step):
        if (episode, step) == (1, 4):
            frame[column] = frame[column].copy()
            frame[column][index] = value

    return change


@pytest.mark.parametrize(
    ("column", "index", "value", "sentence"),
    [
        ("observation.state", 2, np.nan, "observation.state is not finite in 1 frames, first in episode 1, frame 4"),
        ("action", 0, np.nan, "action is not finite in 1 frames, first in episode 1, frame 4"),
        ("privileged.target_px", 1, np.nan, "privileged.target_px is not finite"),
        ("action", 6, 255.0, "gripper.pos of action is not within 0 and 1"),
        ("action", 7, -1.0, "refuse.pos of action is not within 0 and 1"),
    ],
)
def test_a_wrong_number_is_named_with_its_frame(tmp_path, column, index, value, sentence):
    root = record(tmp_path / "spoiled", episodes=2, frames=6, change=spoiled(column, index, value))
    with pytest.raises(UsageError, match=sentence):
        check_values(FramesInMemory(opened(root)), GeneralistConfig(dataset=(str(root),)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"observation__state": None}, "Unknown column 'observation.state' in DATA"),
        ({"action": None}, "Unknown column 'action' in DATA"),
        (
            {"observation__state": {"dtype": "float32", "shape": (7,), "names": None}},
            r"DATA: observation.state has the shape \(7,\) instead of \(8,\)",
        ),
        (
            {"observation__images__wrist": {"dtype": "image", "shape": (168, 168, 3), "names": ["h", "w", "c"]}},
            r"wrist has the shape \(168, 168, 3\) instead of \(96, 96, 3\)",
        ),
        (
            {"action": {"dtype": "float32", "shape": (8,), "names": {"axes": list("abcdefgh")}}},
            "action is named a, b, c, d, e, f, g, h instead of gripper.x.vel",
        ),
        (
            {"observation__privileged__target_px": {"dtype": "float32", "shape": (3,), "names": None}},
            "observation.privileged.target_px is privileged",
        ),
    ],
)
def test_a_wrong_column_is_named(change, sentence):
    columns = features(**change)
    with pytest.raises(UsageError, match=sentence):
        check_columns(columns, INPUTS, "DATA")


def test_the_columns_of_the_design_pass():
    check_columns(features(), INPUTS, "DATA")


def test_datasets_with_different_columns_are_not_joined():
    fewer = features(privileged__target_px=None)
    check_alike([fewer, fewer], ["a", "b"])
    with pytest.raises(UsageError, match=r"a and b cannot be joined: only one of them has privileged\.target_px"):
        check_alike([fewer, features()], ["a", "b"])


@pytest.mark.parametrize("name", ["privileged.target_px", "observation.privileged.x", "action", "task"])
def test_only_observations_can_be_inputs(name):
    with pytest.raises(UsageError, match="cannot be an input"):
        GeneralistConfig(dataset=("data",), inputs=(*INPUTS, name))


def test_rate_and_number_of_episodes_are_checked():
    config = GeneralistConfig(dataset=("data",), episodes=4, held_out=2)
    check_selection(15, 6, config, "data")
    with pytest.raises(UsageError, match="data was recorded at 30 Hz instead of 15 Hz"):
        check_selection(30, 6, config, "data")
    with pytest.raises(UsageError, match="data holds 5 episodes, but 6 are needed"):
        check_selection(15, 5, config, "data")
    with pytest.raises(UsageError, match="holds 0 episodes, but 1 are needed"):
        check_selection(15, 0, GeneralistConfig(dataset=("data",)), "data")


def test_a_folder_without_a_dataset_is_refused_before_the_network_is_asked(tmp_path):
    with pytest.raises(UsageError, match=r"holds no LeRobot dataset: meta/info.json is missing"):
        check_folder(tmp_path)


@pytest.mark.parametrize("option", ["updates", "batch_size", "log_every", "checkpoint_every", "keep", "threads"])
def test_counts_below_one_are_refused(option):
    with pytest.raises(UsageError, match="at least 1"):
        GeneralistConfig(dataset=("data",), **{option: 0})
