"""The simulation's own parts of the command line: the oracle's reference and the fitted detector."""

import json

import pytest

from handoff.cli import main
from handoff.commands.labelled_views import labelled_views
from handoff.commands.oracle import OracleSearch
from handoff.controller import ControllerConfig
from handoff.detectors.color_shape import ColorShapeDetector, load_model
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import SimConfig
from search_policy.searchers.oracle import shortest

TASK = "bookshelf_pineapple"


def test_the_oracle_counts_the_least_steps_over_its_goals_and_cuts_longer_attempts_short():
    steps, limits = {3: 20, 1: 12, 0: None, 2: 15}, []

    def attempt(order, limit):
        limits.append(limit)
        return steps[order[0]]

    assert shortest(attempt, (3, 1, 0, 2)) == (12, (1, 3, 0, 2))
    assert limits == [None, 20, 12, 12]
    assert shortest(lambda order, limit: None, (0, 1)) is None


@pytest.fixture(scope="module")
def oracle():
    return OracleSearch(SimConfig(wrist_px=(168, 168)), ColorShapeDetector.shipped(), ControllerConfig())


def test_the_oracle_finds_the_target_and_repeats_itself(oracle):
    spec = sample_episode(TASK, 100_001)
    steps = oracle.steps(spec)
    assert steps is not None
    assert 5 <= steps <= 80
    assert (
        OracleSearch(SimConfig(wrist_px=(168, 168)), ColorShapeDetector.shipped(), ControllerConfig()).steps(spec)
        == steps
    )


def test_there_is_no_shortest_search_for_an_absent_target(oracle):
    assert oracle.steps(sample_episode(TASK, 100_003, variant="absent")) is None


def test_labelled_views_show_the_target_where_the_mask_says(tmp_path):
    views = list(labelled_views(TASK, range(50_000, 50_010), 24, wrist_px=84))
    assert any(view.mask.any() for view in views)
    assert not all(view.mask.any() for view in views)
    for view in views:
        assert view.image.shape == (84, 84, 3)
        assert (view.visible_fraction > 0) == view.mask.any()


def test_fitting_writes_weights_with_a_card_that_states_its_measures(tmp_path, capsys):
    options = ["--images", "200", "--validation_images", "100", "--wrist_px", "84", "--out", str(tmp_path)]
    assert main(["fit-detector", "--task", TASK, *options]) == 0
    assert "recall" in capsys.readouterr().out
    assert load_model(tmp_path / "pineapple.safetensors").score is not None
    meta = json.loads((tmp_path / "pineapple.json").read_text())
    assert meta["validation"]["recall"] > 0.4
    card = (tmp_path / "pineapple.md").read_text()
    for word in ("baton fit-detector", "seeds from 50 000", "recall", "Limits"):
        assert word in card


def test_too_few_images_are_refused(capsys):
    assert main(["fit-detector", "--images", "3"]) == 2
    assert "at least 100" in capsys.readouterr().err
