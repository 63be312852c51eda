"""Materials of the scene, and how an episode chooses among them without recompiling."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.sim import textures
from robots.sim.appearance import Appearance
from robots.types import Float, Image

VARIANTS = 4  # of each bank, for training; as many again are held out
_TEXTURE_SEED = 7  # the bank is part of the scene, not of an episode
_HELD_OUT_SEED = 8
_BOARD_EDGES = (0.01, 0.34, 0.665)  # undersides of the boards, as fractions of the back panel from its top


def add_materials(spec: mujoco.MjSpec) -> None:
    """Add the banks of surfaces: woods, walls and floors, for training and held out, and the objects' skins."""
    rng = np.random.default_rng(_TEXTURE_SEED)
    _add_banks(spec, rng, range(VARIANTS))
    _cube(spec, "pineapple", textures.pineapple_skin(rng))
    _cube(spec, "glaze", textures.speckle(rng), specular=0.25)
    _cube(spec, "cover", textures.speckle(rng))
    for index in range(3):
        _cube(spec, f"label{index}", textures.label(rng), specular=0.15)
    _add_banks(spec, np.random.default_rng(_HELD_OUT_SEED), range(VARIANTS, 2 * VARIANTS))


def _add_banks(spec: mujoco.MjSpec, rng: np.random.Generator, indices: range) -> None:
    for index in indices:
        plank = textures.wood(rng, textures.WOODS[index])
        _flat(spec, f"shelf{index}", textures.shade_depth(plank, back=0.62))
        _flat(spec, f"side{index}", textures.shade_depth(plank, back=0.55))
        panel = textures.wood(rng, textures.WOODS[index], 256, 256)
        _flat(spec, f"back{index}", textures.shade_shelves(panel, _BOARD_EDGES))
        _flat(spec, f"front{index}", (plank * 0.9).astype(np.uint8))
        _flat(spec, f"wall{index}", textures.plaster(rng, textures.WALLS[index]), repeat=3.0)
        _flat(spec, f"floor{index}", textures.planks(rng, textures.FLOORS[index]), repeat=5.0)


def apply(model: mujoco.MjModel, appearance: Appearance) -> None:
    """Select an episode's surfaces and light by editing ids and colours in place."""
    chosen, light = appearance.surfaces, appearance.light
    for geom in range(model.ngeom):
        name = model.geom(geom).name
        if name in ("floor", "wall"):
            model.geom_matid[geom] = model.material(f"{name}{chosen.floor if name == 'floor' else chosen.wall}").id
        elif name.startswith("bookcase_"):
            surface = model.material(int(model.geom_matid[geom])).name.rstrip("0123456789")
            model.geom_matid[geom] = model.material(f"{surface}{chosen.wood}").id
    lamp = model.light("lamp").id
    model.vis.headlight.ambient[:] = light.ambient
    model.vis.headlight.diffuse[:] = light.headlight
    model.light_diffuse[lamp] = light.lamp
    model.light_dir[lamp] = np.array(light.direction) / np.linalg.norm(light.direction)


def look_at(position: Float, target: Float) -> NDArray[np.float64]:
    """Return the quaternion of a MuJoCo camera at `position` that looks at `target`, upright."""
    back = (position - target) / np.linalg.norm(position - target)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.column_stack([right, np.cross(back, right), back]).ravel())
    return quat


def _flat(spec: mujoco.MjSpec, name: str, image: Image, *, repeat: float = 1.0) -> None:
    _texture(spec, name, image, mujoco.mjtTexture.mjTEXTURE_2D)
    material = spec.add_material(name=name, texrepeat=[repeat, repeat], specular=0.0, shininess=0.0)
    _bind(material, name)


def _cube(spec: mujoco.MjSpec, name: str, face: Image, *, specular: float = 0.05) -> None:
    _texture(spec, name, textures.cube(face), mujoco.mjtTexture.mjTEXTURE_CUBE)
    _bind(spec.add_material(name=name, specular=specular, shininess=0.4), name)


def _texture(spec: mujoco.MjSpec, name: str, image: Image, kind: mujoco.mjtTexture) -> None:
    height, width = image.shape[:2]
    texture = spec.add_texture(name=name, type=kind, height=height, width=width, nchannel=3)
    texture.data = image.tobytes()


def _bind(material: mujoco.MjsMaterial, texture: str) -> None:
    slots = list(material.textures)
    slots[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = texture
    material.textures = slots
