"""The colour-shape detector learns an object from labelled images, and its weights load strictly."""

import json

import numpy as np
import pytest

from handoff.detectors.appearance import FEATURES, TABLE_SIZE, color_bins, describe
from handoff.detectors.color_shape import ColorShapeDetector, ColorShapeModel, load_model
from handoff.detectors.fitting import LabelledImage, fit, is_target, save_model, train_network
from handoff.detectors.measures import expected_calibration_error, measure
from robots.errors import CheckpointError, UsageError
from robots.types import Observation, Task

BODY, CROWN, SHELF = (220, 170, 40), (40, 140, 50), (140, 120, 100)
TASK = Task("test", "pineapple", "pick up the pineapple")


def scene(rng, *, target=True, look_alike=True):
    """Paint a crowned target, and a look-alike of the same two colours with the crown below."""
    image = np.clip(rng.normal(SHELF, 8.0, (84, 84, 3)), 0, 255).astype(np.uint8)
    mask = np.zeros((84, 84), dtype=bool)
    x, y, size = rng.integers(8, 28), rng.integers(20, 50), rng.integers(8, 14)
    if target:
        image[y : y + size, x : x + size] = BODY
        image[y - size // 2 : y, x + 2 : x + size - 2] = CROWN
        mask[y - size // 2 : y, x + 2 : x + size - 2] = mask[y : y + size, x : x + size] = True
    if look_alike:
        image[y : y + size, x + 40 : x + 40 + size] = BODY
        image[y + size : y + size + size // 2, x + 42 : x + 38 + size] = CROWN
    return LabelledImage(image, mask)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    return fit([scene(rng, target=rng.random() < 0.6) for _ in range(120)])


def observe(image, capture_id=1):
    return Observation(
        0.5, capture_id, {"wrist": image}, np.zeros(7), np.zeros(7), 0.0, np.eye(4), {"wrist": np.eye(4)}
    )


def detector_of(model):
    detector = ColorShapeDetector({"pineapple": model})
    detector.reset(TASK)
    return detector


def test_it_tells_the_target_from_its_look_alike(model):
    rng, detector, hits, false = np.random.default_rng(1), detector_of(model), 0, 0
    for index in range(60):
        item = scene(rng, target=index % 2 == 0)
        best = detector.detect(observe(item.image)).best
        if index % 2 == 0:
            left, top, right, bottom = (int(v) for v in best.box_xyxy_px)
            hits += bool(best.score > 0.5 and item.mask[top:bottom, left:right].any())
        else:
            false += bool(best is not None and best.score > 0.5)
    assert hits >= 29
    assert false <= 1


def test_results_carry_the_capture_and_repeat_until_a_new_one(model):
    detector = detector_of(model)
    assert detector.latest() is None
    image = scene(np.random.default_rng(2)).image
    detector.submit(observe(image, 7))
    first = detector.latest()
    detector.submit(observe(image, 7))
    assert detector.latest() is first
    assert (first.capture_id, first.captured_at_s, first.width_px, first.camera) == (7, 0.5, 84, "wrist")
    assert [d.score for d in first.detections] == sorted((d.score for d in first.detections), reverse=True)


def test_reset_forgets_and_refuses_unknown_targets(model):
    detector = detector_of(model)
    detector.submit(observe(scene(np.random.default_rng(3)).image))
    detector.reset(TASK)
    assert detector.latest() is None
    with pytest.raises(UsageError, match="Did you mean 'pineapple'"):
        detector.reset(Task("test", "pinapple", "pick"))


def test_color_bins_cover_every_colour():
    rng = np.random.default_rng(4)
    bins = color_bins(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert bins.min() >= 0
    assert bins.max() < TABLE_SIZE


def test_features_of_a_box_at_the_image_corner_are_finite():
    features = describe(np.zeros((84, 84), np.uint8), (0, 0, 3, 2), 6, 1.0)
    assert features.shape == (FEATURES,)
    assert np.isfinite(features).all()


def test_a_region_beside_the_mask_is_no_target(model):
    item = scene(np.random.default_rng(5))
    labels = [is_target(region, item.mask) for region in model.regions(item.image)]
    assert sum(labels) == 1


def test_fitting_without_any_target_is_refused():
    rng = np.random.default_rng(6)
    with pytest.raises(UsageError, match="none does"):
        fit([scene(rng, target=False) for _ in range(3)])


def test_saved_weights_load_and_score_alike(model, tmp_path):
    path = tmp_path / "pineapple.safetensors"
    save_model(model, path, {"target": "pineapple"})
    image = scene(np.random.default_rng(7)).image
    assert detector_of(load_model(path)).detect(observe(image)).best.score == pytest.approx(
        detector_of(model).detect(observe(image)).best.score, abs=1e-4
    )


def test_damaged_and_missing_weights_are_refused(model, tmp_path):
    path = tmp_path / "pineapple.safetensors"
    with pytest.raises(CheckpointError, match="missing"):
        load_model(path)
    save_model(model, path, {})
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(path)
    save_model(model, path, {})
    assert "sha256" in json.loads(path.with_suffix(".json").read_text())


def test_a_model_of_the_wrong_size_is_refused():
    with pytest.raises(CheckpointError, match="weights"):
        ColorShapeModel(np.zeros(TABLE_SIZE), np.zeros((FEATURES, 3)), np.zeros(3))


def test_unshipped_targets_list_the_shipped_ones():
    with pytest.raises(UsageError, match="detector target"):
        ColorShapeDetector.shipped(("giraffe",))


def test_the_gradient_of_the_appearance_network_is_right():
    """Training reaches a loss that a wrong gradient could not: XOR of two features."""
    rng = np.random.default_rng(8)
    features = np.column_stack([rng.choice([-1.0, 1.0], (400, 2)), np.ones(400)])
    labels = (features[:, 0] * features[:, 1] < 0).astype(float)
    hidden, output = train_network(features, labels, units=6, l2=1e-4, seed=0)
    logits = np.tanh(features @ hidden) @ output[:-1] + output[-1]
    assert ((logits > 0) == labels.astype(bool)).all()


def test_measures_count_recall_and_false_positives(model):
    rng = np.random.default_rng(9)
    shown = measure(model, [scene(rng, target=index % 2 == 0) for index in range(80)])
    assert (shown.visible_frames, shown.empty_frames) == (80, 40)
    assert shown.recall < 0.6
    assert shown.false_positives <= 0.05
    assert "recall" in shown.line()


def test_calibration_error_of_a_perfect_and_of_an_overconfident_score():
    rights = np.array([1.0, 0.0] * 50)
    assert expected_calibration_error(np.full(100, 0.5), rights) == pytest.approx(0.0)
    assert expected_calibration_error(np.full(100, 0.95), rights) == pytest.approx(0.45)
