"""What hides what: every class as a few upright cylinders, for the estimate of visibility.

The figures follow the shapes in `robots.sim.shapes`; a class that is not listed is one cylinder of its full size.
"""

from __future__ import annotations

from dataclasses import dataclass

from robots.sim.objects import find_class

SLIM = 0.9  # of the radius of a class that is not listed: it is the half length of the longest side


@dataclass(frozen=True, slots=True)
class Pillar:
    """An upright cylinder in the frame of an object at scale 1 [m]."""

    low_m: float
    high_m: float
    radius_m: float
    x_m: float = 0.0
    y_m: float = 0.0


def _stack(*bands: tuple[float, float]) -> tuple[Pillar, ...]:
    """Return cylinders on top of each other, given as (upper end, radius) [m]."""
    lows = (0.0, *(high for high, _ in bands))
    return tuple(Pillar(low, high, radius) for low, (high, radius) in zip(lows, bands, strict=False))


OUTLINES: dict[str, tuple[Pillar, ...]] = {
    "pineapple": _stack((0.015, 0.026), (0.075, 0.034), (0.092, 0.020), (0.125, 0.014)),
    "duck": _stack((0.010, 0.028), (0.055, 0.037), (0.098, 0.022)),
    "book": tuple(Pillar(0.0, 0.198, 0.019, y_m=y) for y in (-0.053, -0.018, 0.018, 0.053)),
    "mug": (Pillar(0.0, 0.093, 0.0335), Pillar(0.015, 0.075, 0.008, x_m=0.052)),
    "bottle": _stack((0.135, 0.031), (0.150, 0.023), (0.213, 0.013)),
    "can": _stack((0.112, 0.033)),
    "ball": _stack((0.008, 0.024), (0.059, 0.0325), (0.067, 0.018)),
    "bowl": _stack((0.020, 0.050), (0.055, 0.066)),
    "box": tuple(Pillar(0.0, 0.111, 0.033, x_m=x) for x in (-0.014, 0.014)),
    "vase": _stack((0.014, 0.030), (0.035, 0.037), (0.080, 0.041), (0.103, 0.030), (0.148, 0.0175)),
    "plant": _stack((0.061, 0.0335), (0.105, 0.022), (0.135, 0.026)),
}


def outline(kind: str) -> tuple[Pillar, ...]:
    """Return the cylinders of a class."""
    if kind in OUTLINES:
        return OUTLINES[kind]
    found = find_class(kind)
    return (Pillar(0.0, found.height_m, SLIM * found.radius_m),)


def half_width_m(kind: str, height_m: float) -> float:
    """Return half the width of a class at a height above its base, 0 where nothing is [m]."""
    return max((p.radius_m for p in outline(kind) if p.low_m <= height_m < p.high_m), default=0.0)
