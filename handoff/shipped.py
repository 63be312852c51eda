"""Which of the shipped search policies knows a task; found in what their folders say of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robots.errors import UsageError

SHIPPED_POLICIES = Path(__file__).resolve().parents[1] / "search_policy" / "weights"
SHIPPED_POLICY = SHIPPED_POLICIES / "bookshelf"
CONFIG = "config.json"


def shipped_policy(task: str, target: str = "") -> Path:
    """Return the folder of the shipped policy for a task and, where it is not the usual one, a named object.

    Args:
        task: Registered task name.
        target: Object to look for; empty for the task's usual one.

    Raises:
        UsageError: None of them was trained for that.
    """
    known = dict(_trainings())
    for folder, training in known.items():
        targets = training.get("targets") or []
        if task in training.get("tasks", ()) and (target in targets if target else not targets):
            return folder
    tasks = sorted({task for training in known.values() for task in training.get("tasks", ())})
    wanted = f"{task} with the target {target}" if target else task
    raise UsageError(
        f"No shipped search policy knows {wanted}; they know {', '.join(tasks)}. Use another method "
        "(coverage and sweep search any furniture), or name a policy with --policy."
    )


def _trainings() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(SHIPPED_POLICIES.glob(f"*/{CONFIG}")):
        yield path.parent, json.loads(path.read_text()).get("training", {})
