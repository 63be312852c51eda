"""`EpisodeSpec`: everything that defines one simulated episode, so that it can be saved, sent and replayed exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from robots.errors import BatonError, SpecError
from robots.reading import read
from robots.region import SearchRegion
from robots.sim.appearance import Appearance, Triple
from robots.sim.cues import Cues
from robots.types import Task

VERSION = 2


class Variant(StrEnum):
    """What about a task is made harder."""

    STANDARD = "standard"
    ABSENT = "absent"  # the target is taken out; the rest of the layout stays
    DISTRACTOR = "distractor"  # look-alikes of the target, by colour and by shape, stand among the clutter


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
class PartState:
    """Where a door, drawer or screen stands at the start: an angle [rad] for doors, else a length [m]."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class EpisodeSpec:
    """One episode, complete: replaying it gives the same bytes.

    Attributes:
        task: What is to be done.
        scene: Name of the furniture, see `robots.sim.furniture`.
        variant: What was made harder.
        seed: The seed that it was sampled from.
        target_present: Whether the target is in the scene.
        visible_fraction: Estimated visible share of the target from the best reachable view; 0 when it is absent or
            behind a closed door.
        objects: Every placed object; the target, where present, first.
        parts: Doors, drawers and screens, in the furniture's order.
        appearance: Surfaces, light, camera, sensor, control.
        home_rad: Joint positions at the start, one per joint.
        region: What there is to search.
        cues: What hinted at the target's place when it was drawn; empty for an episode that was not drawn.
    """

    task: Task
    scene: str
    variant: Variant
    seed: int
    target_present: bool
    visible_fraction: float
    objects: tuple[ObjectSpec, ...]
    parts: tuple[PartState, ...]
    appearance: Appearance
    home_rad: tuple[float, ...]
    region: SearchRegion
    cues: Cues = field(default_factory=Cues)

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
            SpecError: The version is another one, or a field is missing, unknown, of the wrong kind, not finite, or
                does not fit the scene; the message names it.
        """
        if not isinstance(values, Mapping):
            raise SpecError(f"episode: expected a mapping, got {type(values).__name__}.")
        version = values.get("version")
        if version != VERSION:
            newer = isinstance(version, int) and version > VERSION
            remedy = "update Baton to read it" if newer else "sample it again"
            raise SpecError(f"episode: expected version {VERSION}, got {version!r}; {remedy}.")
        spec = read(cls, {name: value for name, value in values.items() if name != "version"}, "episode")
        _check(spec)
        return spec


def _check(spec: EpisodeSpec) -> None:
    from robots.sim.furniture import find_furniture

    try:
        furniture = find_furniture(spec.scene)
    except BatonError as error:
        raise SpecError(f"episode.scene: {error}") from error
    _check_objects(spec)
    _check_home(spec)
    if [state.name for state in spec.parts] != [part.name for part in furniture.parts]:
        raise SpecError(f"episode.parts: expected {', '.join(part.name for part in furniture.parts) or 'none'}.")
    for state, part in zip(spec.parts, furniture.parts, strict=True):
        if not part.low <= state.value <= part.high:
            raise SpecError(f"episode.parts: {part.name} must lie in [{part.low}, {part.high}], got {state.value}.")


def _check_home(spec: EpisodeSpec) -> None:
    from robots.sim.arms import arm_of

    arm = arm_of(spec.scene)
    bounds = list(zip(arm.joint_names, arm.limits.lower_rad, arm.limits.upper_rad, strict=True))
    if len(spec.home_rad) != len(bounds):
        raise SpecError(
            f"episode.home_rad: expected {len(bounds)} values for arm {arm.name}, got {len(spec.home_rad)}."
        )
    for value, (name, low, high) in zip(spec.home_rad, bounds, strict=True):
        if not low <= value <= high:
            raise SpecError(f"episode.home_rad: {name} must lie in [{low:g}, {high:g}], got {value:g}.")


def _check_objects(spec: EpisodeSpec) -> None:
    from robots.sim.objects import classes_of

    classes = classes_of(spec.scene)
    names = [item.name for item in spec.objects]
    if len(set(names)) != len(names):
        raise SpecError("episode.objects: names must be unique.")
    for item in spec.objects:
        valid = classes.get(item.kind)
        if valid is None or item.name not in {f"{item.kind}_{index}" for index in range(valid.copies)}:
            raise SpecError(f"episode.objects: the scene has no object {item.name!r} of class {item.kind!r}.")
        if not 0.5 <= item.scale <= 2.0:
            raise SpecError(f"episode.objects: scale of {item.name} must lie in [0.5, 2], got {item.scale}.")
        _check_place(spec, item)
    if spec.target_present != (spec.target_name is not None):
        raise SpecError("episode.target_present does not agree with the objects.")


def _check_place(spec: EpisodeSpec, item: ObjectSpec) -> None:
    """Refuse what stands outside the furniture, where nobody could reach it."""
    x, y, z = item.position_m
    region = spec.region
    front = min(place.front_x_m for place in region.compartments)
    back = max(place.front_x_m + place.depth_m for place in region.compartments)
    inside = front <= x <= back and region.y_min_m <= y <= region.y_max_m
    if not inside or not region.floor_z_m - 0.01 <= z <= region.top_z_m:
        raise SpecError(f"episode.objects: {item.name} at ({x:g}, {y:g}, {z:g}) m stands outside every compartment.")
