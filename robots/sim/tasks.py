"""The simulated tasks, by name, and the scene that each of them takes place in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from robots.errors import UsageError
from robots.sim.furniture import PartKind
from robots.sim.objects import classes_of
from robots.types import Task

Span = tuple[float, float]

TABLE = "koch"  # the scene without shelves


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a task takes place, and what its layouts have in common.

    Attributes:
        task: The task with its usual target.
        scene: Name of the furniture, see `robots.sim.furniture`.
        place: How instructions call the furniture: `bookshelf`.
        verb: How instructions call what is to be done.
        openings: How far doors and drawers stand open, [rad] and [m]; screens use their whole range.
        shut_share: Share of doors and drawers that are wholly shut.
        base: Share of targets in each compartment before any cue; None for shares in proportion to the width.
        clutter: Fewest and most objects besides the target.
    """

    task: Task
    scene: str
    place: str
    verb: str = "Pick up"
    openings: Mapping[PartKind, Span] = field(default_factory=dict)
    shut_share: float = 0.0
    base: Mapping[str, float] | None = None
    clutter: tuple[int, int] = (10, 16)


_OPEN = {PartKind.DOOR: (1.9, 2.6), PartKind.DRAWER: (0.14, 0.20)}
_AJAR = {PartKind.DOOR: (0.08, 0.35), PartKind.DRAWER: (0.015, 0.05)}
_SHELVES = ("shelf0_center", "shelf0_left", "shelf1_center", "shelf2_right", "shelf2_center", "shelf2_left")
_HIDDEN = ("drawer", "cabinet_right", "cabinet_left")


def _shares(**groups: tuple[tuple[str, ...], float]) -> dict[str, float]:
    """Spread each group's share evenly over its compartments."""
    return {name: share / len(names) for names, share in groups.values() for name in names}


def _setting(name: str, target: str, scene: str, place: str, instruction: str, **rest: object) -> Setting:
    return Setting(Task(name, target, instruction), scene, place, **rest)  # type: ignore[arg-type]


_PINEAPPLE = "Pick up the pineapple from the"
SETTINGS: dict[str, Setting] = {
    setting.task.name: setting
    for setting in (
        _setting("bookshelf_pineapple", "pineapple", "bookcase", "bookshelf", f"{_PINEAPPLE} bookshelf."),
        _setting("bookshelf_duck", "duck", "bookcase", "bookshelf", "Pick up the rubber duck from the bookshelf."),
        _setting(
            "shelf_cabinet", "pineapple", "cabinet", "cabinet", f"{_PINEAPPLE} cabinet.",
            openings=_OPEN, base=_shares(shelves=(_SHELVES, 0.5), hidden=(_HIDDEN, 0.5)), clutter=(10, 18),
        ),
        _setting(
            "complex", "pineapple", "complex", "cabinet", f"{_PINEAPPLE} cabinet.",
            openings=_OPEN, clutter=(10, 18),
            base=_shares(screened=(_SHELVES[:1], 0.35), shelves=(_SHELVES[1:], 0.3), hidden=(_HIDDEN, 0.35)),
        ),
        _setting(
            "closed_cabinet", "pineapple", "cabinet", "cabinet", f"{_PINEAPPLE} cabinet.",
            openings=_AJAR, shut_share=0.5, base=_shares(shelves=(_SHELVES, 0.15), hidden=(_HIDDEN, 0.85)),
            clutter=(8, 14),
        ),
        _setting("koch_lift", "cube", "koch", "table", "Lift the red cube from the table.", verb="Lift"),
    )
}  # fmt: skip
TASKS: dict[str, Task] = {name: setting.task for name, setting in SETTINGS.items()}


def find_setting(name: str) -> Setting:
    """Return a task's setting.

    Raises:
        UsageError: There is no such task; the message lists the valid names.
    """
    if name not in SETTINGS:
        raise UsageError.unknown("task", name, SETTINGS)
    return SETTINGS[name]


def find_task(name: str, target: str | None = None) -> Task:
    """Return the task of that name, for its usual target or another named object.

    Raises:
        UsageError: There is no such task, or no such graspable object in its scene; the message lists the valid names.
    """
    setting = find_setting(name)
    if target is None or target == setting.task.target:
        return setting.task
    valid = targets_of(name)
    if target not in valid:
        raise UsageError.unknown("target", target, valid, where=f"task {name}")
    word = classes_of(setting.scene)[target].word
    return Task(name, target, f"{setting.verb} the {word} from the {setting.place}.")


def targets_of(name: str) -> tuple[str, ...]:
    """Return the classes that can be a task's target."""
    setting = find_setting(name)
    others = (kind.name for kind in classes_of(setting.scene).values() if kind.graspable)
    return tuple(dict.fromkeys((setting.task.target, *others)))


def scene_of(name: str) -> str:
    """Return the name of the scene that a task takes place in.

    Raises:
        UsageError: There is no such task.
    """
    return find_setting(name).scene


def searched_scene(name: str) -> str:
    """Return the scene of a task whose furniture can be searched.

    Raises:
        UsageError: There is no such task, or its scene has no shelves to search.
    """
    if (scene := scene_of(name)) == TABLE:
        raise UsageError(
            f"{name} has no shelves to search: use it through Gymnasium or LeRobot, with its scripted expert."
        )
    return scene
