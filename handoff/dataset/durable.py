"""Writing that survives a kill: sync files and folders, write under a temporary name, rename."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def sync_file(path: Path) -> None:
    """Force a file's content, or a folder's list of names, to the disk.

    Raises:
        OSError: It is gone, or the disk fails.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Sync every file and folder below `root`, and `root` itself."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            sync_file(Path(folder) / name)
        sync_file(Path(folder))


def publish(stage: Path, target: Path) -> None:
    """Give a finished folder its name: after this call it is there whole, also after a power cut.

    Raises:
        OSError: `target` exists and is not empty, or the disk fails.
    """
    sync_tree(stage)
    os.replace(stage, target)
    sync_file(target.parent)


def write_json(path: Path, values: Any) -> None:  # noqa: ANN401
    """Write a JSON file whole: under a temporary name, synced, then renamed."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    sync_file(partial)
    os.replace(partial, path)
