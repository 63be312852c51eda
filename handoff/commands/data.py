"""`baton data verify|repair|info DIR`: check, repair and describe a recorded dataset."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import console
from robots.errors import UsageError

if TYPE_CHECKING:
    from handoff.dataset.verify import Finding

ACTIONS = {
    "verify": "check every file; exit code 1 when anything is wrong",
    "repair": "write a dataset of every whole episode, then put it in the place of the damaged one",
    "info": "columns, episodes and sizes",
}
OK, FAILED = 0, 1
MOST_FINDINGS = 20


def help_lines(_command: str) -> list[str]:
    """The actions and the option."""
    width = max(map(len, ACTIONS))
    rows = [f"  {name.ljust(width)} DIR  {text}" for name, text in ACTIONS.items()]
    return [*rows, f"  {'--json'.ljust(width + 4)}  print one JSON object instead of a table"]


def run(_command: str, arguments: Sequence[str]) -> int:
    """Run one action.

    Raises:
        UsageError: The action or an option does not exist, or the folder is missing.
    """
    words = [word for word in arguments if not word.startswith("-")]
    options = [word for word in arguments if word.startswith("-")]
    odd = [word for word in options if word != "--json"]
    if odd:
        raise UsageError.unknown("option", odd[0], ["--json"])
    if not words or words[0] not in ACTIONS:
        raise UsageError.unknown("data action", words[0] if words else "", ACTIONS)
    if len(words) != 2:
        raise UsageError(f"baton data {words[0]} needs exactly one folder.")
    action = {"verify": _verify, "repair": _repair, "info": _info}[words[0]]
    return action(Path(words[1]), as_json=bool(options))


def _verify(root: Path, *, as_json: bool) -> int:
    from handoff.dataset.folder import DatasetFolder
    from handoff.dataset.verify import verify

    folder = DatasetFolder(root)
    waiting = [path.name for path in folder.parts()]
    unfinished = [path.name for path in folder.unfinished()]
    found = verify(folder.root) if folder.root.is_dir() or not folder.exists() else None
    findings = found.findings if found else []
    clean = bool(found) and not findings and not waiting and not unfinished
    if as_json:
        values = {
            "ok": clean,
            "episodes": len(found.rows) if found else 0,
            "whole": found.whole if found else [],
            "findings": [
                {"check": item.check, "where": item.where, "problem": item.problem, "episode": item.episode}
                for item in findings
            ],
            "journal": waiting,
            "unfinished": unfinished,
        }
        console.line(json.dumps(values))
        return OK if clean else FAILED
    if found:
        _say_checks(findings)
    _say_verdict(root, len(found.whole) if found else 0, waiting, unfinished, clean=clean)
    return OK if clean else FAILED


def _say_checks(findings: Sequence[Finding]) -> None:
    from handoff.dataset.verify import CHECKS

    counts = Counter(item.check for item in findings)
    for name, text in CHECKS.items():
        result = f"{counts[name]} wrong" if counts[name] else "ok"
        console.line(f"{name.ljust(9)} {result.ljust(9)} {text}")
    for item in findings[:MOST_FINDINGS]:
        console.line(f"  {item.where}: {item.problem}")
    if len(findings) > MOST_FINDINGS:
        console.line(f"  and {len(findings) - MOST_FINDINGS} more; --json lists all")


def _say_verdict(root: Path, whole: int, waiting: list[str], unfinished: list[str], *, clean: bool) -> None:
    if waiting:
        console.line(f"{len(waiting)} finished episodes wait in {root}.journal")
    if unfinished:
        console.line(f"{len(unfinished)} episodes were cut short and cannot be used")
    remedy = "" if clean else f"; to keep what is whole: baton data repair {root}"
    console.line(f"{whole} whole episodes in {root}{remedy}")


def _repair(root: Path, *, as_json: bool) -> int:
    from handoff.dataset.folder import DatasetFolder

    kept = DatasetFolder(root).repair()
    if as_json:
        lost = [{"name": loss.name, "reason": loss.reason} for loss in kept.lost]
        console.line(json.dumps({"episodes": kept.episodes, "added": kept.added, "lost": lost}))
    else:
        for loss in kept.lost:
            console.line(f"lost {loss.name}: {loss.reason}")
        console.line(
            f"{kept.episodes} episodes in {root}, {kept.added} of them from the journal, {len(kept.lost)} lost"
        )
    return OK if kept.episodes else FAILED


def _info(root: Path, *, as_json: bool) -> int:
    from handoff.dataset.verify import verify

    found = verify(root)
    if found.info is None:
        raise UsageError(f"{root} is no dataset: {found.findings[0].where}: {found.findings[0].problem}.")
    values = _description(root, found.info, found)
    if as_json:
        console.line(json.dumps(values))
        return OK
    for name in ("robot", "fps", "episodes", "frames", "tasks", "size_mb", "successes"):
        console.line(f"{name.ljust(9)} {values[name]}")
    rows = [(name, item["dtype"], "x".join(map(str, item["shape"]))) for name, item in values["columns"].items()]
    console.line()
    for text in console.table(("column", "type", "shape"), rows):
        console.line(text)
    return OK


def _description(root: Path, info: dict[str, Any], found: Any) -> dict[str, Any]:  # noqa: ANN401
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    return {
        "robot": info.get("robot_type"),
        "fps": info["fps"],
        "episodes": len(found.rows),
        "frames": sum(rows.length for rows in found.rows.values()),
        "tasks": sorted({task for rows in found.rows.values() for task in rows.tasks}),
        "size_mb": round(size / 1e6, 2),
        "successes": sum(bool(note.get("success")) for note in found.notes.values()),
        "columns": {name: {"dtype": item["dtype"], "shape": item["shape"]} for name, item in info["features"].items()},
    }
