"""Any graspable class can be a task's target: one copy of it, inside a compartment that it fits into."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import UsageError
from robots.region import Opening
from robots.sim.layout import sample_episode, target_posterior
from robots.sim.layouts.prior import COLUMNS
from robots.sim.objects import CLASSES
from robots.sim.tasks import TASKS, find_task, scene_of, searched_scene, targets_of

SHELVED = sorted(task for task in TASKS if scene_of(task) != "koch")
PRESETS = st.sampled_from(["none", "extreme"])
VALIDATION = st.integers(100_000, 199_999)


@given(st.sampled_from(SHELVED), st.data(), VALIDATION, PRESETS, st.sampled_from(["standard", "distractor"]))
@settings(max_examples=150, deadline=None)
def test_the_target_is_alone_of_its_kind_and_stands_wholly_inside(task, data, seed, preset, variant):
    target = data.draw(st.sampled_from(targets_of(task)))
    spec = sample_episode(task, seed, target=target, randomization=preset, variant=variant)
    assert [item.kind for item in spec.objects].count(target) == 1
    item, kind = spec.objects[0], CLASSES[target]
    (place,) = [
        c
        for c in spec.region.compartments
        if abs(c.floor_z_m - item.position_m[2]) < 1e-6 and c.y_min_m <= item.position_m[1] <= c.y_max_m
    ]
    assert kind.height_m <= place.clearance_m
    radius = kind.radius_m * item.scale
    assert place.y_min_m <= item.position_m[1] - radius
    assert item.position_m[1] + radius <= place.y_max_m
    if place.opening is Opening.FRONT:
        assert place.front_x_m <= item.position_m[0] - radius
        assert item.position_m[0] + radius <= place.front_x_m + place.depth_m


@pytest.mark.parametrize("seed", range(100_000, 100_020))
def test_randomisation_takes_no_lookalikes_away(seed):
    def lookalikes(preset):
        spec = sample_episode("shelf_cabinet", seed, variant="distractor", randomization=preset)
        return sorted(item.name for item in spec.objects if item.kind in CLASSES[spec.task.target].lookalikes)

    assert lookalikes("extreme") == lookalikes("none")


def test_what_is_too_tall_for_the_drawer_is_never_expected_there():
    spec = sample_episode("shelf_cabinet", 100_000, target="bottle")
    weights = target_posterior(spec)
    drawer = [place.name for place in spec.region.compartments].index("drawer")
    assert weights.shape == (len(spec.region.compartments), COLUMNS)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[drawer].sum() == 0.0
    assert target_posterior(sample_episode("shelf_cabinet", 100_000))[drawer].sum() > 0.0


def test_instructions_name_the_target_and_unknown_ones_are_refused():
    assert find_task("bookshelf_pineapple", "mug").instruction == "Pick up the mug from the bookshelf."
    with pytest.raises(UsageError, match="mug"):
        find_task("bookshelf_pineapple", "mugg")


def test_what_has_no_shelves_is_refused_for_searching() -> None:
    assert searched_scene("shelf_cabinet") == "cabinet"
    with pytest.raises(UsageError, match="koch_lift has no shelves to search"):
        searched_scene("koch_lift")
