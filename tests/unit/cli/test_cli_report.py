"""Summary and report of a scripted run."""

import itertools
import json
import re
from html.parser import HTMLParser

import av
import pytest
from cli_fakes import open_scripted, record

from handoff.commands.evaluate import evaluate
from handoff.config import EvalConfig
from handoff.plots import phase_spans
from handoff.records import EpisodeRecord
from handoff.summary import SCHEMA, build_summary, summarise

METHOD_KEYS = {
    "episodes", "found", "completed", "found_ci95", "completed_ci95", "completed_given_found", "false_handoffs",
    "median_steps_to_find", "spl", "handoff_latency_ms_p95", "collisions", "stop_reasons",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return evaluate(EvalConfig(episodes=4, videos=1, out=str(tmp_path_factory.mktemp("runs") / "run")), open_scripted())


def test_the_summary_has_its_schema(run):
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["schema"] == SCHEMA == "baton.summary/1"
    assert {"task", "seeds", "versions", "machine", "git", "methods", "comparisons", "complete"} <= summary.keys()
    assert summary["complete"] is True
    for method in summary["methods"].values():
        assert method.keys() >= METHOD_KEYS
        assert method["episodes"] == 4
    assert summary["generalist"] == "simulation expert (privileged)"


class References(HTMLParser):
    """Collects everything a browser would load or follow."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action")]
        assert tag not in ("script", "iframe", "object", "embed")


def test_the_report_refers_to_nothing_outside_its_folder(run):
    text = (run.path / "report.html").read_text()
    parser = References()
    parser.feed(text)
    assert "://" not in text
    assert not re.search(r"url\((?!#)|@import", text)
    for reference in parser.found:
        assert reference.startswith(("data:", "#")) or (run.path / reference).is_file()
    assert sum(reference.endswith(".mp4") for reference in parser.found) >= 3
    assert text.count("data:image/jpeg;base64,") == 3


def test_every_method_has_a_playable_video(run):
    videos = sorted((run.path / "video").glob("*.mp4"))
    assert [path.stem.rsplit("-", 1)[0] for path in videos] == ["generalist", "search-handoff", "sweep-handoff"]
    steps = {row.video: row.steps for row in run.episodes()}
    for path in videos:
        with av.open(str(path)) as container:
            assert container.streams.video[0].average_rate == 15
            assert sum(1 for _ in container.decode(video=0)) == steps[f"video/{path.name}"]
    assert not list((run.path / "video").glob("*.part"))


def test_the_timeline_covers_every_episode(run):
    for row in run.episodes():
        spans = phase_spans(run.events()[row.key])
        assert spans[0][1] == 0
        assert spans[-1][2] == row.steps
        assert all(left[2] == right[1] for left, right in itertools.pairwise(spans))


def test_a_run_without_a_judge_has_no_ground_truth():
    numbers = summarise("search+handoff", [record(found=None, completed=None, false_handoffs=None, collisions=None)])
    assert numbers["found"] is None
    assert numbers["found_ci95"] is None
    assert numbers["false_handoffs"] is None
    assert numbers["collisions"] is None
    assert numbers["stop_reasons"] == {"completed": 1}


def rows_of(method, found):
    return [record(method=method, seed=i, found=hit, steps_to_find=50 if hit else None) for i, hit in enumerate(found)]


@pytest.mark.parametrize(("losses", "claims"), [(5, 0), (6, 1)])
def test_nothing_is_claimed_that_the_paired_test_does_not_carry(losses, claims):
    config = EvalConfig(episodes=12, methods=("search+handoff", "sweep+handoff"))
    episodes = rows_of("search+handoff", [True] * 12) + rows_of(
        "sweep+handoff", [False] * losses + [True] * (12 - losses)
    )
    said = [text for pair in build_summary(config, episodes)["comparisons"] for text in pair["claims"]]
    assert len(said) == claims


def test_the_generalist_alone_claims_no_handoff():
    numbers = summarise("generalist", [record(method="generalist", false_handoffs=1, found=False)])
    assert numbers["false_handoffs"] is None
    assert numbers["found"] == 0


def test_an_empty_table_row_still_reads_back():
    assert EpisodeRecord.from_row(record().to_row()) == record()
