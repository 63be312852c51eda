"""One episode as a dataset of its own, written by LeRobot in a hidden folder and renamed when it is complete.

LeRobot closes its parquet files only in `finalize`, so a kill in a longer recording loses every episode of it
(huggingface/lerobot issues 2529 and 3522). A part is finalized, synced and renamed as soon as its episode ends.
"""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from handoff.dataset.columns import DatasetLayout
from handoff.dataset.durable import publish, write_json
from handoff.dataset.frames import Row
from robots.errors import UsageError

REPO_ID = "local/baton"
NOTES = "meta/baton.json"  # our own table of episodes; LeRobot ignores it
STAGE_PREFIX = ".stage-"


def prepare_lerobot() -> None:
    """Import LeRobot, offline and quiet. Takes seconds: call it before the loop runs.

    Raises:
        UsageError: LeRobot cannot be imported.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("SVT_LOG", "1")
    try:
        import datasets
        import lerobot.datasets.lerobot_dataset  # noqa: F401
    except ImportError as error:
        raise UsageError(f"Recording a dataset needs lerobot with its dataset extra: {error}.") from error
    datasets.disable_progress_bars()
    logging.getLogger("libav").setLevel(logging.ERROR)


class PartWriter:
    """Writes one episode below `folder`; nothing is visible under its name before `save` returns.

    Args:
        folder: Where parts go; created if needed.
        name: Name of the episode, unique in the folder; an older part of that name is replaced.
        layout: The columns.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path, name: str, layout: DatasetLayout) -> None:
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob(f"{STAGE_PREFIX}{name}-{'[0-9a-f]' * 8}"):
            shutil.rmtree(stale, ignore_errors=True)  # an earlier attempt that was killed
        self._target = folder / name
        self._stage = folder / f"{STAGE_PREFIX}{name}-{uuid.uuid4().hex[:8]}"
        # Frames are kept as PNG until the episode ends: LeRobot's streaming encoder drops frames when it falls behind,
        # and the video would no longer fit the rows.
        self._dataset: Any = LeRobotDataset.create(
            REPO_ID,
            fps=layout.fps,
            features=layout.features(),
            root=self._stage,
            robot_type=layout.robot,
            use_videos=layout.video,
            video_backend="pyav",
            metadata_buffer_size=1,
            encoder_threads=1,
        )
        self.frames = 0

    def add(self, row: Row, instruction: str) -> None:
        """Append one row.

        Raises:
            OSError: The disk is full or fails.
        """
        self._dataset.add_frame({**row, "task": instruction})
        self.frames += 1

    def save(self, notes: dict[str, Any]) -> Path:
        """Encode, close, sync and rename; returns the part's folder.

        Args:
            notes: What is said about the episode beside the columns, for `meta/baton.json`.

        Raises:
            OSError: The disk is full or fails; nothing is left under the part's name.
        """
        self._dataset.save_episode(parallel_encoding=False)
        self._dataset.finalize()
        shutil.rmtree(self._stage / "images", ignore_errors=True)
        write_json(self._stage / NOTES, {"episodes": [{"name": self._target.name, "length": self.frames, **notes}]})
        if self._target.exists():
            shutil.rmtree(self._target)
        publish(self._stage, self._target)
        return self._target

    def discard(self) -> None:
        """Remove everything that was written."""
        shutil.rmtree(self._stage, ignore_errors=True)
