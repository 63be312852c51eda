"""Damaged or unfit demonstrations are refused in one sentence that names the file or column; nothing else happens."""

import contextlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "search"))

from search_fixtures import KinematicWorld, perfect_detector

from robots.errors import UsageError
from search_policy.episodes.dataset import COLUMNS, check_demonstrations, load_frames, write_shard
from search_policy.episodes.dataset_checks import CHECKSUMS, INFO, write_checksums
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.learning.config import CollectConfig, TrainConfig
from search_policy.learning.trainer import train
from search_policy.searchers.choosers import RandomChooser
from search_policy.skill import SearchConfig

DATA = "data/chunk-000/file-000.parquet"
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set of one valid shard."""
    rollout = Rollout.build(KinematicWorld(), RandomChooser(), SearchConfig(), RolloutConfig(max_steps=40), seed=0)
    recorded = [rollout.run("bookshelf_duck", seed, perfect_detector) for seed in range(4)]
    root = tmp_path_factory.mktemp("whole")
    write_shard(root / "shard-0000", recorded)
    return root


@pytest.fixture
def data(whole, tmp_path):
    """A copy to damage."""
    shutil.copytree(whole, tmp_path / "data")
    return tmp_path / "data"


def edit_info(change):
    def edit(shard):
        info = json.loads((shard / INFO).read_text())
        change(info)
        (shard / INFO).write_text(json.dumps(info))

    return edit


def edit_table(change, file=DATA):
    def edit(shard):
        table = change(pq.ParquetFile(shard / file).read())
        pq.write_table(table, shard / file)

    return edit


def edit_column(column, change):
    def edit(table):
        values = change(table[column].to_pylist())
        return table.set_column(table.column_names.index(column), column, pa.array(values, type=table[column].type))

    return edit_table(edit)


def at(row, value):
    def change(values):
        values[row] = value
        return values

    return change


def rename(old, new):
    def both(shard):
        edit_info(lambda info: info["features"].update({new: info["features"].pop(old)}))(shard)
        edit_table(lambda t: t.rename_columns([new if name == old else name for name in t.column_names]))(shard)

    return both


def drop_rows(rows):
    return edit_table(lambda table: table.slice(0, len(table) - rows))


def cut(file, share=0.5):
    def edit(shard):
        content = (shard / file).read_bytes()
        (shard / file).write_bytes(content[: int(share * len(content))])

    return edit


def without_end_frame(shard):
    """Drop the last row of the last episode and say so consistently in every file."""
    drop_rows(1)(shard)
    file = "meta/episodes/chunk-000/file-000.parquet"

    def shorten(table):
        lengths = table["length"].to_pylist()
        lengths[-1] -= 1
        return table.set_column(table.column_names.index("length"), "length", pa.array(lengths))

    edit_table(shorten, file)(shard)


def feature(name, **changes):
    return edit_info(lambda info: info["features"][name].update(changes))


def as_double(table):
    column = table["decision.coverage_gain"].cast(pa.float64())
    return table.set_column(table.column_names.index("decision.coverage_gain"), "decision.coverage_gain", column)


def empty(shard):
    drop_rows(10_000)(shard)
    edit_table(lambda table: table.slice(0, 0), "meta/episodes/chunk-000/file-000.parquet")(shard)


def masked(shard):
    """Forbid the view that the first decision took."""
    taken = pq.ParquetFile(shard / DATA).read()["action"].to_pylist()[0]
    edit_column("observation.mask", lambda rows: [[i != taken for i in range(21)], *rows[1:]])(shard)


DAMAGE = {
    "missing column": (
        edit_info(lambda info: info["features"].pop("observation.mask")),
        ["observation.mask", "missing"],
    ),
    "column missing in the file": (edit_table(lambda t: t.drop_columns(["action"])), ["'action'", "missing"]),
    "privileged column missing": (
        edit_info(lambda info: info["features"].pop("privileged.target_position")),
        ["privileged.target_position"],
    ),
    "privileged as observation": (
        rename("privileged.target_position", "observation.target_position"),
        ["'observation.target_position'", "'privileged.target_position'"],
    ),
    "privileged under observation": (
        rename("privileged.target_present", "observation.privileged.target_present"),
        ["observation.privileged.target_present"],
    ),
    "wrong dtype": (feature("decision.steps", dtype="float32"), ["decision.steps", "int64"]),
    "stored otherwise": (edit_table(as_double), ["decision.coverage_gain", "float32"]),
    "wrong shape": (feature("privileged.target_position", shape=[2]), ["privileged.target_position", "(3,)"]),
    "wrong image": (
        feature("observation.images.wrist", shape=[96, 96, 3]),
        ["observation.images.wrist", "(84, 84, 3)"],
    ),
    "views disagree": (feature("observation.mask", shape=[20]), ["observation.mask", "21"]),
    "frame rate": (edit_info(lambda info: info.update(fps=30)), ["30 Hz", "15 Hz"]),
    "no frame rate": (edit_info(lambda info: info.update(fps="fast")), ["fps", "Hz"]),
    "timestamps": (edit_column("timestamp", lambda t: [2 * x for x in t]), ["timestamp", "15 Hz"]),
    "timestamp is no number": (edit_column("timestamp", at(2, float("nan"))), ["'timestamp'", "nan s in row 2"]),
    "version": (edit_info(lambda info: info.update(codebase_version="v2.1")), ["codebase_version", "v3."]),
    "not a number": (
        edit_column("observation.state", at(1, [float("nan")] * 14)),
        ["observation.state", "row 1", "nan"],
    ),
    "infinite": (edit_column("privileged.target_position", at(0, [0.0, float("inf"), 0.0])), ["inf"]),
    "degrees": (edit_column("observation.state", at(0, [90.0] * 14)), ["observation.state", "[rad]"]),
    "no value": (edit_column("decision.steps", at(0, None)), ["decision.steps", "row 0"]),
    "percent": (edit_column("privileged.target_visibility", at(0, 40.0)), ["privileged.target_visibility", "[0, 1]"]),
    "action outside": (edit_column("action", at(0, 21)), ["'action'", "[0, 21)"]),
    "no action": (edit_column("action", at(0, -1)), ["'action'", "last"]),
    "forbidden view": (masked, ["'action'", "observation.mask"]),
    "ends twice": (edit_column("next.terminated", at(0, True)), ["next.terminated"]),
    "no end frame": (without_end_frame, ["cut short"]),
    "rows lost": (drop_rows(1), ["episode 3", "rows"]),
    "row numbers": (edit_column("frame_index", at(0, 3)), ["frame_index"]),
    "cut parquet": (cut(DATA), [DATA]),
    "cut description": (cut(INFO), [INFO]),
    "cut episodes": (cut("meta/episodes/chunk-000/file-000.parquet"), ["meta/episodes"]),
    "no data": (lambda s: (s / DATA).unlink(), ["data/"]),
    "no tasks": (lambda s: (s / "meta/tasks.parquet").unlink(), ["tasks.parquet"]),
    "no description": (lambda s: (s / INFO).unlink(), [INFO]),
    "empty": (empty, ["empty"]),
    "broken image": (
        edit_column("observation.images.wrist", at(2, {"bytes": b"\x89PNG\r\n\x1a\nnothing", "path": None})),
        ["observation.images.wrist", "row 2"],
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_unfit_demonstrations_are_refused_by_name(name, data):
    damage, words = DAMAGE[name]
    damage(data / "shard-0000")
    (data / "shard-0000" / CHECKSUMS).unlink(missing_ok=True)
    with pytest.raises(UsageError) as error:
        load_frames(data)
    text = str(error.value)
    assert all(word in text for word in words), text
    assert str(data) in text
    assert "\n" not in text


def test_a_whole_data_set_is_accepted(data):
    check_demonstrations(data)
    assert len(load_frames(data)) > 4


def test_shards_that_disagree_are_refused(data):
    shutil.copytree(data / "shard-0000", data / "shard-0001")
    feature("observation.state", shape=[13])(data / "shard-0001")
    edit_column_type = edit_table(lambda t: shorter(t, "observation.state", 13))
    edit_column_type(data / "shard-0001")
    (data / "shard-0001" / CHECKSUMS).unlink()
    with pytest.raises(UsageError, match=r"disagree: column 'observation.state'.*\(13,\)"):
        check_demonstrations(data)


def shorter(table, column, length):
    values = pa.array([row[:length] for row in table[column].to_pylist()], type=pa.list_(pa.float32(), length))
    return table.set_column(table.column_names.index(column), column, values)


def test_training_refuses_before_it_touches_the_run_folder(data, tmp_path):
    cut(DATA)(data / "shard-0000")
    out = tmp_path / "run"
    config = TrainConfig(data=str(data), out=str(out), collect=CollectConfig(episodes=50, shard_episodes=50))
    with pytest.raises(UsageError, match="file-000"):
        train(config)
    assert not out.exists()


def test_the_command_exits_with_two_and_one_sentence(data, tmp_path, capsys):
    from handoff.cli import main

    edit_column("action", at(0, 99))(data / "shard-0000")
    out = tmp_path / "run"
    arguments = ["train", "--data", str(data), "--out", str(out), "--collect.episodes", "4"]
    assert main([*arguments, "--collect.shard_episodes", "4"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert "SHA-256" in said
    assert "file-000.parquet" in said
    assert not out.exists()


@given(choice=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_damage_to_any_file_is_noticed(whole, choice, tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged") / "data"
    shutil.copytree(whole, root)
    harm(root / "shard-0000", choice)
    with pytest.raises(UsageError):
        check_demonstrations(root)
    shutil.rmtree(root.parent)


@given(choice=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_damage_to_an_older_shard_without_checksums_is_refused_or_harmless(whole, choice, tmp_path_factory):
    root = tmp_path_factory.mktemp("older") / "data"
    shutil.copytree(whole, root)
    (root / "shard-0000" / CHECKSUMS).unlink()
    harm(root / "shard-0000", choice)
    with contextlib.suppress(UsageError):
        assert np.isfinite(load_frames(root).proprioception).all()
    shutil.rmtree(root.parent)


def harm(shard, choice):
    """Delete a file, cut it off, or change one byte of it."""
    files = sorted(path for path in shard.rglob("*") if path.is_file() and path.name != Path(CHECKSUMS).name)
    file = choice.draw(st.sampled_from(files))
    content = file.read_bytes()
    kind = choice.draw(st.sampled_from(["delete", "cut", "byte"]))
    place = choice.draw(st.integers(0, len(content) - 1))
    if kind == "delete":
        file.unlink()
    elif kind == "cut":
        file.write_bytes(content[:place])
    else:
        file.write_bytes(
            content[:place] + bytes([content[place] ^ choice.draw(st.integers(1, 255))]) + content[place + 1 :]
        )


def test_checksums_cover_every_file(data):
    shard = data / "shard-0000"
    listed = set(json.loads((shard / CHECKSUMS).read_text()))
    there = {path.relative_to(shard).as_posix() for path in shard.rglob("*") if path.is_file()}
    assert there - listed == {CHECKSUMS}
    write_checksums(shard)
    check_demonstrations(data)


def test_every_column_of_the_frames_is_checked(whole):
    info = json.loads((whole / "shard-0000" / INFO).read_text())
    assert set(COLUMNS.values()) <= set(info["features"])
