"""The target's place follows its stated distribution, and nothing that a layout does not name changes it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from robots.errors import SpecError, UsageError
from robots.sim.cues import Cues, Place
from robots.sim.experts.collision import CollisionChecker
from robots.sim.furniture import BOOKCASE, CABINET
from robots.sim.layout import OCCLUSION, sample_episode
from robots.sim.layouts.occlusion import visible_fraction
from robots.sim.layouts.prior import UNIFORM, LayoutPrior, draw_place, load_prior, posterior, presets
from robots.sim.layouts.starts import STARTS
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.scene import HOME_RAD

CUES = Cues(
    density=(0.5, 0.32, 0.18), ajar=(0.0, 0.0, 0.0), companions=(Place(2, 0.1),), tall=(Place(0, -0.2), Place(1, 0.3))
)
STRENGTHS = st.floats(0.0, 1.0)


@given(st.builds(LayoutPrior, STRENGTHS, STRENGTHS, STRENGTHS, STRENGTHS))
def test_the_posterior_is_a_distribution(prior):
    weights = posterior(CUES, prior, BOOKCASE.region)
    assert weights.shape == (3, 12)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0.0).all()


def test_draws_follow_the_posterior():
    rng, prior = np.random.default_rng(0), LayoutPrior()
    weights = posterior(CUES, prior, BOOKCASE.region)
    counts = np.zeros_like(weights)
    for _ in range(4000):
        index, y = draw_place(rng, CUES, prior, BOOKCASE.region)
        counts[index, int((y - -0.42) / 0.84 * 12)] += 1
    likely = weights > 0.005
    expected = weights[likely] / weights[likely].sum() * counts[likely].sum()
    assert chisquare(counts[likely], expected).pvalue > 1e-3


def test_every_cue_pulls_its_way():
    even = posterior(CUES, UNIFORM, BOOKCASE.region)
    assert np.allclose(even[0], even[1])
    near = posterior(CUES, LayoutPrior(0.0, 1.0, 0.0, 0.0), BOOKCASE.region)
    assert near[2].sum() > even[2].sum()
    assert near[2, 7] == near.max()
    crowded = posterior(CUES, LayoutPrior(0.0, 0.0, 0.0, 1.0), BOOKCASE.region)
    assert list(np.argsort(-crowded.sum(axis=1))) == [0, 1, 2]
    ajar = dataclasses.replace(CUES, density=(1 / 9,) * 9, ajar=(0, 0, 0, 0, 0, 1.0, 0, 0, 0), companions=(), tall=())
    assert np.argmax(posterior(ajar, LayoutPrior(1.0, 0.0, 0.0, 0.0), CABINET.region).sum(axis=1)) == 5


def test_uniform_layouts_say_nothing_about_the_target():
    shelves = np.zeros((3, 3))
    for seed in range(600):
        spec = sample_episode("bookshelf_pineapple", seed, prior="uniform", randomization="none")
        floors = [shelf.floor_z_m for shelf in spec.region.compartments]
        shelves[int(np.argmax(spec.cues.density)), floors.index(spec.objects[0].position_m[2])] += 1
    expected = np.outer(shelves.sum(axis=1), shelves.sum(axis=0)) / shelves.sum()
    assert chisquare(shelves.ravel(), expected.ravel(), ddof=4).pvalue > 1e-3


def test_structured_layouts_put_the_target_where_much_stands():
    hits = 0
    for seed in range(200):
        spec = sample_episode("bookshelf_pineapple", seed, randomization="none")
        floors = [shelf.floor_z_m for shelf in spec.region.compartments]
        hits += floors.index(spec.objects[0].position_m[2]) == int(np.argmax(spec.cues.density))
    assert hits > 0.45 * 200


@given(st.integers(100_000, 199_999), st.sampled_from(["shelf_cabinet", "bookshelf_duck"]))
@settings(max_examples=20, deadline=None)
def test_looks_do_not_change_the_layout(seed, task):
    plain, shifted = (sample_episode(task, seed, randomization=name) for name in ("none", "shifted"))
    assert plain.cues == shifted.cues
    assert plain.parts == shifted.parts
    assert plain.home_rad == shifted.home_rad
    assert [item.name for item in plain.objects] == [item.name for item in shifted.objects]


@pytest.mark.parametrize("bin_name", OCCLUSION)
def test_occlusion_lies_in_the_wished_bin(bin_name):
    low, high = OCCLUSION[bin_name]
    for seed in range(100_000, 100_004):
        for variant in ("standard", "distractor"):
            spec = sample_episode("bookshelf_duck", seed, occlusion=bin_name, variant=variant)
            share = visible_fraction(spec, opened=True)
            assert share < high
            assert share >= low or variant == "distractor"


def test_a_shut_door_hides_and_an_absent_target_shows_nothing():
    spec = next(
        spec for spec in (sample_episode("closed_cabinet", seed) for seed in range(50)) if spec.visible_fraction == 0.0
    )
    assert visible_fraction(spec, opened=True) > 0.0
    assert sample_episode("bookshelf_duck", 1, variant="absent").visible_fraction == 0.0


def test_priors_are_read_strictly(tmp_path):
    assert set(presets()) == {"structured", "uniform"}
    assert load_prior("uniform") == UNIFORM
    with pytest.raises(UsageError, match="Did you mean 'structured'"):
        load_prior("structurd")
    file = tmp_path / "mine.yaml"
    file.write_text("ajr: 0.5\n")
    with pytest.raises(SpecError, match="Did you mean 'ajar'"):
        load_prior(str(file))
    file.write_text("ajar: 1.5\n")
    with pytest.raises(SpecError, match=r"must lie in \[0, 1\]"):
        load_prior(str(file))


@pytest.mark.parametrize("scene", ["bookcase", "cabinet", "complex"])
def test_every_start_is_free_and_leads_home(scene):
    robot = MujocoRobot(SimConfig(scene=scene), lambda: 0.0)
    data = robot.data
    data.qpos[:] = robot.model.qpos0
    for part, value in (("door_left", 1.9), ("door_right", 1.9), ("drawer", 0.2)) if scene != "bookcase" else ():
        data.qpos[robot.model.joint(part).qposadr[0]] = value
    checker = CollisionChecker(robot.model, data.qpos.copy())
    for start in STARTS:
        path = np.linspace(start, HOME_RAD, 20)
        assert checker.path_free(path), start
