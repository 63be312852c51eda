"""The classes: what a gripper can hold, what looks like what, and that the measures are those of the shapes."""

import mujoco
import numpy as np
import pytest

from robots.sim.objects import CLASSES, CLUTTER, LARGEST_SCALE
from robots.sim.scene import build_scene
from robots.sim.tasks import TASKS

GRIPPER_CLEAR_M = 0.078  # of 85 mm, the rest is air
UP = np.array([0.0, 0.0, 1.0])
COPIES = [(kind.name, index) for kind in CLASSES.values() for index in range(kind.copies)]


@pytest.fixture(scope="module")
def parked():
    model = build_scene("bookcase", timestep_s=0.004).model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def reach(model, data, body, point, way, far=0.20):
    """Return how far the body's surface lies from a point inside it, along a direction; inf where it has none."""
    hit = np.array([-1], dtype=np.int32)
    distance = mujoco.mj_ray(model, data, point + far * way, -way, None, 0, -1, hit)
    found = distance >= 0 and model.geom_bodyid[hit[0]] == body
    return far - distance if found else -np.inf


def test_there_are_enough_classes_for_instructions_to_mean_something():
    assert len(CLASSES) >= 12
    assert len({kind.word for kind in CLASSES.values()}) == len(CLASSES)
    assert CLASSES["duck"].word == "rubber duck"


def test_everything_but_the_bowl_fits_the_gripper_at_its_largest():
    assert [kind.name for kind in CLASSES.values() if not kind.graspable] == ["bowl"]
    for kind in CLASSES.values():
        for grip in kind.grips:
            assert grip.width_m * LARGEST_SCALE <= GRIPPER_CLEAR_M, kind.name


@pytest.mark.parametrize(("name", "index"), COPIES)
def test_grips_and_heights_are_those_of_the_shape(parked, name, index):
    model, data = parked
    kind, body = CLASSES[name], model.body(f"{name}_{index}").id
    for grip in kind.grips:
        point = data.xpos[body] + np.array(grip.center_m)
        narrow = np.array([1.0, 0, 0]) if grip.half_x_m <= grip.half_y_m else np.array([0, 1.0, 0])
        for sign in (1.0, -1.0):
            half = reach(model, data, body, point, sign * narrow)
            assert 0.010 < half <= 0.5 * grip.width_m + 0.007
    tops = [reach(model, data, body, data.xpos[body] + [x, 0, 0], UP, 0.40) for x in (0.0, 0.02, 0.058)]
    assert 0.5 * kind.height_m < max(tops) <= 1.1 * kind.height_m


def test_lookalikes_companions_and_twins_name_classes():
    for kind in CLASSES.values():
        assert kind.lookalikes, kind.name
        assert kind.name not in kind.lookalikes
        assert {*kind.lookalikes, *kind.companions, *kind.color_twins} <= set(CLASSES)
        assert bool(kind.color_twins) == (kind.color is not None)


def test_targets_have_lookalikes_by_shape_and_by_colour():
    for task in TASKS.values():
        if task.target in CLASSES:
            kind = CLASSES[task.target]
            assert kind.lookalikes
            assert kind.color_twins
    assert "bowl" in CLASSES["pineapple"].companions


def test_layouts_draw_no_lookalikes_as_clutter():
    drawn = {kind.name for kind in CLUTTER}
    assert not drawn & {"pinecone", "goose", "jar", "cup", "cactus", "lemon"}
    assert len(drawn) == 11


def test_colour_twins_take_their_models_colour(parked):
    model, _ = parked
    for kind in CLASSES.values():
        for twin in kind.color_twins:
            body = model.body(f"{twin}_0").id
            assert any(
                np.array_equal(model.geom_rgba[g], [1, 1, 1, 1]) for g in np.flatnonzero(model.geom_bodyid == body)
            )
