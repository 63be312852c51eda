"""The world: arm, bookcase, room and every object, compiled once.

`build_scene` composes it with `mujoco.MjSpec`; `arrange` edits the compiled model in place for an episode, so that a
reset needs no recompilation. Objects that an episode does not use are parked on the floor behind the robot: below an
infinite floor plane they would be deep in contact and get launched.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from robots.region import SearchRegion
from robots.sim import arm, surfaces
from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.furniture import BOOKCASE as BOOKCASE_FURNITURE
from robots.sim.objects import CLASSES, TINTED, add_object
from robots.types import Float

REGION = BOOKCASE_FURNITURE.region
HOME_RAD = arm.HOME_RAD
FLOOR_Z_M = -0.30
BOARD_M = 0.02
THIRD_PERSON_CAMERA = "third_person"
BOOKCASE = "bookcase"


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The compiled world and the values at scale 1 that in-place edits start from.

    Attributes:
        model: The compiled model; `arrange` edits it.
        objects: Body name of every object to body id.
        nominal: Copies of the model arrays that scaling edits, by array name.
        tinted: Ids of the geoms that take their object's tint, by object name.
    """

    model: mujoco.MjModel
    objects: dict[str, int]
    nominal: dict[str, Float]
    tinted: dict[str, tuple[int, ...]]


def build_scene(name: str = "bookcase", *, timestep_s: float) -> Scene:
    """Compose and compile the world (about a second).

    Args:
        name: Scene, see `robots.sim.furniture`.
        timestep_s: Physics step [s].
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _set_options(spec, timestep_s)
    surfaces.add_materials(spec)
    _add_room(spec)
    _add_bookcase(spec, REGION)
    names = [
        add_object(spec, kind, index, _parking_m(row, index))
        for row, kind in enumerate(CLASSES.values())
        for index in range(kind.copies)
    ]
    arm.add_arm(spec)
    model = spec.compile()
    objects = {name: model.body(name).id for name in names}
    return Scene(model, objects, {key: getattr(model, key).copy() for key in _SCALED}, _tinted(model, objects))


def arrange(scene: Scene, spec: EpisodeSpec) -> None:
    """Edit the compiled model for one episode: scales, tints, surfaces, light, and the objects' poses in `qpos0`.

    Only free joints may be posed through `qpos0`: for a hinge or slide it is the zero of the joint.
    """
    model = scene.model
    for name in _SCALED:
        getattr(model, name)[:] = scene.nominal[name]
    for row, kind in enumerate(CLASSES.values()):
        for index in range(kind.copies):
            address = model.joint(f"{kind.name}_{index}").qposadr[0]
            model.qpos0[address : address + 7] = (*_parking_m(row, index), 1.0, 0.0, 0.0, 0.0)
    for item in spec.objects:
        _arrange_object(scene, item)
    surfaces.apply(model, spec.appearance)


_SCALED = (
    "geom_size", "geom_pos", "geom_rbound", "geom_aabb", "body_mass", "body_inertia", "body_ipos", "bvh_aabb"
)  # fmt: skip


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


def _tinted(model: mujoco.MjModel, objects: dict[str, int]) -> dict[str, tuple[int, ...]]:
    def geoms(body: int) -> tuple[int, ...]:
        first = int(model.body_geomadr[body])
        every = range(first, first + int(model.body_geomnum[body]))
        return tuple(geom for geom in every if np.array_equal(model.geom_rgba[geom], TINTED))

    return {name: geoms(body) for name, body in objects.items()}


def _parking_m(row: int, index: int) -> tuple[float, float, float]:
    return -3.0 - 0.35 * row, 0.35 * index, FLOOR_Z_M


def _set_options(spec: mujoco.MjSpec, timestep_s: float) -> None:
    option = spec.option
    option.timestep = timestep_s
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10.0
    option.enableflags |= int(mujoco.mjtEnableBit.mjENBL_SLEEP)
    visual = spec.visual
    visual.global_.offwidth, visual.global_.offheight = 1280, 960
    visual.quality.offsamples = 0
    visual.quality.numslices, visual.quality.numstacks = 16, 10
    visual.map.znear, visual.map.zfar = 0.01, 12.0
    spec.stat.extent, spec.stat.center = 1.0, [0.4, 0.0, 0.3]
    visual.headlight.specular = [0.0] * 3
    spec.worldbody.add_light(
        name="lamp",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[-0.5, 0.6, 2.2],
        dir=[0.6, -0.4, -1.0],
        specular=[0.1] * 3,
        ambient=[0.0] * 3,
        castshadow=False,
    )


def _add_room(spec: mujoco.MjSpec) -> None:
    world = spec.worldbody
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    solid = {"contype": arm.SCENE_BIT, "conaffinity": 0xF}
    world.add_geom(name="floor", type=plane, pos=[0, 0, FLOOR_Z_M], size=[5, 5, 0.1], material="floor0", **solid)
    back_x = REGION.front_x_m + REGION.depth_m + 0.03
    world.add_geom(
        name="wall",
        type=plane,
        pos=[back_x, 0, 0.9],
        quat=[np.sqrt(0.5), 0, -np.sqrt(0.5), 0],
        size=[2.0, 5, 0.1],
        material="wall0",
        **solid,
    )
    box = mujoco.mjtGeom.mjGEOM_BOX
    world.add_geom(
        name="pedestal",
        type=box,
        pos=[-0.02, 0, FLOOR_Z_M / 2],
        size=[0.15, 0.14, -FLOOR_Z_M / 2 - 0.001],
        rgba=[0.30, 0.31, 0.33, 1],
        **solid,
    )
    camera = world.add_camera(name=THIRD_PERSON_CAMERA, pos=[-0.62, -1.10, 1.02], fovy=45.0)
    camera.quat = surfaces.look_at(np.array([-0.62, -1.10, 1.02]), np.array([0.50, 0.02, 0.30]))


def _add_bookcase(spec: mujoco.MjSpec, region: SearchRegion) -> None:
    body = spec.worldbody.add_body(name=BOOKCASE)
    front, depth, middle_y = region.front_x_m, region.depth_m, 0.5 * (region.y_min_m + region.y_max_m)
    width = region.y_max_m - region.y_min_m
    center_x = front + depth / 2
    floors = [shelf.floor_z_m for shelf in region.compartments]
    top = region.top_z_m
    # Texture columns run along a box's local x: depth for boards and sides, width for the back panel.
    for index, height in enumerate((*floors, top + BOARD_M)):
        _panel(
            body,
            f"board{index}",
            (center_x, middle_y, height - BOARD_M / 2),
            (depth / 2, width / 2, BOARD_M / 2),
            "shelf",
        )
    tall = (top + BOARD_M - FLOOR_Z_M) / 2
    for name, side, angle in (
        ("right", region.y_min_m - BOARD_M / 2, -np.pi / 2),
        ("left", region.y_max_m + BOARD_M / 2, np.pi / 2),
    ):
        _panel(
            body, name, (center_x, side, FLOOR_Z_M + tall), (depth / 2, tall, BOARD_M / 2), "side", ((1, 0, 0), angle)
        )
    inner = (top - region.floor_z_m + BOARD_M) / 2
    turn = np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]], dtype=float)
    _panel(body, "back", (front + depth + 0.004, middle_y, top - inner), (width / 2, inner, 0.004), "back", turn)
    plinth = (region.floor_z_m - BOARD_M - FLOOR_Z_M) / 2
    _panel(body, "plinth", (front + 0.02, middle_y, FLOOR_Z_M + plinth), (width / 2, plinth, 0.01), "front", turn)


def _panel(
    body: mujoco.MjsBody,
    name: str,
    center: tuple[float, ...],
    half: tuple[float, ...],
    surface: str,
    turn: tuple[tuple[int, int, int], float] | Float | None = None,
) -> None:
    quat = np.array([1.0, 0.0, 0.0, 0.0])
    if isinstance(turn, np.ndarray):
        mujoco.mju_mat2Quat(quat, turn.ravel())
    elif turn is not None:
        mujoco.mju_axisAngle2Quat(quat, np.array(turn[0], dtype=float), turn[1])
    body.add_geom(
        name=f"{BOOKCASE}_{name}",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=list(center),
        size=list(half),
        quat=quat,
        material=f"{surface}0",
        contype=arm.SCENE_BIT,
        conaffinity=0xF,
        friction=[0.8, 0.01, 0.0005],
    )
