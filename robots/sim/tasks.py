"""The simulated tasks, by name, and the scene that each of them takes place in."""

from __future__ import annotations

from robots.errors import UsageError
from robots.types import Task

_DEFINITIONS = (
    ("bookcase", Task("bookshelf_pineapple", "pineapple", "Pick up the pineapple from the bookshelf.")),
    ("bookcase", Task("bookshelf_duck", "duck", "Pick up the rubber duck from the bookshelf.")),
    ("koch", Task("koch_lift", "cube", "Lift the red cube from the table.")),
)

TASKS: dict[str, Task] = {task.name: task for _, task in _DEFINITIONS}
_SCENES: dict[str, str] = {task.name: scene for scene, task in _DEFINITIONS}


def find_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        UsageError: There is none; the message lists the valid names.
    """
    if name not in TASKS:
        raise UsageError.unknown("task", name, TASKS)
    return TASKS[name]


def scene_of(name: str) -> str:
    """Return the name of the scene that a task takes place in.

    Raises:
        UsageError: There is no such task.
    """
    return _SCENES[find_task(name).name]
