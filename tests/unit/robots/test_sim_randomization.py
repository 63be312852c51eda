"""Randomisation: strict files, groups that do not touch each other, light below the clamp, objects apart."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import SpecError, UsageError
from robots.sim.appearance import Appearance, CameraSpec, ControlSpec, SensorSpec, SurfaceSpec
from robots.sim.episode import EpisodeSpec
from robots.sim.layout import sample_episode
from robots.sim.objects import CLASSES
from robots.sim.randomization import PRESETS, Randomization, find_randomization, load_randomization, presets
from robots.sim.randomize import appearance_rng, randomize, sample_appearance
from robots.sim.ranges import Jpeg, Lights, Noise, Scale, Textures
from robots.sim.rearrange import GAP_M, radius_of

TASK = "bookshelf_pineapple"
GROUPS = [field.name for field in dataclasses.fields(Randomization)]
OBJECT_GROUPS = ("object_poses", "scale", "clutter_count")
SEEDS = st.integers(0, 99_999)
NAMES = st.sampled_from(presets())


def switched(ranges, group, *, enabled):
    return dataclasses.replace(ranges, **{group: dataclasses.replace(getattr(ranges, group), enabled=enabled)})


def only(ranges, group):
    """The given ranges with every other group off."""
    for name in GROUPS:
        ranges = switched(ranges, name, enabled=name == group)
    return ranges


def places(spec):
    return [(item.name, item.position_m, item.yaw_rad) for item in spec.objects]


def drawn_by_group(spec):
    """What each appearance group decides, by group."""
    look = spec.appearance
    return {
        "textures": look.surfaces,
        "tint": [item.tint_rgb for item in spec.objects],
        "lights": look.light,
        "camera_pose": (look.camera.shift_m, look.camera.turn_rad),
        "field_of_view": look.camera.fovy_change_rad,
        "exposure": look.sensor.exposure,
        "noise": look.sensor.noise,
        "blur": look.sensor.blur_px,
        "jpeg": look.sensor.jpeg_quality,
        "scale": [item.scale for item in spec.objects],
        "latency": look.control.latency_steps,
        "dropped_frames": look.control.dropped_frames,
        "action_noise": look.control.action_noise,
    }


# Files


def test_the_shipped_presets_load():
    assert presets() == ["extreme", "none", "shifted", "train"]
    for name in presets():
        assert load_randomization(name) == load_randomization(PRESETS / f"{name}.yaml") == find_randomization(name)


def test_a_group_is_off_until_a_file_names_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("noise: {levels: [1, 2]}\nblur: {enabled: false, sigma_px: [1, 2]}\n")
    ranges = load_randomization(path)
    assert ranges.noise == Noise(levels=(1.0, 2.0))
    assert not ranges.blur.enabled
    assert not ranges.lights.enabled


def test_an_unknown_preset_lists_the_choices():
    with pytest.raises(UsageError, match="Did you mean 'shifted'"):
        load_randomization("shiftd")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nois: {levels: [1, 2]}", "Did you mean 'noise'"),
        ("noise: {level: [1, 2]}", "mine.yaml.noise: unknown field 'level'.*Did you mean 'levels'"),
        ("noise: {levels: [2, 1]}", "noise: levels needs its lower end first"),
        ("noise: {levels: [-1, 1]}", "noise: levels must stay in"),
        ("noise: {levels: [0, .inf]}", "finite"),
        ("noise: {levels: [.nan, 1]}", "finite"),
        ("noise: {levels: 3}", "noise.levels: expected a list"),
        ("latency: {steps: [0, 1.5]}", "integer"),
        ("jpeg: {share: 1.5, quality: [50, 60]}", "share must lie in"),
        ("textures: {woods: [99]}", "woods needs indices"),
        ("textures: {woods: []}", "woods needs indices"),
        ("lights: {ambient: [0.1, 0.5], headlight: [0.1, 0.3], lamp: [0.1, 0.3]}", "together; keep it below 1"),
        ("- noise", "expected a mapping"),
        ("noise: [", "not valid YAML"),
    ],
)
def test_bad_files_name_the_place(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises((UsageError, SpecError), match=message):
        load_randomization(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.yaml: No such file"):
        load_randomization(tmp_path / "gone.yaml")


# Presets


def test_none_leaves_only_the_layout():
    for seed in range(5):
        spec = sample_episode(TASK, seed, randomization="none")
        assert spec.appearance == Appearance()
        assert all(item.scale == 1.0 and item.tint_rgb in CLASSES[item.kind].tints for item in spec.objects)


@pytest.mark.parametrize("group", [name for name in GROUPS if name not in ("clutter_count", "object_poses")])
def test_shifted_lies_outside_train(group):
    """Every range, except where training varies a symmetric offset, is one that training never draws from."""
    seen, new = getattr(find_randomization("train"), group), getattr(find_randomization("shifted"), group)
    assert seen.enabled
    assert new.enabled
    if isinstance(seen, Textures):
        assert not any(set(getattr(seen, bank)) & set(getattr(new, bank)) for bank in ("woods", "walls", "floors"))
        return
    names = [field.name for field in dataclasses.fields(seen) if field.name not in ("enabled", "share", "shift")]
    for name in names or ["share"]:
        (low, high), (new_low, new_high) = getattr(seen, name), getattr(new, name)
        assert new_high < low or new_low > high, name


@given(SEEDS, NAMES)
@settings(deadline=None)
def test_light_never_clips(seed, name):
    light = sample_episode(TASK, seed, randomization=name).appearance.light
    assert max(sum(channel) for channel in zip(light.ambient, light.headlight, light.lamp, strict=True)) < 1.0


@given(SEEDS, NAMES)
@settings(deadline=None)
def test_randomised_episodes_survive_json(seed, name):
    spec = sample_episode(TASK, seed, randomization=name)
    assert EpisodeSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


# Streams


@given(SEEDS)
@settings(deadline=None)
def test_one_layout_is_seen_under_every_preset(seed):
    expected = places(sample_episode(TASK, seed, randomization="none"))
    for name in presets():
        ranges = find_randomization(name)
        for group in OBJECT_GROUPS:
            ranges = switched(ranges, group, enabled=False)
        assert places(sample_episode(TASK, seed, randomization=ranges)) == expected


@given(SEEDS, st.sampled_from(GROUPS))
@settings(max_examples=60, deadline=None)
def test_switching_a_group_off_changes_no_other_group(seed, group):
    # Without clutter_count: it decides which objects there are to tint and to scale.
    full = switched(find_randomization("extreme"), "clutter_count", enabled=False)
    full = switched(full, "object_poses", enabled=False)
    before = drawn_by_group(sample_episode(TASK, seed, randomization=full))
    after = drawn_by_group(sample_episode(TASK, seed, randomization=switched(full, group, enabled=False)))
    assert {name for name in before if name != group and before[name] != after[name]} == set()


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_varies_something_of_its_own(group):
    ranges = only(find_randomization("extreme"), group)
    drawn = [sample_episode(TASK, seed, randomization=ranges) for seed in range(6)]
    plain = [sample_episode(TASK, seed, randomization="none") for seed in range(6)]
    assert any(
        one.objects != two.objects or one.appearance != two.appearance for one, two in zip(drawn, plain, strict=True)
    )
    for one, two in zip(drawn, plain, strict=True):
        same = {name for name, value in drawn_by_group(one).items() if value == drawn_by_group(two)[name]}
        others = set(drawn_by_group(one)) - {group}
        assert group in ("clutter_count", "object_poses") or others <= same


def test_present_and_absent_twins_look_alike():
    for seed in range(20):
        present = sample_episode(TASK, seed, randomization="extreme")
        absent = sample_episode(TASK, seed, randomization="extreme", variant="absent")
        assert absent.objects == present.objects[1:]
        assert absent.appearance == present.appearance


def test_the_generator_passed_in_is_the_only_source():
    ranges = find_randomization("extreme")
    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = sample_appearance(ranges, appearance_rng(TASK, 3))
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert sample_appearance(ranges, appearance_rng(TASK, 3)) == first
    assert sample_appearance(ranges, appearance_rng(TASK, 4)) != first
    assert sample_appearance(ranges, appearance_rng("bookshelf_duck", 3)) != first


# Objects


def gaps(spec):
    for index, one in enumerate(spec.objects):
        for other in spec.objects[:index]:
            if one.position_m[2] == other.position_m[2]:
                yield math.dist(one.position_m[:2], other.position_m[:2]) - radius_of(one) - radius_of(other)


WILD = dataclasses.replace(find_randomization("extreme"), scale=Scale(factor=(0.6, 2.0)))


@given(SEEDS, st.sampled_from(["bookshelf_pineapple", "bookshelf_duck"]), st.sampled_from([*presets(), "wild"]))
@settings(deadline=None)
def test_objects_never_touch_each_other_or_the_bookcase(seed, task, name):
    spec = sample_episode(task, seed, randomization=WILD if name == "wild" else name)
    assert min(gaps(spec), default=1.0) > GAP_M - 1e-9
    for item in spec.objects:
        (x, y, z), radius = item.position_m, radius_of(item)
        shelf = next(place for place in spec.region.compartments if place.floor_z_m == z)
        assert shelf.front_x_m + radius <= x <= shelf.front_x_m + shelf.depth_m - radius
        assert shelf.y_min_m + radius <= y <= shelf.y_max_m - radius
        assert CLASSES[item.kind].height_m * item.scale < shelf.clearance_m


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_number_of_objects_follows_where_there_is_room(seed):
    for count in (4, 18):
        ranges = dataclasses.replace(Randomization(), clutter_count=type(WILD.clutter_count)(count=(count, count)))
        spec = sample_episode(TASK, seed, randomization=ranges)
        plain = sample_episode(TASK, seed, randomization="none")
        target = plain.objects[0].position_m[2]
        beside = {item for item in plain.objects if item.position_m[2] == target}
        assert {item for item in spec.objects if item.position_m[2] == target} == beside
        if count == 4:
            assert len(spec.objects) == max(5, len(beside))
        else:
            assert len(plain.objects) <= len(spec.objects) <= max(19, len(plain.objects))


def test_scales_follow_the_range_where_there_is_room():
    ranges = dataclasses.replace(Randomization(), scale=Scale(factor=(0.92, 1.10)))
    scales = [item.scale for seed in range(40) for item in sample_episode(TASK, seed, randomization=ranges).objects]
    assert min(scales) == pytest.approx(0.92, abs=0.01)
    assert max(scales) == pytest.approx(1.10, abs=0.01)
    assert np.mean(scales) == pytest.approx(1.01, abs=0.01)


def test_jpeg_meets_its_share_of_episodes():
    ranges = dataclasses.replace(Randomization(), jpeg=Jpeg(share=0.3, quality=(50, 60)))
    drawn = [sample_appearance(ranges, appearance_rng(TASK, seed)).sensor.jpeg_quality for seed in range(400)]
    assert set(drawn) == {0, *range(50, 61)}
    assert 0.22 < np.mean([quality > 0 for quality in drawn]) < 0.38


def test_randomize_replaces_an_earlier_appearance():
    spec = sample_episode(TASK, 1, randomization="extreme")
    assert randomize(spec, Randomization(), appearance_rng(TASK, 1)).appearance == Appearance()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (SurfaceSpec, {"wood": 99}),
        (SurfaceSpec, {"floor": -1}),
        (CameraSpec, {"shift_m": (0.0, 0.0, 1.0)}),
        (CameraSpec, {"fovy_change_rad": 2.0}),
        (SensorSpec, {"noise": -1.0}),
        (SensorSpec, {"jpeg_quality": 101}),
        (ControlSpec, {"latency_steps": 1000}),
        (ControlSpec, {"dropped_frames": 1.0}),
        (ControlSpec, {"action_noise": -0.1}),
    ],
)
def test_appearances_out_of_bounds_are_refused(kind, values):
    with pytest.raises(SpecError, match=next(iter(values))):
        kind(**values)


def test_lights_refuse_to_clip_together():
    Lights(ambient=(0.1, 0.5), headlight=(0.1, 0.3), lamp=(0.1, 0.19))
    with pytest.raises(UsageError, match="below 1"):
        Lights(ambient=(0.1, 0.5), headlight=(0.1, 0.3), lamp=(0.1, 0.2))
