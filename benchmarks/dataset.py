"""What recording costs: a durable part, LeRobot's own ways, merging, and the loop's share of a step.

python benchmarks/dataset.py
"""

from __future__ import annotations

import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from handoff.dataset.columns import DatasetLayout
from handoff.dataset.folder import DatasetFolder
from handoff.dataset.frames import Row, RowBuilder, Sources, ended
from handoff.dataset.part import prepare_lerobot
from handoff.dataset.recorder import DatasetRecorder
from handoff.interfaces import Step
from tests.dataset_fakes import JOINTS, TASK, image, outcome, step

STEPS, EPISODES = 100, 5


def timed(work: Callable[[], Any]) -> float:
    """Return how long the work takes [s]."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def sources_of(px: int) -> Sources:
    """A second camera."""
    return Sources(images={"third_person": lambda: image(3, px)})


def rows_of(layout: DatasetLayout, px: int) -> list[Row]:
    """One episode as rows."""
    builder = RowBuilder(layout, sources_of(px))
    builder.begin()
    rows = [builder.row(step(index, px=px), 0) for index in range(STEPS)]
    return [*rows[:-1], ended(rows[-1], success=True)]


def baton_part(journal: pathlib.Path, name: str, layout: DatasetLayout, px: int, steps: list[Step]) -> None:
    """Record one episode as Baton does."""
    recorder = DatasetRecorder(journal, name, layout, sources_of(px), wait=True)
    recorder.begin(TASK)
    for item in steps:
        recorder.step(item)
    recorder.end(outcome())
    recorder.raise_failure()


def lerobot_dataset(root: pathlib.Path, layout: DatasetLayout) -> Any:  # noqa: ANN401
    """Create a dataset, or resume it."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    if root.exists():
        return LeRobotDataset.resume("local/cost", root=root, video_backend="pyav", encoder_threads=1)
    return LeRobotDataset.create(
        "local/cost",
        fps=layout.fps,
        features=layout.features(),
        root=root,
        use_videos=layout.video,
        video_backend="pyav",
        encoder_threads=1,
    )


def save(dataset: Any, rows: list[Row]) -> None:  # noqa: ANN401
    """Write one episode with LeRobot."""
    for row in rows:
        dataset.add_frame({**row, "task": TASK.instruction})
    dataset.save_episode(parallel_encoding=False)


def lerobot_times(
    place: pathlib.Path, layout: DatasetLayout, rows: list[Row]
) -> tuple[list[float], list[float], list[float]]:
    """Seconds per episode of one dataset per episode, of resuming one, and of one that is never closed."""

    def finalized(root: pathlib.Path) -> None:
        dataset = lerobot_dataset(root, layout)
        save(dataset, rows)
        dataset.finalize()

    parts = [timed(lambda n=n: finalized(place / f"part{n}")) for n in range(EPISODES)]
    resumed = [timed(lambda: finalized(place / "resumed")) for _ in range(EPISODES)]
    kept_open = lerobot_dataset(place / "open", layout)
    plain = [timed(lambda: save(kept_open, rows)) for _ in range(EPISODES)]
    kept_open.finalize()
    return parts, resumed, plain


def aggregate_time(place: pathlib.Path) -> float:
    """Seconds of LeRobot's own merge."""
    from lerobot.datasets.aggregate import aggregate_datasets

    roots = [place / f"part{n}" for n in range(EPISODES)]
    return timed(lambda: aggregate_datasets(["local/cost"] * EPISODES, "local/all", roots, place / "all"))


def loop_share_ms(journal: pathlib.Path, layout: DatasetLayout, px: int, steps: list[Step]) -> tuple[float, float, int]:
    """Milliseconds of the loop per step at 60 Hz, and rows dropped."""
    recorder = DatasetRecorder(journal, "live", layout, sources_of(px))
    recorder.begin(TASK)
    shares = []
    for item in steps[:60]:
        shares.append(1e3 * timed(lambda item=item: recorder.step(item)))
        time.sleep(1 / 60)
    recorder.end(outcome())
    return statistics.median(shares), max(shares), recorder.dropped


def measure(place: pathlib.Path, px: int, *, video: bool) -> None:
    """Print one line."""
    cameras = {"wrist": (px, px), "third_person": (px, px)}
    layout = DatasetLayout("fake", 15, JOINTS, cameras, {}, video)
    steps, folder = [step(index, px=px) for index in range(STEPS)], DatasetFolder(place / "baton")
    ours = [timed(lambda n=n: baton_part(folder.journal, f"e{n}", layout, px, steps)) for n in range(EPISODES)]
    size = sum(path.stat().st_size for path in folder.journal.rglob("*") if path.is_file()) / EPISODES / 1e6
    merge = timed(folder.merge)
    parts, resumed, plain = lerobot_times(place, layout, rows_of(layout, px))
    median, worst, dropped = loop_share_ms(folder.journal, layout, px, steps)
    print(
        f"{px} px {'video' if video else 'image'}: part {statistics.median(ours):.2f} s, {size:.2f} MB;"
        f" lerobot part {statistics.median(parts):.2f}, resume {statistics.median(resumed):.2f},"
        f" not durable {statistics.median(plain):.2f} s; merge {EPISODES}: {merge:.2f} s,"
        f" aggregate_datasets {aggregate_time(place):.2f} s;"
        f" step {median:.2f} ms, at most {worst:.2f}, dropped {dropped}",
        flush=True,
    )


def main() -> None:
    """Measure two sizes and both kinds."""
    prepare_lerobot()
    for px in (84, 224):
        for video in (False, True):
            with tempfile.TemporaryDirectory() as place:
                measure(pathlib.Path(place), px, video=video)


if __name__ == "__main__":
    main()
