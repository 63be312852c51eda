"""The simulated tasks, by name."""

from __future__ import annotations

from robots.errors import UsageError
from robots.types import Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("bookshelf_pineapple", "pineapple", "Pick up the pineapple from the bookshelf."),
        Task("bookshelf_duck", "duck", "Pick up the rubber duck from the bookshelf."),
    )
}


def find_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        UsageError: There is none; the message lists the valid names.
    """
    if name not in TASKS:
        raise UsageError.unknown("task", name, TASKS)
    return TASKS[name]
