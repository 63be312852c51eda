"""A run folder belongs to one configuration: claim it, or say by name what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robots.errors import UsageError
from robots.files import write_atomically

CONFIG = "config.json"


def claim(out: Path, described: Mapping[str, Any]) -> None:
    """Write the run's configuration, or check that the folder is this run's.

    Args:
        out: Run folder; created where missing.
        described: Configuration as plain JSON values.

    Raises:
        UsageError: The folder holds another configuration, or one that cannot be read.
    """
    wanted, path = json.loads(json.dumps(described)), out / CONFIG
    if path.is_file():
        check_same(out, read_config(path), wanted)
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(wanted, indent=2) + "\n").encode())


def check_same(out: Path, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a run folder's configuration is the wanted one.

    Raises:
        UsageError: They differ; the message names the first difference.
    """
    for key, there, here in differences(held, wanted):
        raise UsageError(
            f"{out} holds a run with another configuration: {key} is {there} there, but {here} here; "
            "choose another --out or delete the folder."
        )


def differences(
    held: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object, object]]:
    """Yield (dotted key, held value, wanted value) wherever two configurations differ."""
    for key in dict.fromkeys([*wanted, *held]):
        mine, other = held.get(key, "missing"), wanted.get(key, "missing")
        if isinstance(mine, dict) and isinstance(other, dict):
            yield from differences(mine, other, f"{prefix}{key}.")
        elif mine != other:
            yield f"{prefix}{key}", mine, other


def read_config(path: Path) -> dict[str, Any]:
    """Return a run folder's configuration.

    Raises:
        UsageError: It is damaged.
    """
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read and may be damaged: {error}.") from error
    if not isinstance(held, dict):
        raise UsageError(f"{path} does not hold a run's configuration.")
    return held
