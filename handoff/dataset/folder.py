"""A dataset and the journal of episodes that are not merged into it yet. Any moment may be the last one.

```
DIR/            the dataset; complete whenever it is there
DIR.journal/    one folder per finished episode (a dataset of its own); `.stage-*` are unfinished ones
DIR.new/        a merged or repaired dataset, complete, about to become DIR
DIR.old/        what DIR was, until DIR.new has its name
```
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from handoff.dataset.assemble import assemble
from handoff.dataset.durable import publish, sync_file
from handoff.dataset.part import NOTES, STAGE_PREFIX
from handoff.dataset.verify import Verification, verify
from robots.errors import UsageError


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that could not be kept: its name and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a merge or a repair did.

    Attributes:
        episodes: Episodes of the dataset now.
        added: Of these, taken over from the journal.
        lost: What could not be kept.
    """

    episodes: int
    added: int
    lost: tuple[Loss, ...]


class DatasetFolder:
    """Paths and transactions of one dataset; see the module for the layout.

    Only one process may merge or repair; any number may add parts to the journal.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self.journal, self._new, self._old = (
            self.root.with_name(f"{self.root.name}{suffix}") for suffix in (".journal", ".new", ".old")
        )

    def exists(self) -> bool:
        """Whether there is a dataset, a journal, or what a kill left of them."""
        return any(path.is_dir() for path in (self.root, self.journal, self._new, self._old))

    def parts(self) -> list[Path]:
        """Finished episodes in the journal, by name."""
        if not self.journal.is_dir():
            return []
        return sorted(path for path in self.journal.iterdir() if path.is_dir() and not path.name.startswith("."))

    def unfinished(self) -> list[Path]:
        """Episodes whose recording was cut short."""
        return sorted(self.journal.glob(f"{STAGE_PREFIX}*")) if self.journal.is_dir() else []

    def names(self) -> list[str]:
        """Names of all episodes, in the dataset and in the journal; episodes of other makers have none."""
        return [*noted_names(self.root), *(path.name for path in self.parts())]

    def next_name(self, prefix: str) -> str:
        """Return the first free name `<prefix>000000`, counting up."""
        numbers = [name.removeprefix(prefix) for name in self.names() if name.startswith(prefix)]
        return f"{prefix}{max((int(number) for number in numbers if number.isdigit()), default=-1) + 1:06d}"

    def recover(self) -> None:
        """Bring an exchange that a kill interrupted to its end or back to its start.

        Raises:
            OSError: The folder cannot be written.
        """
        if not self.root.is_dir():
            source = self._new if self._new.is_dir() else self._old
            if source.is_dir():
                os.replace(source, self.root)
                sync_file(self.root.parent)
        if self.root.is_dir():
            for leftover in (self._new, self._old):
                shutil.rmtree(leftover, ignore_errors=True)
        for stage in self.root.parent.glob(f".{self.root.name}.stage-*"):
            shutil.rmtree(stage, ignore_errors=True)

    def merge(self, names: Sequence[str] | None = None) -> Kept:
        """Take parts of the journal into the dataset and remove them from the journal.

        Args:
            names: Which, and in which order; all by name when None. A part that is already in the dataset is not
                taken twice, a damaged one stays where it is.

        Raises:
            UsageError: The parts do not have the dataset's columns.
            OSError: The disk is full or fails; the dataset and the journal are as before.
        """
        self.recover()
        there = [verify(self.root)] if self.root.is_dir() else []
        if there and not there[0].ok:
            finding = there[0].findings[0]
            raise UsageError(
                f"{self.root} is damaged ({finding.where}: {finding.problem}); run baton data repair first."
            )
        return self._write(there, names)

    def repair(self) -> Kept:
        """Write a dataset of every episode that is whole, journal included, and put it in the place of the old one.

        The original is renamed only once the new one is complete and on the disk. Without a whole episode nothing
        changes.

        Raises:
            UsageError: There is nothing here that could be repaired.
            OSError: The disk is full or fails; nothing is changed.
        """
        if not self.exists():
            raise UsageError(f"{self.root} holds no dataset.")
        self.recover()
        there = [verify(self.root)] if self.root.is_dir() else []
        lost = [loss for found in there for loss in _losses(found)]
        lost += [Loss(path.name, "its recording was cut short") for path in self.unfinished()]
        kept = self._write(there, None, rewrite=any(not found.ok for found in there))
        for path in self.unfinished():
            shutil.rmtree(path, ignore_errors=True)
        return Kept(kept.episodes, kept.added, (*lost, *kept.lost))

    def _write(self, there: list[Verification], names: Sequence[str] | None, *, rewrite: bool = False) -> Kept:
        before = sum(len(found.whole) for found in there)
        merged = {note.get("name") for found in there for note in found.notes.values()}
        paths = self.parts() if names is None else [self.journal / name for name in names]
        fresh = [verify(path) for path in paths if path.is_dir() and path.name not in merged]
        good = [part for part in fresh if part.ok]
        bad = tuple(Loss(part.root.name, _summary(part)) for part in fresh if not part.ok)
        if good or (rewrite and before):
            self._exchange([*there, *good])
        self._forget([*(part.root for part in good), *(path for path in paths if path.name in merged)])
        return Kept(before + len(good), len(good), bad)

    def _exchange(self, sources: Sequence[Verification]) -> None:
        stage = self.root.with_name(f".{self.root.name}.stage-{uuid.uuid4().hex[:8]}")
        try:
            assemble([(source, source.whole) for source in sources], stage)
            publish(stage, self._new)
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise
        if self.root.is_dir():
            os.replace(self.root, self._old)
        os.replace(self._new, self.root)
        sync_file(self.root.parent)
        shutil.rmtree(self._old, ignore_errors=True)

    def _forget(self, paths: Iterable[Path]) -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
        if self.journal.is_dir() and not any(self.journal.iterdir()):
            self.journal.rmdir()


def noted_names(root: Path) -> list[str]:
    """Names of a dataset's episodes, from `meta/baton.json`; empty where there is none."""
    try:
        return [str(note.get("name", "")) for note in json.loads((root / NOTES).read_text())["episodes"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _losses(found: Verification) -> list[Loss]:
    whole = set(found.whole)
    broken = sorted({item.episode for item in found.findings if item.episode is not None} - whole)
    return [
        Loss(f"episode {index}", next(item.problem for item in found.findings if item.episode == index))
        for index in broken
    ]


def _summary(found: Verification) -> str:
    return f"{found.findings[0].where}: {found.findings[0].problem}"
