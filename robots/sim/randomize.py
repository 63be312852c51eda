"""Draws an episode's appearance and object-level changes from the ranges of a `Randomization`.

Every group, and within a group every object, draws from its own child stream. So switching a group on, or changing its
ranges, changes nothing that another group draws, and one layout can be seen under every preset.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from robots.sim.appearance import (
    Appearance,
    CameraSpec,
    ControlSpec,
    LightSpec,
    SensorSpec,
    SurfaceSpec,
    Triple,
)
from robots.sim.episode import EpisodeSpec
from robots.sim.randomization import Randomization
from robots.sim.ranges import IntRange, Lights, Range
from robots.sim.rearrange import moved, recounted, rescaled
from robots.types import Float

WARM_LOSS = (0.0, 0.4, 1.0)  # share of red, green and blue that full warmth takes away


def appearance_rng(task: str, seed: int) -> np.random.Generator:
    """Return the generator of an episode's randomisation, apart from the layout's."""
    return np.random.default_rng([seed, zlib.crc32(task.encode()), zlib.crc32(b"appearance")])


def randomize(spec: EpisodeSpec, randomization: Randomization, rng: np.random.Generator) -> EpisodeSpec:
    """Return a sampled layout with an appearance and, where switched on, other sizes, places and numbers of objects.

    Call it before a variant takes objects out, so that an episode and its twin without the target look alike.

    Args:
        spec: A layout whose objects have scale 1 and a colour of their class; its appearance is replaced.
        randomization: The ranges.
        rng: A generator of its own, see `appearance_rng`; one draw is taken from it, whatever is switched on.
    """
    streams = _Streams.drawn(rng)
    counts, poses, scale, tint = (
        randomization.clutter_count,
        randomization.object_poses,
        randomization.scale,
        randomization.tint,
    )
    if counts.enabled:
        spec = recounted(spec, _integer(streams("clutter_count"), counts.count), streams.of("clutter_count"))
    if poses.enabled:
        low, high = poses.turn_deg
        spec = moved(spec, poses.shift_m, (math.radians(low), math.radians(high)), streams.of("object_poses"))
    if scale.enabled:
        spec = rescaled(spec, *scale.factor, streams.of("scale"))
    if tint.enabled:
        stream = streams.of("tint")
        objects = (
            replace(item, tint_rgb=_tinted(stream(item.name), item.tint_rgb, tint.brightness, tint.shift))
            for item in spec.objects
        )
        spec = replace(spec, objects=tuple(objects))
    return replace(spec, appearance=_appearance(randomization, streams))


def sample_appearance(randomization: Randomization, rng: np.random.Generator) -> Appearance:
    """Return everything about an episode that is not its layout; one draw is taken from the generator."""
    return _appearance(randomization, _Streams.drawn(rng))


@dataclass(frozen=True, slots=True)
class _Streams:
    """Independent generators by name."""

    entropy: int

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _Streams:
        return cls(int(rng.integers(2**63)))

    def __call__(self, group: str, item: str = "") -> np.random.Generator:
        return np.random.default_rng([self.entropy, zlib.crc32(group.encode()), zlib.crc32(item.encode())])

    def of(self, group: str) -> Callable[[str], np.random.Generator]:
        """Return the streams of a group's objects, by object name."""
        return lambda item: self(group, item)


def _appearance(ranges: Randomization, streams: _Streams) -> Appearance:
    return Appearance(
        surfaces=_surfaces(ranges, streams),
        light=_light(ranges.lights, streams("lights")) if ranges.lights.enabled else LightSpec(),
        camera=_camera(ranges, streams),
        sensor=_sensor(ranges, streams),
        control=_control(ranges, streams),
    )


def _surfaces(ranges: Randomization, streams: _Streams) -> SurfaceSpec:
    group, rng = ranges.textures, streams("textures")
    if not group.enabled:
        return SurfaceSpec()
    wood, wall, floor = (bank[int(rng.integers(len(bank)))] for bank in (group.woods, group.walls, group.floors))
    return SurfaceSpec(wood, wall, floor)


def _light(group: Lights, rng: np.random.Generator) -> LightSpec:
    color = 1.0 - float(rng.uniform(*group.warmth)) * np.array(WARM_LOSS)
    ambient, headlight, lamp = (
        _triple(float(rng.uniform(*part)) * color) for part in (group.ambient, group.headlight, group.lamp)
    )
    direction = (float(rng.uniform(*group.direction_x)), float(rng.uniform(*group.direction_y)), -1.0)
    return LightSpec(ambient, headlight, lamp, direction)


def _camera(ranges: Randomization, streams: _Streams) -> CameraSpec:
    pose, view, nominal = ranges.camera_pose, ranges.field_of_view, CameraSpec()
    shift, turn, change = nominal.shift_m, nominal.turn_rad, nominal.fovy_change_rad
    if pose.enabled:
        rng = streams("camera_pose")
        shift = _triple(float(rng.uniform(*pose.shift_m)) * _direction(rng))
        turn = _triple(math.radians(rng.uniform(*pose.turn_deg)) * _direction(rng))
    if view.enabled:
        change = math.radians(streams("field_of_view").uniform(*view.change_deg))
    return CameraSpec(shift, turn, change)


def _sensor(ranges: Randomization, streams: _Streams) -> SensorSpec:
    sensor = SensorSpec()
    if ranges.exposure.enabled:
        sensor = replace(sensor, exposure=_number(streams("exposure"), ranges.exposure.factor))
    if ranges.noise.enabled:
        sensor = replace(sensor, noise=_number(streams("noise"), ranges.noise.levels))
    if ranges.blur.enabled:
        sensor = replace(sensor, blur_px=_number(streams("blur"), ranges.blur.sigma_px))
    if ranges.jpeg.enabled:
        rng = streams("jpeg")
        quality, compressed = _integer(rng, ranges.jpeg.quality), rng.random() < ranges.jpeg.share
        sensor = replace(sensor, jpeg_quality=quality if compressed else 0)
    return sensor


def _control(ranges: Randomization, streams: _Streams) -> ControlSpec:
    control = ControlSpec()
    if ranges.latency.enabled:
        control = replace(control, latency_steps=_integer(streams("latency"), ranges.latency.steps))
    if ranges.dropped_frames.enabled:
        control = replace(control, dropped_frames=_number(streams("dropped_frames"), ranges.dropped_frames.share))
    if ranges.action_noise.enabled:
        control = replace(control, action_noise=_number(streams("action_noise"), ranges.action_noise.share))
    return control


def _tinted(rng: np.random.Generator, base: Triple, brightness: Range, shift: Range) -> Triple:
    return _triple(np.clip(np.array(base) * rng.uniform(*brightness) + rng.uniform(*shift, 3), 0.0, 1.0))


def _direction(rng: np.random.Generator) -> Float:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _number(rng: np.random.Generator, bounds: Range) -> float:
    return float(rng.uniform(*bounds))


def _integer(rng: np.random.Generator, bounds: IntRange) -> int:
    return int(rng.integers(bounds[0], bounds[1], endpoint=True))


def _triple(values: Float) -> Triple:
    first, second, third = values
    return float(first), float(second), float(third)
