"""The cabinet's furniture: nothing touches at any opening, parts move under an arm's force and rest without one."""

import hashlib
import math

import mujoco
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from robots.errors import UsageError
from robots.region import Opening
from robots.sim import cabinetry, surfaces, textures
from robots.sim.furniture import FURNITURE, PartKind
from robots.sim.scene import BUILDERS, build_scene

PARTS = {part.name: part for part in FURNITURE["complex"].parts}
DOORS = ("door_left", "door_right")
JOINTED = (*DOORS, "drawer")


@pytest.fixture(scope="module")
def scene():
    return build_scene("complex", timestep_s=0.004)


@pytest.fixture
def data(scene):
    scene.model.body_pos[scene.model.body("screen").id, 1] = PARTS["screen"].low  # beside the drawer
    return mujoco.MjData(scene.model)


def opened(scene, values):
    """Return the state in which the parts stand as told; screens move the model."""
    for name, value in values.items():
        if PARTS[name].kind is PartKind.SCREEN:
            scene.model.body_pos[scene.model.body(name).id, 1] = value
    data = mujoco.MjData(scene.model)
    for name, value in values.items():
        if PARTS[name].kind is not PartKind.SCREEN:
            data.joint(name).qpos[0] = value
    mujoco.mj_forward(scene.model, data)
    return data


def step(scene, data, seconds, **forces):
    for name, force in forces.items():
        data.joint(name).qfrc_applied[0] = force
    for _ in range(round(seconds / scene.model.opt.timestep)):
        mujoco.mj_step(scene.model, data)


def stand_in_drawer(scene, data, name, *, at_m=0.10):
    """Put an object on the drawer's floor, `at_m` behind its front."""
    inside = FURNITURE["complex"].region.find("drawer")
    start = data.xpos[scene.model.body("drawer").id]
    data.joint(name).qpos[:] = (start[0] + at_m, 0.5 * (inside.y_min_m + inside.y_max_m), inside.floor_z_m, 1, 0, 0, 0)
    mujoco.mj_forward(scene.model, data)


anywhere = st.fixed_dictionaries({name: st.floats(part.low, part.high) for name, part in PARTS.items()})


@settings(max_examples=60, deadline=None)
@example({"door_left": 0.0, "door_right": 0.0, "drawer": 0.02, "screen": PARTS["screen"].low})
@given(anywhere)
def test_nothing_touches_the_furniture_at_any_opening(scene, values):
    data = opened(scene, values)
    bodies = scene.model.geom_bodyid
    mine = {scene.model.body(name).id for name in PARTS}
    touching = [
        (scene.model.geom(a).name, scene.model.geom(b).name)
        for a, b in data.contact.geom[: data.ncon]
        if {int(bodies[a]), int(bodies[b])} & mine
    ]
    assert touching == []


@pytest.mark.parametrize("name", JOINTED)
def test_ranges_are_those_of_the_furniture_in_radians_and_metres(scene, name):
    np.testing.assert_allclose(scene.model.joint(name).range, [PARTS[name].low, PARTS[name].high])
    assert scene.model.joint(name).qpos0[0] == 0.0  # the zero of the joint is closed


@pytest.mark.parametrize("name", JOINTED)
def test_handles_are_bars_that_a_gripper_closes_around(scene, data, name):
    mujoco.mj_forward(scene.model, data)
    site = data.site(f"{name}_handle")
    bar, out = site.xmat.reshape(3, 3)[:, 0], site.xmat.reshape(3, 3)[:, 2]
    np.testing.assert_allclose(out, [-1.0, 0.0, 0.0], atol=1e-9)  # out of the panel, towards the robot
    np.testing.assert_allclose(np.abs(bar), [0, 0, 1] if name in DOORS else [0, 1, 0], atol=1e-9)
    ray = np.array([-1], dtype=np.int32)
    behind = mujoco.mj_ray(scene.model, data, site.xpos - 0.008 * out, -out, None, 1, -1, ray)
    assert behind >= 0.04
    assert scene.model.geom(int(ray[0])).name == f"{name}_panel"
    assert 2 * scene.model.geom(f"{name}_handle_bar").size[0] == pytest.approx(0.014)


@pytest.mark.parametrize("name", DOORS)
def test_doors_open_away_from_the_middle_and_towards_the_robot(scene, name):
    closed, open_ = (opened(scene, {name: value}).site(f"{name}_handle").xpos for value in (0.0, math.pi / 2))
    assert open_[0] < closed[0] - 0.15
    assert abs(open_[1]) > abs(closed[1]) + 0.1


@pytest.mark.parametrize(("name", "force"), [("door_left", 0.9), ("door_right", 0.9), ("drawer", 6.0)])
def test_parts_follow_a_pull_and_stay_where_they_are_put(scene, data, name, force):
    mujoco.mj_forward(scene.model, data)
    step(scene, data, 1.0, **{name: 0.1 * force})
    assert data.joint(name).qpos[0] < 0.01 * PARTS[name].high
    step(scene, data, 3.0, **{name: force})
    assert data.joint(name).qpos[0] > 0.4 * PARTS[name].high
    step(scene, data, 1.0, **{name: 0.0})
    rest = float(data.joint(name).qpos[0])
    step(scene, data, 2.0)
    assert data.joint(name).qpos[0] == pytest.approx(rest, abs=1e-4)


def test_a_drawer_carries_what_stands_in_it(scene, data):
    data.joint("drawer").qpos[0] = 0.2
    mujoco.mj_forward(scene.model, data)
    stand_in_drawer(scene, data, "duck_0")
    step(scene, data, 0.5)
    before = data.xpos[scene.model.body("duck_0").id].copy()
    step(scene, data, 4.0, drawer=-3.5)
    assert data.joint("drawer").qpos[0] < 0.01
    moved = data.xpos[scene.model.body("duck_0").id] - before
    np.testing.assert_allclose(moved, [0.2, 0.0, 0.0], atol=0.02)
    step(scene, data, 4.0, drawer=3.5)
    np.testing.assert_allclose(data.xpos[scene.model.body("duck_0").id] - before, np.zeros(3), atol=0.02)


def test_a_drawer_with_the_tallest_target_passes_under_the_fascia(scene, data):
    data.joint("drawer").qpos[0] = 0.2
    mujoco.mj_forward(scene.model, data)
    stand_in_drawer(scene, data, "pineapple_0")
    step(scene, data, 4.0, drawer=-3.5)
    assert data.joint("drawer").qpos[0] < 0.01
    upright = data.xmat[scene.model.body("pineapple_0").id].reshape(3, 3)[2, 2]
    assert upright > 0.98


def test_parts_sleep_and_a_push_wakes_them_with_their_content(scene, data):
    data.joint("drawer").qpos[0] = 0.15
    mujoco.mj_forward(scene.model, data)
    stand_in_drawer(scene, data, "duck_0")
    step(scene, data, 2.0)
    assert data.ntree_awake == 1  # the arm alone
    step(scene, data, 0.2, drawer=-3.5)
    assert data.ntree_awake >= 3
    assert data.joint("drawer").qpos[0] < 0.149
    assert abs(data.joint("duck_0").qvel[0]) > 0.0


def test_drawer_measures_are_those_of_its_region(scene, data):
    inside = FURNITURE["complex"].region.find("drawer")
    values = opened(scene, {"drawer": PARTS["drawer"].high})
    assert inside.opening is Opening.TOP
    rays = {
        "drawer_floor": ((0.0, 0.0, -1.0), inside.clearance_m),
        "drawer_panel": ((-1.0, 0.0, 0.0), 0.1),
        "drawer_left": ((0.0, 1.0, 0.0), 0.5 * (inside.y_max_m - inside.y_min_m)),
        "drawer_right": ((0.0, -1.0, 0.0), 0.5 * (inside.y_max_m - inside.y_min_m)),
    }
    for name, (way, distance) in rays.items():
        height = inside.top_z_m if name == "drawer_floor" else inside.floor_z_m + 0.05
        start = np.array([inside.front_x_m + 0.1, 0.5 * (inside.y_min_m + inside.y_max_m), height])
        hit = np.array([-1], dtype=np.int32)
        assert mujoco.mj_ray(scene.model, values, start, np.array(way), None, 1, -1, hit) == pytest.approx(
            distance, abs=0.003
        )
        assert scene.model.geom(int(hit[0])).name == name


def test_a_screen_leaves_a_gap_on_either_side_that_the_gripper_passes():
    place, part = FURNITURE["complex"].region.find("shelf0_center"), PARTS["screen"]
    for value in (part.low, part.high):
        right, left = value - cabinetry.SCREEN_HALF_M, value + cabinetry.SCREEN_HALF_M
        assert max(right - place.y_min_m, place.y_max_m - left) > 0.095


def test_every_scene_has_a_builder_and_unknown_ones_are_refused():
    assert set(BUILDERS) == set(FURNITURE)
    with pytest.raises(UsageError, match="cabinet"):
        build_scene("cabinett", timestep_s=0.004)


def test_the_training_textures_keep_their_bytes():
    spec = mujoco.MjSpec()
    surfaces.add_materials(spec)
    names = [f"{kind}{index}" for index in range(4) for kind in ("shelf", "side", "back", "front", "wall", "floor")]
    names += ["pineapple", "glaze", "cover", "label0", "label1", "label2"]
    digest = hashlib.sha256(b"".join(bytes(spec.texture(name).data) for name in names)).hexdigest()
    assert digest[:16] == "5f9ed047cad21d0e"


def test_bays_are_baked_dark_in_their_corners_and_below_boards():
    plank = np.full((64, 64, 3), 200, dtype=np.uint8)
    sides = textures.shade_sides(plank)
    assert sides[:, 0].mean() < 0.8 * sides[:, 32].mean() > 0.0
    np.testing.assert_array_equal(sides[:, 0], sides[:, -1])
    assert textures.shade_sides(plank, across=False)[0].mean() < 0.8 * 200
    frame = textures.framed(plank)
    assert frame[32, 32].mean() < frame[4, 32].mean()
