"""Reading the YAML files that describe robots and policies, given by path or by the bare name of a shipped one."""

from __future__ import annotations

from pathlib import Path

import yaml

from robots.errors import UsageError


def find_shipped(path: Path, folder: Path, kind: str) -> Path:
    """Return `path`, or the shipped file that a bare name stands for.

    Args:
        path: A path, or a name without folder and suffix.
        folder: Where the shipped files lie.
        kind: What the file describes, for the message: `robot profile`.

    Raises:
        UsageError: No file of that name is shipped; the message lists the names and the nearest one.
    """
    if path.is_file() or path.parent != Path() or path.suffix:
        return path
    shipped = folder / f"{path}.yaml"
    if not shipped.is_file():
        raise UsageError.unknown(kind, str(path), [file.stem for file in folder.glob("*.yaml")])
    return shipped


def load_yaml(path: Path, kind: str) -> object:
    """Return what a YAML file holds.

    Raises:
        UsageError: It cannot be read, or is no YAML.
    """
    try:
        values: object = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise UsageError(f"Cannot read the {kind} {path}: {error.strerror}.") from error
    return values
