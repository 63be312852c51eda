"""A recording session: any command that drives episodes uses this to write them to one dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from handoff.dataset.columns import DatasetLayout
from handoff.dataset.folder import DatasetFolder, Kept
from handoff.dataset.frames import Sources
from handoff.dataset.recorder import DatasetRecorder, controller_success
from handoff.outcome import Outcome

JOURNALED = "episode-"


class Recording:
    """Writes episodes to the dataset in `root`, new or old; leaving the `with` block merges them into it.

    ```python
    with Recording(Path("data/picks"), DatasetLayout.of_robot(robot.description)) as recording:
        recorder = recording.episode()
        run_episode(robot, skills, detector, trigger, recorder, config, task=task, clock=clock)
        recorder.raise_failure()
    ```
    Each episode is durable when its recorder's `end` returns; after a kill `baton data repair` or the next session
    takes it over.

    Args:
        root: The dataset.
        layout: The columns; must be the dataset's if there is one.
        sources: What is not in a `Step`.
        wait: Slow the loop instead of dropping rows; only for simulated time.
    """

    def __init__(
        self, root: Path, layout: DatasetLayout, sources: Sources | None = None, *, wait: bool = False
    ) -> None:
        self.folder = DatasetFolder(root)
        self.kept: Kept | None = None
        self._layout, self._sources, self._wait = layout, sources, wait

    def episode(
        self,
        name: str = "",
        *,
        success: Callable[[Outcome], bool] = controller_success,
        notes: dict[str, Any] | None = None,
    ) -> DatasetRecorder:
        """Return the recorder of the next episode.

        Args:
            name: Its name, new in this dataset; numbered when empty.
            success: Judges it at its end.
            notes: Facts for `meta/baton.json`.
        """
        return DatasetRecorder(
            self.folder.journal,
            name or self.folder.next_name(JOURNALED),
            self._layout,
            self._sources,
            wait=self._wait,
            success=success,
            notes=notes,
        )

    def __enter__(self) -> Self:
        """Finish what a killed session left behind.

        Raises:
            OSError: The folder cannot be written.
        """
        self.folder.root.parent.mkdir(parents=True, exist_ok=True)
        self.folder.recover()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Merge the recorded episodes; `kept` says what became of them.

        Raises:
            OSError: The disk is full or fails; the episodes stay in the journal.
        """
        if self.folder.parts():
            self.kept = self.folder.merge()
