"""Damage of every kind: verify names it, repair keeps what is whole, the command line says so."""

import json
import os
import shutil

import pytest

from handoff.cli import main
from handoff.dataset.folder import DatasetFolder, noted_names
from handoff.dataset.recording import Recording
from handoff.dataset.verify import verify
from robots.errors import UsageError
from tests.dataset_fakes import layout, record

pytestmark = pytest.mark.slow
EPISODES = 3


def fill(root, *, video, merge):
    recording = Recording(root, layout(video=video), wait=True)
    for _ in range(EPISODES):
        record(recording.episode()).raise_failure()
    if merge:
        DatasetFolder(root).merge()


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    fill(folder / "image", video=False, merge=True)
    fill(folder / "video", video=True, merge=True)
    fill(folder / "parts", video=False, merge=False)
    return folder


def copy(originals, kind, tmp_path):
    root = tmp_path / kind
    shutil.copytree(originals / kind, root)
    return root


def first(root, pattern):
    return sorted(root.glob(pattern))[0]


def cut(path, keep=0.5):
    os.truncate(path, int(path.stat().st_size * keep))


def change_info(root, **values):
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def poison(root):
    """Write a number that is not finite into episode 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = first(root, "data/*/*.parquet")
    table = pq.ParquetFile(path).read()
    states = table["observation.state"].to_pylist()
    states[7] = [float("nan")] * 4
    place = table.schema.get_field_index("observation.state")
    field = table.schema.field(place)
    pq.write_table(table.set_column(place, field, pa.array(states, field.type)), path, row_group_size=5)


DAMAGE = {
    "videos": ("video", lambda root: cut(first(root, "videos/*/*/*.mp4")), EPISODES - 1),
    "values": ("image", poison, EPISODES - 1),
    "footers": ("image", lambda root: cut(first(root, "data/*/*.parquet")), 0),
    "metadata": ("image", lambda root: (root / "meta/baton.json").write_text("{"), EPISODES),
    "stats": ("image", lambda root: cut(root / "meta/stats.json"), EPISODES),
    "totals": ("image", lambda root: change_info(root, total_episodes=7), EPISODES),
}


@pytest.mark.parametrize("check", DAMAGE)
def test_damage_is_named_and_what_is_whole_is_kept(check, originals, tmp_path):
    kind, damage, left = DAMAGE[check]
    root = copy(originals, kind, tmp_path)
    assert verify(root).ok
    damage(root)
    assert check in {finding.check for finding in verify(root).findings}
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    kept = DatasetFolder(root).repair()
    assert kept.episodes == left
    if left:
        assert verify(root).findings == []
        assert len(verify(root).rows) == left
    else:
        assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert len(kept.lost) == EPISODES - left


def test_a_privileged_policy_input_is_found(originals, tmp_path):
    root = copy(originals, "image", tmp_path)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["observation.privileged.pose"] = info["features"]["observation.state"]
    (root / "meta/info.json").write_text(json.dumps(info))
    assert any("policy input" in finding.problem for finding in verify(root).findings)


def test_an_interrupted_exchange_is_brought_to_an_end(originals, tmp_path):
    root = copy(originals, "image", tmp_path)
    folder = DatasetFolder(root)
    new, old = root.with_name("image.new"), root.with_name("image.old")
    root.rename(old)
    folder.recover()
    assert verify(root).ok
    shutil.copytree(root, new)
    root.rename(old)
    folder.recover()
    assert verify(root).ok
    assert not new.exists()
    assert not old.exists()


def test_parts_that_were_merged_before_a_kill_are_not_taken_twice(originals, tmp_path):
    shutil.copytree(originals / "parts.journal", tmp_path / "data.journal")
    folder = DatasetFolder(tmp_path / "data")
    names = [path.name for path in folder.parts()]
    assert folder.merge(names[:2]).added == 2
    shutil.copytree(originals / "parts.journal" / names[0], folder.journal / names[0])
    kept = folder.merge(names)
    assert (kept.episodes, kept.added) == (3, 1)
    assert noted_names(folder.root) == names
    assert not folder.journal.exists()
    assert folder.merge(names).episodes == 3


def test_a_damaged_part_stays_in_the_journal(originals, tmp_path):
    shutil.copytree(originals / "parts.journal", tmp_path / "data.journal")
    folder = DatasetFolder(tmp_path / "data")
    cut(first(folder.parts()[1], "data/*/*.parquet"))
    kept = folder.merge()
    assert (kept.episodes, len(kept.lost)) == (2, 1)
    assert len(folder.parts()) == 1


def test_a_full_disk_leaves_everything_as_it_was(originals, tmp_path):
    shutil.copytree(originals / "parts.journal", tmp_path / "data.journal")
    folder = DatasetFolder(tmp_path / "data")
    (tmp_path / "data.new").write_text("in the way")
    with pytest.raises(OSError, match=r"data\.new"):
        folder.merge()
    assert len(folder.parts()) == EPISODES
    assert not [path for path in tmp_path.iterdir() if "stage" in path.name]


def test_the_command_line_verifies_repairs_and_describes(originals, tmp_path, capsys):
    root = copy(originals, "video", tmp_path)
    assert main(["data", "verify", str(root)]) == 0
    cut(first(root, "videos/*/*/*.mp4"))
    assert main(["data", "verify", str(root), "--json"]) == 1
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["ok"], report["whole"]) == (False, [1, 2])
    assert main(["data", "repair", str(root)]) == 0
    assert "lost episode 0" in capsys.readouterr().out
    assert main(["data", "info", str(root), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["episodes"], described["frames"], described["fps"]) == (2, 10, 15)
    assert main(["data", "verify", str(root)]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["verify", "/nowhere"], "is no folder"),
        (["verfy", "x"], "Did you mean 'verify'"),
        (["verify"], "exactly one folder"),
        (["verify", "x", "--jsn"], "Did you mean '--json'"),
        (["repair", "/nowhere"], "holds no dataset"),
    ],
)
def test_mistakes_are_one_sentence(arguments, sentence, capsys):
    assert main(["data", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_damaged_dataset_is_not_added_to(originals, tmp_path):
    root = copy(originals, "image", tmp_path)
    cut(root / "meta/stats.json")
    shutil.copytree(originals / "parts.journal", tmp_path / "image.journal")
    with pytest.raises(UsageError, match="baton data repair"):
        DatasetFolder(root).merge()
