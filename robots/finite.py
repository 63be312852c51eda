"""Configurations hold finite numbers only: NaN would pass every comparison that is meant to refuse it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from robots.errors import UsageError


def check_finite(value: Any, name: str = "") -> None:  # noqa: ANN401
    """Check every number in a dataclass, also in what it nests.

    Args:
        value: A dataclass, mapping, list, tuple or plain value.
        name: Its dotted name, for the message.

    Raises:
        UsageError: One is NaN or infinite; the message names it.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name} must be a finite number, not {value}.")
    for key, part in _parts(value).items():
        check_finite(part, f"{name}.{key}".removeprefix("."))


def _parts(value: Any) -> Mapping[Any, Any]:  # noqa: ANN401
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    return value if isinstance(value, Mapping) else {}
