"""The graspable things as data: what each class is called, how large it is, how it is held, and what looks like it.

Only primitives are used (`shapes`, `lookalikes`), so that an object can be scaled in the compiled model (see
`scene.py`) and stays cheap to draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mujoco

from robots.sim import lookalikes, shapes
from robots.sim.shapes import CUBE_M, TINTED

__all__ = [
    "CLASSES",
    "CLUTTER",
    "CUBE_M",
    "TABLE_CLASSES",
    "TINTED",
    "Grip",
    "ObjectClass",
    "add_object",
    "classes_of",
    "find_class",
]

Color = tuple[float, float, float]

GRIPPER_M = 0.085  # the open hand
LARGEST_SCALE = 1.10  # that the presets of randomisation draw


@dataclass(frozen=True, slots=True)
class Grip:
    """Where a thing can be held, in its own frame at scale 1; it holds for every copy of the class.

    Attributes:
        center_m: Between the finger tips, above the base point.
        half_x_m: Half the width along the object's x.
        half_y_m: Half the width along its y.
    """

    center_m: tuple[float, float, float]
    half_x_m: float
    half_y_m: float

    @property
    def width_m(self) -> float:
        """The narrower width: what the gripper must open beyond."""
        return 2.0 * min(self.half_x_m, self.half_y_m)


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One kind of object.

    Attributes:
        name: The class name, also what a detector is asked for.
        copies: How many of it the scene holds at most.
        radius_m: Horizontal extent at scale 1, for the layout: half the length of the longest side.
        height_m: Height at scale 1.
        mass_kg: Mass at scale 1.
        tints: RGB colours in [0, 1] that an episode may draw.
        build: Adds the geoms to a body whose origin is the object's base; the index makes copies differ.
        called: What an instruction says; empty for the name itself.
        grips: Where a parallel gripper can hold it from the side, best first; empty when it cannot.
        lookalikes: Classes of nearly its shape in other colours.
        color: Its typical colour, in which `color_twins` are drawn to be taken for it.
        color_twins: Classes of another shape that are easily taken for it in its colour.
        companions: Classes that often stand next to it, so that seeing one is a reason to look there.
        clutter: Whether an ordinary layout may draw it; look-alikes are left to the `distractor` variant.
    """

    name: str
    copies: int
    radius_m: float
    height_m: float
    mass_kg: float
    tints: tuple[Color, ...]
    build: Callable[[mujoco.MjsBody, int], None]
    called: str = ""
    grips: tuple[Grip, ...] = ()
    lookalikes: tuple[str, ...] = ()
    color: Color | None = None
    color_twins: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    clutter: bool = True

    @property
    def word(self) -> str:
        """What an instruction calls it: `rubber duck`."""
        return self.called or self.name

    @property
    def graspable(self) -> bool:
        """Whether a parallel gripper can hold it from the side."""
        return bool(self.grips)


def add_object(spec: mujoco.MjSpec, kind: ObjectClass, index: int, park_m: tuple[float, float, float]) -> str:
    """Add copy `index` of a class as a free body parked at `park_m`; returns its name, `class_index`."""
    name = f"{kind.name}_{index}"
    body = spec.worldbody.add_body(name=name, pos=list(park_m))
    body.add_freejoint(name=name)
    kind.build(body, index)
    solid = [geom for geom in body.geoms if geom.contype]
    for geom in solid:
        geom.mass = kind.mass_kg / len(solid)
    return name


def _round(radius_m: float, height_m: float) -> tuple[Grip, ...]:
    return (Grip((0.0, 0.0, height_m), radius_m, radius_m),)


_WARM = ((0.93, 0.76, 0.16), (0.90, 0.52, 0.14))
_MIXED = ((0.75, 0.20, 0.18), (0.20, 0.38, 0.68), (0.90, 0.88, 0.84), (0.25, 0.55, 0.32), (0.30, 0.30, 0.34), *_WARM)
_POTS = ((0.72, 0.42, 0.28), (0.88, 0.86, 0.82), (0.84, 0.66, 0.22))
_DUCK_YELLOW, _PINEAPPLE_YELLOW = (0.98, 0.84, 0.14), (0.80, 0.60, 0.20)

# The first eleven are what the bookcase's layouts draw from, in this order.
_SHELF = (
    ObjectClass(
        "pineapple", 1, 0.036, 0.130, 0.12, ((1.0, 1.0, 1.0), (1.0, 0.93, 0.82), (0.95, 1.0, 0.85)), shapes.pineapple,
        grips=_round(0.035, 0.046), lookalikes=("pinecone", "cactus"), companions=("bowl",),
        color=_PINEAPPLE_YELLOW, color_twins=("can", "ball", "vase", "lemon"),
    ),
    ObjectClass(
        "duck", 1, 0.050, 0.098, 0.08, (_DUCK_YELLOW, (0.95, 0.78, 0.10)), shapes.duck, called="rubber duck",
        grips=(Grip((0.0, 0.0, 0.034), 0.044, 0.033), Grip((0.022, 0.0, 0.077), 0.023, 0.023)),
        lookalikes=("goose",), companions=("ball",), color=_DUCK_YELLOW, color_twins=("ball", "mug", "lemon", "box"),
    ),
    ObjectClass(
        "book", 4, 0.075, 0.21, 0.30, _MIXED, shapes.book, lookalikes=("box",), companions=("box",),
        grips=(Grip((0.0, 0.035, 0.075), 0.024, 0.078), Grip((0.0, -0.035, 0.075), 0.024, 0.078)),
    ),
    ObjectClass(
        "mug", 2, 0.050, 0.093, 0.20, _MIXED, shapes.mug,
        grips=(Grip((0.0, 0.0, 0.046), 0.063, 0.0335), Grip((0.0, 0.0, 0.084), 0.0335, 0.0335)),
        lookalikes=("cup",), companions=("bowl",),
    ),
    ObjectClass(
        "bottle", 2, 0.034, 0.213, 0.25, ((0.22, 0.48, 0.28), (0.45, 0.26, 0.14), (0.70, 0.82, 0.85)), shapes.bottle,
        grips=_round(0.0335, 0.070), lookalikes=("vase",), companions=("cup",),
    ),
    ObjectClass(
        "can", 2, 0.034, 0.112, 0.20, _MIXED, shapes.can,
        grips=_round(0.033, 0.056), lookalikes=("jar",), companions=("bottle",),
    ),
    ObjectClass(
        "ball", 2, 0.034, 0.068, 0.08, ((0.85, 0.25, 0.20), (0.80, 0.86, 0.25), *_WARM), shapes.ball,
        grips=_round(0.0335, 0.0335), lookalikes=("lemon",), companions=("duck",),
    ),
    ObjectClass(
        "bowl", 1, 0.075, 0.055, 0.25, ((0.88, 0.88, 0.90), (0.36, 0.52, 0.66), (0.82, 0.55, 0.30)), shapes.bowl,
        called="fruit bowl", lookalikes=("cup",), companions=("pineapple", "lemon"),
    ),
    ObjectClass(
        "box", 3, 0.072, 0.13, 0.20, _MIXED, shapes.box,
        grips=(Grip((0.0, 0.0, 0.036), 0.060, 0.0335),), lookalikes=("book",), companions=("book",),
    ),
    ObjectClass(
        "vase", 2, 0.042, 0.148, 0.30, ((0.86, 0.84, 0.80), (0.30, 0.44, 0.58), (0.72, 0.42, 0.28)), shapes.vase,
        grips=_round(0.018, 0.125), lookalikes=("bottle",), companions=("plant",),
    ),
    ObjectClass(
        "plant", 2, 0.046, 0.140, 0.25, _POTS, shapes.plant, called="potted plant",
        grips=_round(0.0335, 0.032), lookalikes=("cactus",), companions=("vase",),
    ),
)  # fmt: skip

_LOOKALIKES = (
    ObjectClass(
        "pinecone", 1, 0.036, 0.110, 0.10, ((0.62, 0.50, 0.46), (0.52, 0.42, 0.40)), lookalikes.pinecone,
        called="pine cone", grips=_round(0.034, 0.048), lookalikes=("pineapple",), clutter=False,
    ),
    ObjectClass(
        "goose", 1, 0.052, 0.117, 0.09, ((0.93, 0.92, 0.88), (0.55, 0.54, 0.53), (0.52, 0.38, 0.27)), lookalikes.goose,
        called="toy goose", grips=(Grip((0.0, 0.0, 0.034), 0.044, 0.033), Grip((0.028, 0.0, 0.094), 0.020, 0.019)),
        lookalikes=("duck",), clutter=False,
    ),
    ObjectClass(
        "jar", 1, 0.034, 0.116, 0.25, ((0.82, 0.86, 0.84), (0.62, 0.20, 0.20), (0.60, 0.50, 0.24)), lookalikes.jar,
        grips=_round(0.0335, 0.050), lookalikes=("can",), clutter=False,
    ),
    ObjectClass(
        "cup", 1, 0.034, 0.101, 0.18, _MIXED, lookalikes.cup, called="tumbler",
        grips=_round(0.0325, 0.050), lookalikes=("mug",), clutter=False,
    ),
    ObjectClass(
        "cactus", 1, 0.034, 0.141, 0.25, _POTS, lookalikes.cactus,
        grips=_round(0.0335, 0.032), lookalikes=("plant",), clutter=False,
    ),
    ObjectClass(
        "lemon", 1, 0.044, 0.056, 0.07, ((0.96, 0.86, 0.20), (0.90, 0.82, 0.16)), lookalikes.lemon,
        grips=(Grip((0.0, 0.0, 0.028), 0.038, 0.028),), lookalikes=("ball",), companions=("bowl",), clutter=False,
    ),
)  # fmt: skip

CLASSES: dict[str, ObjectClass] = {kind.name: kind for kind in (*_SHELF, *_LOOKALIKES)}
CLUTTER: tuple[ObjectClass, ...] = tuple(kind for kind in CLASSES.values() if kind.clutter)

# What lies on the table of the small arm: the red cube to lift, and toy bricks of other shapes and colours.
RED: tuple[tuple[float, float, float], ...] = ((0.84, 0.10, 0.09), (0.78, 0.08, 0.12), (0.90, 0.15, 0.10))
_TOYS = ((0.15, 0.40, 0.75), (0.18, 0.55, 0.28), (0.93, 0.78, 0.18), (0.90, 0.90, 0.88), (0.45, 0.26, 0.60))
TABLE_CLASSES: dict[str, ObjectClass] = {
    kind.name: kind
    for kind in (
        ObjectClass("cube", 1, 0.5 * math.sqrt(2.0) * CUBE_M, CUBE_M, 0.02, RED, shapes.cube),
        ObjectClass("block", 3, 0.5 * math.sqrt(2.0) * CUBE_M, CUBE_M, 0.02, _TOYS, shapes.cube),
        ObjectClass("brick", 3, 0.0224, 0.018, 0.015, _TOYS, shapes.brick),
        ObjectClass("peg", 3, 0.011, 0.030, 0.015, _TOYS, shapes.peg),
    )
}
_EVERY = CLASSES | TABLE_CLASSES


def classes_of(scene: str) -> Mapping[str, ObjectClass]:
    """Return the classes of the objects that a scene holds, by name."""
    return TABLE_CLASSES if scene == "koch" else CLASSES


def find_class(kind: str) -> ObjectClass:
    """Return a class by its name, of whatever scene."""
    return _EVERY[kind]
