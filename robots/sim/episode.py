"""`EpisodeSpec`: everything that defines one simulated episode, so that it can be saved, sent and replayed exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from robots.errors import BatonError, SpecError
from robots.region import SearchRegion
from robots.types import Task

VERSION = 1
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """One placed object.

    Attributes:
        kind: Object class.
        name: Body in the scene, `kind_index`.
        position_m: Base point in the world frame.
        yaw_rad: Rotation about the vertical.
        scale: Uniform scale.
        tint_rgb: Colour of the tinted parts, in [0, 1].
    """

    kind: str
    name: str
    position_m: Triple
    yaw_rad: float
    scale: float
    tint_rgb: Triple


@dataclass(frozen=True, slots=True)
class LightSpec:
    """Light without shadows. The three intensities are summed and clip at one, so their sum must stay below it.

    Attributes:
        ambient: RGB.
        headlight: RGB of the light at the camera.
        lamp: RGB of the directional lamp.
        direction: Direction that the lamp shines in.
    """

    ambient: Triple
    headlight: Triple
    lamp: Triple
    direction: Triple

    def __post_init__(self) -> None:
        if max(sum(channel) for channel in zip(self.ambient, self.headlight, self.lamp, strict=True)) >= 1.0:
            raise SpecError("light: ambient, headlight and lamp must sum to less than 1 in every channel.")


@dataclass(frozen=True, slots=True)
class EpisodeSpec:
    """One episode, complete: replaying it gives the same bytes.

    Attributes:
        task: What is to be done.
        seed: The seed that it was sampled from.
        target_present: Whether the target is in the scene.
        objects: Every placed object; the target, where present, first.
        wood_texture: Index into the bank of woods.
        wall_texture: Index into the bank of walls.
        floor_texture: Index into the bank of floors.
        light: Light.
        home_rad: (7,) joint positions at the start.
        region: The bookcase.
    """

    task: Task
    seed: int
    target_present: bool
    objects: tuple[ObjectSpec, ...]
    wood_texture: int
    wall_texture: int
    floor_texture: int
    light: LightSpec
    home_rad: tuple[float, ...]
    region: SearchRegion

    @property
    def target_name(self) -> str | None:
        """Body name of the target, or None when it is absent."""
        return next((item.name for item in self.objects if item.kind == self.task.target), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with a version."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EpisodeSpec:
        """Rebuild a specification from `to_dict`'s values, also after JSON turned tuples into lists.

        Raises:
            SpecError: A field is missing, unknown, of the wrong kind, or not finite; the message names it.
        """
        given = dict(_mapping(values, "episode"))
        if given.pop("version", None) != VERSION:
            raise SpecError(f"episode: expected version {VERSION}, got {values.get('version')!r}.")
        _check_keys(given, cls, "episode")
        objects = given["objects"]
        if not isinstance(objects, list | tuple):
            raise SpecError("episode.objects: expected a list.")
        spec = cls(
            task=_build(Task, given["task"], "task"),
            seed=_integer(given["seed"], "seed"),
            target_present=_boolean(given["target_present"], "target_present"),
            objects=tuple(_build(ObjectSpec, item, f"objects[{index}]") for index, item in enumerate(objects)),
            wood_texture=_texture(given["wood_texture"], "wood_texture"),
            wall_texture=_texture(given["wall_texture"], "wall_texture"),
            floor_texture=_texture(given["floor_texture"], "floor_texture"),
            light=_build(LightSpec, given["light"], "light"),
            home_rad=_numbers(given["home_rad"], "home_rad", 7),
            region=_build(SearchRegion, given["region"], "region"),
        )
        _check_objects(spec)
        return spec


_LENGTHS = dict.fromkeys(("position_m", "tint_rgb", "ambient", "headlight", "lamp", "direction"), 3)


def _build[T](kind: type[T], values: object, where: str) -> T:
    """Build a flat dataclass of texts, numbers and tuples of numbers from a mapping."""
    given = _mapping(values, where)
    _check_keys(given, kind, where)
    converted = {name: _value(name, value, f"{where}.{name}") for name, value in given.items()}
    try:
        return kind(**converted)
    except SpecError:
        raise
    except BatonError as error:
        raise SpecError(f"episode.{where}: {error}") from error


def _value(name: str, value: object, where: str) -> object:
    if name in ("kind", "name", "target", "instruction"):
        if not isinstance(value, str):
            raise SpecError(f"episode.{where}: expected text, got {value!r}.")
        return value
    if name in _LENGTHS or name == "shelf_z_m":
        return _numbers(value, where, _LENGTHS.get(name))
    return _number(value, where)


def _check_objects(spec: EpisodeSpec) -> None:
    from robots.sim.objects import CLASSES

    names = [item.name for item in spec.objects]
    if len(set(names)) != len(names):
        raise SpecError("episode.objects: names must be unique.")
    for item in spec.objects:
        valid = CLASSES.get(item.kind)
        if valid is None or item.name not in {f"{item.kind}_{index}" for index in range(valid.copies)}:
            raise SpecError(f"episode.objects: the scene has no object {item.name!r} of class {item.kind!r}.")
        if not 0.5 <= item.scale <= 2.0:
            raise SpecError(f"episode.objects: scale of {item.name} must lie in [0.5, 2], got {item.scale}.")
    if spec.target_present != (spec.target_name is not None):
        raise SpecError("episode.target_present does not agree with the objects.")


def _mapping(values: object, where: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise SpecError(f"episode.{where}: expected a mapping, got {type(values).__name__}.")
    return values


def _check_keys(values: Mapping[str, Any], kind: type, where: str) -> None:
    expected = {field.name for field in fields(kind)}
    if wrong := sorted(expected.symmetric_difference(values)):
        raise SpecError(f"episode.{where}: missing or unknown fields: {', '.join(map(str, wrong))}.")


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SpecError(f"episode.{where}: expected a finite number, got {value!r}.")
    return float(value)


def _numbers(values: object, where: str, length: int | None) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or (length is not None and len(values) != length):
        raise SpecError(f"episode.{where}: expected {length or 'a list of'} numbers, got {values!r}.")
    return tuple(_number(value, where) for value in values)


def _integer(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(f"episode.{where}: expected an integer, got {value!r}.")
    return value


def _texture(value: object, where: str) -> int:
    if not 0 <= _integer(value, where) < 4:
        raise SpecError(f"episode.{where}: expected 0 to 3, got {value!r}.")
    return _integer(value, where)


def _boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"episode.{where}: expected true or false, got {value!r}.")
    return value
