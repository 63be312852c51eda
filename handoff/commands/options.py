"""Command-line options and YAML files into frozen dataclasses: draccus decodes, every mistake becomes one sentence.

draccus reports mistakes in many ways (argparse errors, multi-line decoding errors, file and YAML errors), and takes
values as YAML, so that `--task on` would become `True`. Names and YAML keys are checked here first, texts are quoted.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from robots.errors import UsageError
from robots.finite import check_finite

CONFIG_OPTION = "config_path"
ALIASES = {"config": CONFIG_OPTION}
MOST_LISTED = 25


def parse_options[T](options: type[T], arguments: Sequence[str]) -> T:
    """Return `options` filled from `arguments`, on top of the YAML file that `--config_path` names, if any.

    Raises:
        UsageError: An option, key or value is not valid; one sentence with the valid choices.
    """
    import draccus
    from draccus.utils import DraccusException

    given = split_options(arguments, option_kinds(options))
    if CONFIG_OPTION in given:
        load_yaml(options, Path(given[CONFIG_OPTION]))
    tokens = [token for name, value in given.items() for token in (f"--{name}", value)]
    try:
        parsed = draccus.parse(options, args=tokens, exit_on_error=False)
    except (DraccusException, argparse.ArgumentError, OSError, yaml.YAMLError) as error:
        raise UsageError(_one_line(error)) from error
    check_finite(parsed)
    return parsed


def load_yaml(options: type[Any], path: Path) -> dict[str, Any]:
    """Read a YAML file and check that its keys are fields of `options`.

    Raises:
        UsageError: The file is missing, not YAML, or names an unknown key.
    """
    values = read_yaml(path)
    _check_keys(options, values, path, prefix="")
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of `key: value` lines.

    Raises:
        UsageError: The file is missing, or not such a file.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"Cannot read the configuration {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path} must hold `key: value` lines.")
    return values


def option_lines(options: type[Any], prefix: str = "") -> list[str]:
    """Return one help line per option: name, the comment above the field, choices, default; `--config_path` last.

    A field's choices are the names in its metadata's entry `choices`, where it has one.
    """
    import draccus.wrappers.docstring as docstring

    rows = []
    for name, (kind, owner, field) in _described(options, prefix):
        comment = docstring.get_attribute_docstring(owner, field.name).comment_above
        told = f"{comment}{_choices(field)}{_default(field)}"
        rows.append((f"--{name}" + ("" if kind is bool else f" {_metavar(kind)}"), told))
    rows.append((f"--{CONFIG_OPTION} FILE", "YAML file with any of these; options given beside it win"))
    width = max(len(left) for left, _ in rows)
    return [f"  {left.ljust(width)}  {right}" for left, right in rows]


def option_kinds(options: type[Any], prefix: str = "") -> dict[str, Any]:
    """Return the type of every option of a configuration class, nested ones with dots, by name."""
    return {f"{prefix}{name}": kind for name, (kind, _, _) in _described(options)}


def split_options(arguments: Sequence[str], known: Mapping[str, Any]) -> dict[str, str]:
    """Return the given options' values as YAML text, by name.

    Raises:
        UsageError: A word is no option, an option is not in `known`, or it has no value.
    """
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        token = rest.pop(0)
        if not token.startswith("--"):
            raise UsageError(f"Unexpected argument {token!r}: every option is written --name value.")
        name, equals, value = token[2:].partition("=")
        name = ALIASES.get(name, name.replace("-", "_"))
        if name != CONFIG_OPTION and name not in known:
            raise _unknown_option(name, [*known, CONFIG_OPTION])
        if not equals:
            value = _next_value(name, rest, flag=known.get(name) is bool)
        given[name] = value if name == CONFIG_OPTION else _as_yaml(known[name], value)
    return given


def _next_value(name: str, rest: list[str], *, flag: bool) -> str:
    """Take the option's value from the rest of the arguments; a flag may go without one."""
    if rest and not rest[0].startswith("--"):
        return rest.pop(0)
    if flag:
        return "true"
    raise UsageError(f"Option --{name} needs a value.")


def _unknown_option(name: str, known: Sequence[str]) -> UsageError:
    if len(known) <= MOST_LISTED:
        return UsageError.unknown("option", f"--{name}", [f"--{choice}" for choice in known])
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(f'--{choice}' for choice in near)}?" if near else ""
    return UsageError(f"Unknown option '--{name}'.{hint} --help lists all {len(known)} options.")


def _as_yaml(kind: object, value: str) -> str:
    if kind is str:
        return json.dumps(value, ensure_ascii=False)
    if typing.get_origin(kind) is tuple:
        return json.dumps([part.strip() for part in value.split(",") if part.strip()], ensure_ascii=False)
    return value


def _described(
    options: type[Any], prefix: str = ""
) -> Iterator[tuple[str, tuple[Any, type[Any], dataclasses.Field[Any]]]]:
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        kind = _without_none(hints[field.name])
        if dataclasses.is_dataclass(kind):
            yield from _described(typing.cast("type[Any]", kind), f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", (kind, options, field)


def _without_none(kind: Any) -> Any:  # noqa: ANN401
    if isinstance(kind, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def _check_keys(options: type[Any], values: Mapping[str, Any], path: Path, prefix: str) -> None:
    hints = typing.get_type_hints(options)
    names = [field.name for field in dataclasses.fields(options)]
    for key, value in values.items():
        if key not in names:
            raise UsageError.unknown("key", f"{prefix}{key}", [prefix + name for name in names], where=str(path))
        kind = _without_none(hints[key])
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            _check_keys(typing.cast("type[Any]", kind), value, path, f"{prefix}{key}.")
        else:
            _check_kind(kind, value, f"{prefix}{key} in {path}")


def _check_kind(kind: object, value: object, where: str) -> None:
    if dataclasses.is_dataclass(kind):
        raise UsageError(f"{where} must hold `key: value` lines, not {value!r}.")
    if typing.get_origin(kind) is tuple and not isinstance(value, list):
        raise UsageError(f"{where} must be a list, for instance [{value}].")
    if kind is str and not isinstance(value, str):
        raise UsageError(f"{where} must be text; write it in quotes: '{value}'.")


def _metavar(kind: object) -> str:
    names = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
    return names.get(kind, "A,B,...") if isinstance(kind, type) else "A,B,..."


def _choices(field: dataclasses.Field[Any]) -> str:
    names = ", ".join(field.metadata.get("choices", ()))
    return f": {names}" if names else ""


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING or value is None or value is False or value == "":
        return ""
    return f" [{','.join(map(str, value)) if isinstance(value, tuple) else value}]"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).replace("`", "").split())
    return text if text.endswith(".") else f"{text}."
