"""The cost of a scene drawn with detailed meshes, as simulations built from CAD models are: our own scene, tessellated.

`detailed` copies what a robot's cameras see at one instant, with every primitive replaced by a finely tessellated mesh
of the same shape, place and material (flat textures lie another way round). So faces and shadows are all that differs
from the scene that Baton draws, and nobody's assets are needed. Shadow maps have MuJoCo's default size; there is no
multisampling, which MuJoCo's defaults would add on top.
"""

from __future__ import annotations

import copy

import mujoco
import numpy as np

from benchmarks.report import Row
from benchmarks.sim_drive import episode, open_robot
from benchmarks.sim_tessellation import tessellate
from benchmarks.sim_timing import compare_cpu_ms
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.rendering import SceneRenderer
from robots.types import Float

FACES = 190_000  # as gym-xarm's lift scene, arm and gripper as CAD meshes
SHADOW_PX = 4096
_Geom = mujoco.mjtGeom


def measure_detail(scene: str, sizes_px: tuple[int, ...], repetitions: int, faces: int = FACES) -> list[Row]:
    """Return what wrist images cost with primitives and with meshes, with and without shadows, and the ratios.

    Args:
        scene: Name of the scene.
        sizes_px: Sides of the square images.
        repetitions: Rounds; within each, the four ways take turns.
        faces: How many triangles the meshes shall have in total.
    """
    with open_robot(scene, sizes_px[0]) as robot:
        robot.reset(episode(scene))
        ways = _ways(robot, detailed(robot.model, robot.data, faces))
        drawn = [Row("sim.detailed.faces", float(ways["meshes"][0].mesh_facenum.sum()), "1")]
        for size in sizes_px:
            drawn += _measure_size(ways, robot.arm.wrist_camera, size, repetitions)
    return drawn


def detailed(model: mujoco.MjModel, data: mujoco.MjData, faces: int) -> mujoco.MjModel:
    """Return a model that looks the same at this instant and consists of about `faces` triangles.

    Args:
        model: Compiled from primitives only.
        data: Its state; poses are taken from it, so kinematics must be up to date.
        faces: How many triangles all meshes shall have together; the geoms that are drawn share them evenly.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _copy_view(spec, model, data)
    _copy_materials(spec, model)
    drawn = np.flatnonzero(model.geom_rgba[:, 3] > 0.0)
    for geom in drawn.tolist():
        _copy_geom(spec, model, data, geom, faces / len(drawn))
    return spec.compile()


def _measure_size(
    ways: dict[str, tuple[mujoco.MjModel, mujoco.MjData, SceneRenderer]], camera: str, size: int, repetitions: int
) -> list[Row]:
    draws = {
        name: lambda data=data, renderer=renderer: renderer.color(data, camera, (size, size))
        for name, (_, data, renderer) in ways.items()
    }
    costs = compare_cpu_ms(draws, repetitions=repetitions, calls=8)
    rows = [Row(f"sim.image_cpu_ms.{size}.{name}", cost, "ms") for name, cost in costs.items()]
    others = [name for name in costs if name != "primitives"]
    return rows + [Row(f"sim.image_ratio.{size}.{name}", costs[name] / costs["primitives"], "x") for name in others]


def _ways(robot: MujocoRobot, meshes: mujoco.MjModel) -> dict[str, tuple[mujoco.MjModel, mujoco.MjData, SceneRenderer]]:
    posed = mujoco.MjData(meshes)
    mujoco.mj_forward(meshes, posed)
    shady = copy.copy(robot.model)
    for model in (shady, meshes):
        model.light_castshadow[:] = True
        model.vis.quality.shadowsize = SHADOW_PX
    return {
        "primitives": (robot.model, robot.data, robot.renderer),
        "primitives_shadows": (shady, robot.data, SceneRenderer(shady, shadows=True)),
        "meshes": (meshes, posed, SceneRenderer(meshes)),
        "meshes_shadows": (meshes, posed, SceneRenderer(meshes, shadows=True)),
    }


def _copy_view(spec: mujoco.MjSpec, model: mujoco.MjModel, data: mujoco.MjData) -> None:
    spec.stat.extent, spec.stat.center = model.stat.extent, model.stat.center
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 960
    spec.visual.quality.offsamples = model.vis.quality.offsamples
    spec.visual.map.znear, spec.visual.map.zfar = model.vis.map.znear, model.vis.map.zfar
    for part in ("ambient", "diffuse", "specular"):
        setattr(spec.visual.headlight, part, getattr(model.vis.headlight, part))
    for camera in range(model.ncam):
        spec.worldbody.add_camera(
            name=model.camera(camera).name,
            pos=data.cam_xpos[camera],
            quat=_quat(data.cam_xmat[camera]),
            fovy=model.cam_fovy[camera],
        )
    for light in range(model.nlight):
        spec.worldbody.add_light(
            type=mujoco.mjtLightType(model.light_type[light]),
            pos=data.light_xpos[light],
            dir=data.light_xdir[light],
            ambient=model.light_ambient[light],
            diffuse=model.light_diffuse[light],
            specular=model.light_specular[light],
        )


def _copy_materials(spec: mujoco.MjSpec, model: mujoco.MjModel) -> None:
    role = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)
    for index in sorted({int(material) for material in model.geom_matid if material >= 0}):
        material = spec.add_material(
            name=f"material{index}",
            rgba=model.mat_rgba[index],
            texrepeat=model.mat_texrepeat[index],
            specular=model.mat_specular[index],
            shininess=model.mat_shininess[index],
        )
        texture = int(model.mat_texid[index, role])
        if texture >= 0:
            _copy_texture(spec, model, texture, f"texture{index}")
            slots = list(material.textures)
            slots[role] = f"texture{index}"
            material.textures = slots


def _copy_texture(spec: mujoco.MjSpec, model: mujoco.MjModel, index: int, name: str) -> None:
    height, width, channels = (int(values[index]) for values in (model.tex_height, model.tex_width, model.tex_nchannel))
    start = int(model.tex_adr[index])
    texture = spec.add_texture(
        name=name, type=mujoco.mjtTexture(model.tex_type[index]), height=height, width=width, nchannel=channels
    )
    texture.data = model.tex_data[start : start + height * width * channels].tobytes()


def _copy_geom(spec: mujoco.MjSpec, model: mujoco.MjModel, data: mujoco.MjData, geom: int, faces: float) -> None:
    vertices, triangles = tessellate(int(model.geom_type[geom]), model.geom_size[geom], faces)
    spec.add_mesh(name=f"mesh{geom}", uservert=vertices.ravel(), userface=triangles.ravel())
    material = int(model.geom_matid[geom])
    spec.worldbody.add_geom(
        type=_Geom.mjGEOM_MESH,
        meshname=f"mesh{geom}",
        pos=data.geom_xpos[geom],
        quat=_quat(data.geom_xmat[geom]),
        rgba=model.geom_rgba[geom],
        contype=0,
        conaffinity=0,
        **({"material": f"material{material}"} if material >= 0 else {}),
    )


def _quat(matrix: Float) -> Float:
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, matrix)
    return quat
