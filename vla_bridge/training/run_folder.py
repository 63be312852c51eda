"""A run folder belongs to one configuration, kept in `config.yaml`, which runs again as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from robots.errors import UsageError
from robots.files import write_atomically
from robots.run_claim import check_same

CONFIG = "config.yaml"


def check_claim(out: Path, described: Mapping[str, Any]) -> bool:
    """Check that a folder is free or this run's, and return whether it is this run's already.

    Args:
        out: Run folder.
        described: All options as plain values.

    Raises:
        UsageError: The folder holds another configuration, or one that cannot be read.
    """
    path = out / CONFIG
    if not path.is_file():
        return False
    check_same(out, _read(path), _plain(described))
    return True


def claim(out: Path, described: Mapping[str, Any]) -> None:
    """Write the run's configuration, unless the folder is this run's already; see `check_claim`."""
    if not check_claim(out, described):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / CONFIG, yaml.safe_dump(_plain(described), sort_keys=False).encode())


def _plain(described: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


def _read(path: Path) -> dict[str, Any]:
    try:
        held = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read and may be damaged.") from error
    if not isinstance(held, dict):
        raise UsageError(f"{path} does not hold a run's configuration.")
    return held
