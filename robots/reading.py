"""Strict reading of frozen dataclasses from plain mappings, such as YAML and JSON give: nothing is guessed.

A mapping must hold exactly the fields of its dataclass; a field with a default may be left out. Numbers must be finite.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from robots.errors import BatonError, SpecError


def read[T](kind: type[T], value: object, where: str) -> T:
    """Return `value` as an instance of `kind`: text, number, flag, StrEnum, tuple, mapping, or a dataclass of these.

    Args:
        kind: The wanted type, as an annotation states it. `X | None` is allowed; `Any` is passed on unread.
        value: What a file held.
        where: Path of the value, for messages: `episode.objects[3].scale`.

    Raises:
        SpecError: The value does not fit; the message names the place and what was expected.
    """
    return typing.cast(T, _read(kind, value, where))


def _read(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401 - any annotation, any value
    if kind is Any:
        return value
    if isinstance(kind, types.UnionType):
        return _optional(kind, value, where)
    if dataclasses.is_dataclass(kind):
        return _record(typing.cast("type[Any]", kind), value, where)
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _tuple(typing.get_args(kind), value, where)
    if origin in (Mapping, dict):
        key, item = typing.get_args(kind)
        return {
            _read(key, k, f"{where} (key)"): _read(item, v, f"{where}.{k}") for k, v in _mapping(value, where).items()
        }
    return _scalar(kind, value, where)


def _optional(kind: types.UnionType, value: object, where: str) -> Any:  # noqa: ANN401
    if value is None:
        return None
    (inner,) = (part for part in typing.get_args(kind) if part is not type(None))
    return _read(inner, value, where)


def _record(kind: type[Any], value: object, where: str) -> Any:  # noqa: ANN401
    given = _mapping(value, where)
    names = {field.name: field for field in dataclasses.fields(kind)}
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SpecError(f"{where}: unknown field {name!r}; valid: {', '.join(names)}.{hint}")
    if missing := [name for name, field in names.items() if name not in given and _required(field)]:
        raise SpecError(f"{where}: missing fields: {', '.join(missing)}.")
    hints = typing.get_type_hints(kind)
    converted = {name: _read(hints[name], item, f"{where}.{name}") for name, item in given.items()}
    try:
        return kind(**converted)
    except SpecError:
        raise
    except BatonError as error:
        raise SpecError(f"{where}: {error}") from error


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _tuple(kinds: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise SpecError(f"{where}: expected a list, got {value!r}.")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise SpecError(f"{where}: expected {len(kinds)} values, got {len(value)}.")
    return tuple(
        _read(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _scalar(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if value not in tuple(kind):
            raise SpecError(f"{where}: expected one of {', '.join(kind)}, got {value!r}.")
        return kind(str(value))
    if kind is bool or kind is str:
        if not isinstance(value, kind):
            raise SpecError(f"{where}: expected {'true or false' if kind is bool else 'text'}, got {value!r}.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and not isinstance(value, int)):
        raise SpecError(f"{where}: expected {'an integer' if kind is int else 'a finite number'}, got {value!r}.")
    if not math.isfinite(value):
        raise SpecError(f"{where}: expected a finite number, got {value!r}.")
    return kind(value)


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecError(f"{where}: expected a mapping, got {type(value).__name__}.")
    return value
