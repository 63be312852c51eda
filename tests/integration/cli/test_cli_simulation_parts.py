"""The simulation's own parts of the command line: the oracle's reference and the fitted detector."""

import json

import numpy as np
import pytest

from handoff.cli import main
from handoff.commands.labelled_views import labelled_views
from handoff.commands.oracle import OracleChooser, OracleSearch
from handoff.controller import ControllerConfig
from handoff.detectors.color_shape import ColorShapeDetector, load_model
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import SimConfig
from search_policy.observations import AgentState
from search_policy.seen_map import VIEW_FEATURES

TASK = "bookshelf_pineapple"


def state_of(travel, mask):
    views = np.zeros((len(travel), len(VIEW_FEATURES)), dtype=np.float32)
    views[:, VIEW_FEATURES.index("travel")] = travel
    return AgentState(
        image=np.zeros((84, 84, 3), np.uint8),
        proprioception=np.zeros(14, np.float32),
        seen_map=np.zeros((6, 3, 12), np.float32),
        views=views,
        mask=np.array(mask),
    )


def test_the_oracle_takes_the_nearest_open_view_that_shows_the_target():
    chooser = OracleChooser(np.array([0.0, 0.9, 0.4, 0.2]))
    assert chooser.choose(state_of([0.1, 0.8, 0.5, 0.2], [True] * 4)) == 2
    assert chooser.choose(state_of([0.1, 0.8, 0.5, 0.2], [True, True, False, True])) == 1
    assert chooser.choose(state_of([0.1, 0.8, 0.5, 0.2], [True, False, False, True])) == 3


@pytest.fixture(scope="module")
def oracle():
    return OracleSearch(SimConfig(wrist_px=(168, 168)), ColorShapeDetector.shipped(), ControllerConfig())


def test_the_oracle_finds_the_target_and_repeats_itself(oracle):
    spec = sample_episode(TASK, 100_003)
    steps = oracle.steps(spec)
    assert steps is not None
    assert 5 <= steps <= 80
    assert (
        OracleSearch(SimConfig(wrist_px=(168, 168)), ColorShapeDetector.shipped(), ControllerConfig()).steps(spec)
        == steps
    )


def test_there_is_no_shortest_search_for_an_absent_target(oracle):
    assert oracle.steps(sample_episode(TASK, 100_003, absent=True)) is None


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
