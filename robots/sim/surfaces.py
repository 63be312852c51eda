"""Materials of the scene, and how an episode chooses among them without recompiling."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.sim import textures
from robots.sim.appearance import Appearance
from robots.types import Float, Image

VARIANTS = 4  # of each bank, for training; as many again are held out
_EVERY = range(2 * VARIANTS)
_TEXTURE_SEED = 7  # the bank is part of the scene, not of an episode
_HELD_OUT_SEED = 8  # a stream of its own: the training surfaces keep their bytes
_BOARD_EDGES = (0.01, 0.34, 0.665)  # undersides of the boards, as fractions of the back panel from its top
_WOODEN = ("shelf", "side", "back", "front", "bay_shelf", "bay_side", "bay_back", "panel", "door", "inside")
_SCREEN_COLOR = (168, 150, 118)


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """Which geoms change with an episode's surfaces.

    Attributes:
        wooden: Ids of the furniture's geoms, (g,).
        materials: Material id of each of them by variant of the wood, (g, variants).
    """

    wooden: NDArray[np.intp]
    materials: NDArray[np.intp]

    @classmethod
    def of(cls, model: mujoco.MjModel) -> Finish:
        """Return the finish of a compiled scene."""
        geoms, rows = [], []
        for geom in range(model.ngeom):
            material = int(model.geom_matid[geom])
            family = model.material(material).name.rstrip("0123456789") if material >= 0 else ""
            if family in _WOODEN:
                geoms.append(geom)
                rows.append([model.material(f"{family}{variant}").id for variant in _EVERY])
        return cls(np.array(geoms, dtype=np.intp), np.array(rows, dtype=np.intp).reshape(len(geoms), len(_EVERY)))


def add_materials(spec: mujoco.MjSpec) -> None:
    """Add the banks of surfaces: woods, walls and floors, for training and held out, and the objects' skins."""
    rng = np.random.default_rng(_TEXTURE_SEED)
    for index in _EVERY[:VARIANTS]:
        _add_variant(spec, rng, index)
    _cube(spec, "pineapple", textures.pineapple_skin(rng))
    _cube(spec, "glaze", textures.speckle(rng), specular=0.25)
    _cube(spec, "cover", textures.speckle(rng))
    for index in range(3):
        _cube(spec, f"label{index}", textures.label(rng), specular=0.15)
    held_out = np.random.default_rng(_HELD_OUT_SEED)
    for index in _EVERY[VARIANTS:]:
        _add_variant(spec, held_out, index)


def add_bay_materials(spec: mujoco.MjSpec, edges: tuple[float, ...]) -> None:
    """Add the woods of furniture with bays, doors and drawers, with the shadow of every corner baked in.

    Args:
        spec: The world being composed.
        edges: Undersides of the boards, as fractions of the back panel from its top.
    """
    rng = np.random.default_rng([_TEXTURE_SEED, 1])
    for index in _EVERY:
        plank = textures.wood(rng, textures.WOODS[index])
        panel = textures.wood(rng, textures.WOODS[index], 256, 128)
        board = textures.shade_depth(plank, back=0.62)
        _flat(spec, f"bay_shelf{index}", textures.shade_sides(board, corner=0.8, across=False))
        side = textures.shade_depth(panel, back=0.58)
        _flat(spec, f"bay_side{index}", textures.shade_shelves(side, edges, floor=0.72, reach=0.12))
        back = textures.shade_shelves(panel, edges, floor=0.5)
        _flat(spec, f"bay_back{index}", textures.shade_sides((back * 0.88).astype(np.uint8)))
        _flat(spec, f"panel{index}", textures.framed((plank * 0.94).astype(np.uint8)))
        upright = np.ascontiguousarray(textures.wood(rng, textures.WOODS[index], 160, 160).transpose(1, 0, 2))
        _flat(spec, f"door{index}", textures.framed((upright * 0.94).astype(np.uint8)))
        _flat(spec, f"inside{index}", textures.shade_sides((plank * 0.78).astype(np.uint8), corner=0.7))
    _flat(spec, "screen", textures.framed(textures.woven(rng, _SCREEN_COLOR), border=0.06))


def apply(model: mujoco.MjModel, finish: Finish, appearance: Appearance) -> None:
    """Select an episode's surfaces and light by editing ids and colours in place."""
    chosen, light = appearance.surfaces, appearance.light
    model.geom_matid[model.geom("floor").id] = model.material(f"floor{chosen.floor}").id
    model.geom_matid[model.geom("wall").id] = model.material(f"wall{chosen.wall}").id
    model.geom_matid[finish.wooden] = finish.materials[:, chosen.wood]
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


def _add_variant(spec: mujoco.MjSpec, rng: np.random.Generator, index: int) -> None:
    plank = textures.wood(rng, textures.WOODS[index])
    _flat(spec, f"shelf{index}", textures.shade_depth(plank, back=0.62))
    _flat(spec, f"side{index}", textures.shade_depth(plank, back=0.55))
    panel = textures.wood(rng, textures.WOODS[index], 256, 256)
    _flat(spec, f"back{index}", textures.shade_shelves(panel, _BOARD_EDGES))
    _flat(spec, f"front{index}", (plank * 0.9).astype(np.uint8))
    _flat(spec, f"wall{index}", textures.plaster(rng, textures.WALLS[index]), repeat=3.0)
    _flat(spec, f"floor{index}", textures.planks(rng, textures.FLOORS[index]), repeat=5.0)


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
