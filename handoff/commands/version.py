"""`baton version`: the versions that shape results."""

from __future__ import annotations

from collections.abc import Sequence

from handoff import console, environment
from robots.errors import UsageError


def help_lines(_command: str) -> list[str]:
    """No options."""
    return ["  (none)"]


def run(_command: str, arguments: Sequence[str]) -> int:
    """Print one `name version` line each."""
    if arguments:
        raise UsageError(f"`baton version` takes no options, got {arguments[0]!r}.")
    for name, version in environment.versions().items():
        console.line(f"{name} {version}")
    return 0
