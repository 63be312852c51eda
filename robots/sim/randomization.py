"""What varies from episode to episode besides the layout: named groups of ranges, each switchable alone, from YAML.

A range is `[low, high]`, drawn uniformly. A group that a file leaves out is off; one that it names is on unless it says
`enabled: false`. `robots.sim.randomize` draws from these ranges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from robots.errors import UsageError
from robots.reading import read
from robots.sim.ranges import (
    ActionNoise,
    Blur,
    CameraPose,
    ClutterCount,
    DroppedFrames,
    Exposure,
    FieldOfView,
    Jpeg,
    Latency,
    Lights,
    Noise,
    ObjectPoses,
    Scale,
    Textures,
    Tint,
)

PRESETS = Path(__file__).resolve().parents[2] / "configs" / "randomization"


@dataclass(frozen=True, slots=True)
class Randomization:
    """Every group; all off by default."""

    textures: Textures = field(default_factory=partial(Textures, enabled=False))
    tint: Tint = field(default_factory=partial(Tint, enabled=False))
    lights: Lights = field(default_factory=partial(Lights, enabled=False))
    camera_pose: CameraPose = field(default_factory=partial(CameraPose, enabled=False))
    field_of_view: FieldOfView = field(default_factory=partial(FieldOfView, enabled=False))
    exposure: Exposure = field(default_factory=partial(Exposure, enabled=False))
    noise: Noise = field(default_factory=partial(Noise, enabled=False))
    blur: Blur = field(default_factory=partial(Blur, enabled=False))
    jpeg: Jpeg = field(default_factory=partial(Jpeg, enabled=False))
    object_poses: ObjectPoses = field(default_factory=partial(ObjectPoses, enabled=False))
    scale: Scale = field(default_factory=partial(Scale, enabled=False))
    clutter_count: ClutterCount = field(default_factory=partial(ClutterCount, enabled=False))
    latency: Latency = field(default_factory=partial(Latency, enabled=False))
    dropped_frames: DroppedFrames = field(default_factory=partial(DroppedFrames, enabled=False))
    action_noise: ActionNoise = field(default_factory=partial(ActionNoise, enabled=False))


def presets() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_randomization(name_or_path: str | Path) -> Randomization:
    """Return a preset by its name, or what a YAML file says: anything with a folder or a suffix is a file.

    Raises:
        UsageError: There is no such preset or file, or it is not YAML.
        SpecError: A group or range does not exist, or a range is not usable; the message names it.
    """
    import yaml

    given = str(name_or_path)
    is_file = Path(given).suffix in (".yaml", ".yml") or "/" in given
    if not is_file and given not in presets():
        raise UsageError.unknown("randomization", given, presets(), where="--randomization (or a YAML file's path)")
    path = Path(given) if is_file else PRESETS / f"{given}.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the randomization {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    return read(Randomization, {} if values is None else values, given)


def find_randomization(given: Randomization | str) -> Randomization:
    """Return ranges as they are, or load them by name or path; every preset is read once.

    Raises:
        UsageError: As `load_randomization`.
        SpecError: As `load_randomization`.
    """
    if isinstance(given, Randomization):
        return given
    return _preset(given) if given in presets() else load_randomization(given)


@cache
def _preset(name: str) -> Randomization:
    return load_randomization(name)
