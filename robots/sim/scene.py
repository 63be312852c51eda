"""The world: arm, furniture, room and every object, compiled once.

`build_scene` composes it with `mujoco.MjSpec`; `arrange` edits the compiled model in place for an episode, so that a
reset needs no recompilation. Objects that an episode does not use are parked on the floor behind the robot: below an
infinite floor plane they would be deep in contact and get launched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from robots.sim import arm, cabinetry, carcass, koch, room, surfaces, table
from robots.sim.episode import EpisodeSpec, ObjectSpec, PartState
from robots.sim.furniture import BOOKCASE as BOOKCASE_FURNITURE
from robots.sim.furniture import Furniture, PartKind, find_furniture
from robots.sim.objects import TINTED, add_object, classes_of
from robots.sim.room import FLOOR_Z_M, THIRD_PERSON_CAMERA
from robots.types import Float

__all__ = ["FLOOR_Z_M", "HOME_RAD", "REGION", "THIRD_PERSON_CAMERA", "Builder", "Scene", "arrange", "build_scene"]

REGION = BOOKCASE_FURNITURE.region
# The wrist camera looks level at the bookcase from 0.26 m before it, at (0.40, 0, 0.45). DROID's home, which is
# (0, -pi/5, 0, -4 pi/5, 0, 3 pi/5, 0), looks down at a table; here the targets stand on shelves.
HOME_RAD = (0.0, -0.664, 0.0, -2.842, 0.0, 2.405, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The compiled world and the values at scale 1 that in-place edits start from.

    Attributes:
        model: The compiled model; `arrange` edits it.
        furniture: What it was built from.
        objects: Body name of every object to body id.
        nominal: Copies of the model arrays that scaling edits, by array name.
        tinted: Ids of the geoms that take their object's tint, by object name.
        finish: The geoms that change with an episode's surfaces.
    """

    model: mujoco.MjModel
    furniture: Furniture
    objects: dict[str, int]
    nominal: dict[str, Float]
    tinted: dict[str, tuple[int, ...]]
    finish: surfaces.Finish


@dataclass(frozen=True, slots=True)
class Builder:
    """How one scene is composed. Another arm, or a scene without a carcass, is another builder.

    Attributes:
        furnish: Adds room and furniture; the materials are there already.
        mount_arm: Adds the arm; it comes last.
    """

    furnish: Callable[[mujoco.MjSpec, Furniture], None]
    mount_arm: Callable[[mujoco.MjSpec], None]


def _furnish_bookcase(spec: mujoco.MjSpec, furniture: Furniture) -> None:
    room.add_room(spec, furniture.region)
    carcass.add_bookcase(spec, furniture.region)


def _furnish_cabinet(spec: mujoco.MjSpec, furniture: Furniture) -> None:
    room.add_room(spec, furniture.region)
    carcass.add_cabinet(spec, furniture.region)
    cabinetry.add_parts(spec, furniture)


_CABINET = Builder(_furnish_cabinet, arm.add_arm)
BUILDERS: Mapping[str, Builder] = {
    "bookcase": Builder(_furnish_bookcase, arm.add_arm),
    "cabinet": _CABINET,
    "complex": _CABINET,
    "koch": Builder(table.furnish, koch.add_arm),
}


def build_scene(name: str = "bookcase", *, timestep_s: float) -> Scene:
    """Compose and compile the world (about a second).

    Args:
        name: Scene, see `robots.sim.furniture`.
        timestep_s: Physics step [s].

    Raises:
        UsageError: There is no such scene.
    """
    furniture, builder = find_furniture(name), BUILDERS[name]
    spec = mujoco.MjSpec()
    room.set_options(spec, timestep_s)
    surfaces.add_materials(spec)
    builder.furnish(spec, furniture)
    names = [
        add_object(spec, kind, index, _parking_m(row, index))
        for row, kind in enumerate(classes_of(name).values())
        for index in range(kind.copies)
    ]
    builder.mount_arm(spec)
    model = spec.compile()
    objects = {name: model.body(name).id for name in names}
    nominal = {key: getattr(model, key).copy() for key in _SCALED}
    return Scene(model, furniture, objects, nominal, _tinted(model, objects), surfaces.Finish.of(model))


def arrange(scene: Scene, spec: EpisodeSpec) -> None:
    """Edit the compiled model for one episode: scales, tints, surfaces, light, screens, and the objects' `qpos0`.

    Only free joints may be posed through `qpos0`: for a hinge or slide it is the zero of the joint, so doors and
    drawers wait for `place_parts`.
    """
    model = scene.model
    for name in _SCALED:
        getattr(model, name)[:] = scene.nominal[name]
    for row, kind in enumerate(classes_of(scene.furniture.name).values()):
        for index in range(kind.copies):
            address = model.joint(f"{kind.name}_{index}").qposadr[0]
            model.qpos0[address : address + 7] = (*_parking_m(row, index), 1.0, 0.0, 0.0, 0.0)
    model.geom_rgba[np.isin(model.geom_bodyid, list(scene.objects.values())), 3] = 0.0  # what is parked is not drawn
    for item in spec.objects:
        _arrange_object(scene, item)
    for state in _states(scene, spec, jointed=False):
        model.body_pos[model.body(state.name).id, 1] = state.value
    surfaces.apply(model, scene.finish, spec.appearance)


def place_parts(scene: Scene, data: mujoco.MjData, spec: EpisodeSpec) -> None:
    """Open doors and drawers as the episode starts; call it after every reset of `data`."""
    for state in _states(scene, spec, jointed=True):
        data.qpos[scene.model.joint(state.name).qposadr[0]] = state.value


_SCALED = (
    "geom_size", "geom_pos", "geom_rbound", "geom_aabb", "body_mass", "body_inertia", "body_ipos", "bvh_aabb"
)  # fmt: skip


def _states(scene: Scene, spec: EpisodeSpec, *, jointed: bool) -> list[PartState]:
    """Return the states of the doors and drawers, or of the screens."""
    kinds = {part.name: part.kind for part in scene.furniture.parts}
    return [state for state in spec.parts if (kinds[state.name] is not PartKind.SCREEN) is jointed]


def _arrange_object(scene: Scene, item: ObjectSpec) -> None:
    model, body = scene.model, scene.objects[item.name]
    address = model.joint(item.name).qposadr[0]
    half = item.yaw_rad / 2
    model.qpos0[address : address + 7] = (*item.position_m, np.cos(half), 0.0, 0.0, np.sin(half))
    first, count = model.body_geomadr[body], model.body_geomnum[body]
    for name in ("geom_size", "geom_pos", "geom_rbound", "geom_aabb"):
        getattr(model, name)[first : first + count] *= item.scale
    boxes = model.body_bvhadr[body]
    model.bvh_aabb[boxes : boxes + model.body_bvhnum[body]] *= item.scale
    model.body_ipos[body] *= item.scale
    model.body_mass[body] *= item.scale**3
    model.body_inertia[body] *= item.scale**5
    model.geom_rgba[list(scene.tinted[item.name]), :3] = item.tint_rgb
    model.geom_rgba[first : first + count, 3] = 1.0


def _tinted(model: mujoco.MjModel, objects: dict[str, int]) -> dict[str, tuple[int, ...]]:
    def geoms(body: int) -> tuple[int, ...]:
        first = int(model.body_geomadr[body])
        every = range(first, first + int(model.body_geomnum[body]))
        return tuple(geom for geom in every if np.array_equal(model.geom_rgba[geom], TINTED))

    return {name: geoms(body) for name, body in objects.items()}


def _parking_m(row: int, index: int) -> tuple[float, float, float]:
    return -3.0 - 0.35 * row, 0.35 * index, FLOOR_Z_M
