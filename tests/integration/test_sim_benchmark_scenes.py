"""What the simulation's benchmark compares: the same view from primitives and from meshes, in every scene."""

import mujoco
import numpy as np
import pytest

from benchmarks.report import Row, against
from benchmarks.sim_drive import episode, open_robot
from benchmarks.sim_meshes import detailed
from benchmarks.sim_tessellation import tessellate
from robots.sim.episode import EpisodeSpec
from robots.sim.furniture import FURNITURE
from robots.sim.rendering import SceneRenderer
from robots.sim.scene import THIRD_PERSON_CAMERA

Geom = mujoco.mjtGeom
SHAPES = {
    Geom.mjGEOM_BOX: ((0.1, 0.2, 0.3), 8 * 0.1 * 0.2 * 0.3),
    Geom.mjGEOM_SPHERE: ((0.2, 0.0, 0.0), 4 / 3 * np.pi * 0.2**3),
    Geom.mjGEOM_ELLIPSOID: ((0.1, 0.2, 0.3), 4 / 3 * np.pi * 0.1 * 0.2 * 0.3),
    Geom.mjGEOM_CAPSULE: ((0.1, 0.3, 0.0), np.pi * 0.1**2 * (0.6 + 4 / 3 * 0.1)),
    Geom.mjGEOM_CYLINDER: ((0.1, 0.3, 0.0), np.pi * 0.1**2 * 0.6),
    Geom.mjGEOM_PLANE: ((0.0, 3.0, 0.1), 8 * 5.0 * 3.0 * 0.0005),
}


@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.name)
def test_a_tessellated_primitive_is_closed_faces_outwards_and_keeps_its_volume(kind):
    size, volume = SHAPES[kind]
    vertices, faces = tessellate(int(kind), np.array(size), 4000)
    corners = vertices[faces]
    assert len(faces) == pytest.approx(4000, rel=0.1)
    # The divergence theorem: only a closed surface that faces outwards has the volume and no net area.
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    assert np.abs(areas.sum(axis=0)).max() < 1e-9
    assert (areas * corners.mean(axis=1)).sum() / 3 == pytest.approx(volume, rel=0.02)


@pytest.mark.parametrize("scene", FURNITURE)
def test_every_scene_has_an_episode_that_stands_still(scene):
    spec = episode(scene)
    assert spec.scene == scene
    assert EpisodeSpec.from_dict(spec.to_dict()) == spec
    with open_robot(scene, 84) as robot:
        robot.reset(spec)
        stood = {item.name: np.array(item.position_m) for item in spec.objects}
        for _ in range(15):
            robot.hold()
        moved = [np.linalg.norm(robot.data.body(name).xpos - place) for name, place in stood.items()]
    assert len(spec.objects) >= 3
    assert max(moved) < 0.01


def test_meshes_show_the_same_view_as_the_primitives_that_they_replace():
    with open_robot("bookcase", 84) as robot:
        robot.reset(episode("bookcase"))
        camera = robot.arm.wrist_camera
        ours = robot.renderer.geom_ids(robot.data, camera, (84, 84))
        plain = robot.renderer.color(robot.data, camera, (84, 84))
        model = detailed(robot.model, robot.data, 60_000)
        drawn = np.flatnonzero(robot.model.geom_rgba[:, 3] > 0.0)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        model.light_castshadow[:] = True
        images, watched = {}, {}
        for shadows in (False, True):
            renderer = SceneRenderer(model, shadows=shadows)
            images[shadows] = renderer.color(data, camera, (84, 84))
            watched[shadows] = renderer.color(data, THIRD_PERSON_CAMERA, (84, 84)).astype(int)
            theirs = renderer.geom_ids(data, camera, (84, 84))
            renderer.close()
            assert ((ours >= 0) == (theirs >= 0)).all()
            assert (drawn[theirs] == ours).mean() > 0.97
    assert model.mesh_facenum.sum() == pytest.approx(60_000, rel=0.1)
    assert images[False].mean() == pytest.approx(plain.mean(), rel=0.1)
    # Whatever the layout, the arm casts a shadow on the floor behind it.
    lost = watched[False] - watched[True]
    assert lost.min() >= -2
    assert (lost > 5).mean() > 0.003


def test_a_bound_is_printed_beside_its_figure_with_their_ratio():
    assert against(Row("rate", 300.0, "1/s"), 240.0) == [
        Row("rate", 300.0, "1/s"),
        Row("rate.bound", 240.0, "1/s"),
        Row("rate.of_bound", 1.25, "x"),
    ]
