"""The room around the furniture: physics options, lamp, floor, wall and the camera that watches the scene."""

from __future__ import annotations

import mujoco
import numpy as np

from robots.region import SearchRegion
from robots.sim import arm, surfaces

FLOOR_Z_M = -0.30
THIRD_PERSON_CAMERA = "third_person"
_SOLID = {"contype": arm.SCENE_BIT, "conaffinity": 0xF}


def set_options(spec: mujoco.MjSpec, timestep_s: float) -> None:
    """Set what holds for every scene: angles in radians, the solver, sleep, fast rendering, one lamp."""
    spec.compiler.degree = False
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


def add_floor(spec: mujoco.MjSpec) -> None:
    """Add the floor."""
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    spec.worldbody.add_geom(
        name="floor", type=plane, pos=[0, 0, FLOOR_Z_M], size=[5, 5, 0.1], material="floor0", **_SOLID
    )


def add_wall(spec: mujoco.MjSpec, x_m: float) -> None:
    """Add a wall across the robot's view at `x_m`."""
    spec.worldbody.add_geom(
        name="wall",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[x_m, 0, 0.9],
        quat=[np.sqrt(0.5), 0, -np.sqrt(0.5), 0],
        size=[2.0, 5, 0.1],
        material="wall0",
        **_SOLID,
    )


def add_pedestal(spec: mujoco.MjSpec) -> None:
    """Add the pedestal that carries the arm."""
    spec.worldbody.add_geom(
        name="pedestal",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=[-0.02, 0, FLOOR_Z_M / 2],
        size=[0.15, 0.14, -FLOOR_Z_M / 2 - 0.001],
        rgba=[0.30, 0.31, 0.33, 1],
        **_SOLID,
    )


def add_camera(spec: mujoco.MjSpec, position_m: tuple[float, ...], target_m: tuple[float, ...]) -> None:
    """Add the third-person camera."""
    camera = spec.worldbody.add_camera(name=THIRD_PERSON_CAMERA, pos=list(position_m), fovy=45.0)
    camera.quat = surfaces.look_at(np.array(position_m), np.array(target_m))


def add_room(spec: mujoco.MjSpec, region: SearchRegion) -> None:
    """Add everything around furniture that stands against a wall in front of the robot."""
    add_floor(spec)
    add_wall(spec, region.front_x_m + region.depth_m + 0.03)
    add_pedestal(spec)
    add_camera(spec, (-0.62, -1.10, 1.02), (0.50, 0.02, 0.30))
