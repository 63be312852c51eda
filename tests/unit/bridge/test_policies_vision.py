"""Keypoints, the loss that teaches one of them, and changes of images that keep image and target together."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vla_bridge.policies.augmentation import color_jitter, random_shift
from vla_bridge.policies.film.configuration_film import FilmConfig
from vla_bridge.policies.images import varied
from vla_bridge.policies.vision import Eye, InstructionEncoder, coordinates, keypoints, target_loss

WRIST, TARGET = "observation.images.wrist", "privileged.target_px"
HEIGHT, WIDTH = 6, 8


def center(index, size):
    return (2 * index + 1) / size - 1


@settings(deadline=None)
@given(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1))
def test_a_keypoint_is_where_its_map_peaks(row, column):
    logits = torch.zeros(1, 2, HEIGHT, WIDTH)
    logits[0, 1, row, column] = 50.0
    found = keypoints(logits)
    assert found.place[0, 0].tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert found.place[0, 1].tolist() == pytest.approx([center(column, WIDTH), center(row, HEIGHT)], abs=1e-5)
    assert found.strength[0].tolist() == pytest.approx([0.0, 50.0 - math.log(HEIGHT * WIDTH)], abs=1e-4)


def test_coordinates_are_x_then_y_of_the_pixels_centres():
    grid = coordinates(torch.zeros(1, 3, HEIGHT, WIDTH))[0]
    assert grid[0, 2].tolist() == pytest.approx([center(i, WIDTH) for i in range(WIDTH)])
    assert grid[1, :, 3].tolist() == pytest.approx([center(i, HEIGHT) for i in range(HEIGHT)])


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.31, -0.62), (-0.9, 0.44), (1.2, -1.1)])
def test_the_target_loss_leads_to_the_target(x, y):
    logits = torch.zeros(1, 1, HEIGHT, WIDTH, requires_grad=True)
    target = torch.tensor([[x, y, 1.0]])
    optimizer = torch.optim.Adam([logits], 1.0)
    for _ in range(40):
        optimizer.zero_grad()
        target_loss(keypoints(logits), target).sum().backward()
        optimizer.step()
    nearest = [min(max(value, 1 / size - 1), 1 - 1 / size) for value, size in ((x, WIDTH), (y, HEIGHT))]
    assert keypoints(logits).place[0, 0].tolist() == pytest.approx(nearest, abs=0.05)


def test_an_object_out_of_view_teaches_its_absence_only():
    logits = torch.randn(1, 1, HEIGHT, WIDTH)
    here, there = (target_loss(keypoints(logits), torch.tensor([[x, 0.0, 0.0]])) for x in (-0.5, 0.5))
    assert torch.equal(here, there)
    assert target_loss(keypoints(logits - 9.0), torch.tensor([[0.0, 0.0, 0.0]])) < here


def test_film_starts_as_the_identity_and_padding_is_not_read():
    torch.manual_seed(0)
    image, read, eye = torch.rand(1, 3, 32, 32), InstructionEncoder(4, 8), Eye(16, 8, coarse=False)
    one, other = eye(image, torch.randn(1, 8))[0], eye(image, torch.randn(1, 8))[0]
    assert torch.equal(one, other)
    tokens, mask = torch.randn(1, 5, 4), torch.tensor([[True, True, True, False, False]])
    changed = torch.where(mask[:, :, None], tokens, 7.0)
    assert torch.allclose(read(tokens, mask), read(changed, mask))
    assert torch.isfinite(read(tokens, torch.zeros(1, 5, dtype=torch.bool))).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 6))
def test_a_shift_moves_the_content_as_far_as_it_says(seed, largest_px):
    torch.manual_seed(seed)
    images = torch.zeros(3, 3, 20, 24)
    images[:, :, 9, 11] = 1.0
    shifted, moved = random_shift(images, largest_px)
    for image, (right, down) in zip(shifted, moved.int().tolist(), strict=True):
        assert image[0].nonzero().tolist() == [[9 + down, 11 + right]]
        assert max(abs(right), abs(down)) <= largest_px


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_the_target_moves_with_its_image_and_leaves_with_it(seed):
    torch.manual_seed(seed)
    config = FilmConfig(device="cpu", shift_px=5, brightness=0.0, contrast=0.0)
    config.input_features = {WRIST: _visual()}
    images = torch.zeros(2, 3, 20, 24)
    images[0, :, 9, 11] = images[1, :, 0, 11] = 1.0
    target = torch.tensor([[center(11, 24), center(9, 20), 1.0], [center(11, 24), center(0, 20), 1.0]])
    batch = varied(config, {WRIST: images, TARGET: target})
    (row, column), x, y = batch[WRIST][0, 0].nonzero()[0].tolist(), *batch[TARGET][0, :2].tolist()
    assert (x, y) == pytest.approx((center(column, 24), center(row, 20)), abs=1e-5)
    assert batch[TARGET][1, 2].item() == float((batch[TARGET][1, 1] >= -1.0).item())
    assert torch.equal(target[:, 2], torch.ones(2)), "the recorded batch must stay as it is"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_colours_stay_within_the_range_and_zero_changes_nothing(seed):
    torch.manual_seed(seed)
    images = torch.rand(2, 3, 6, 6)
    assert torch.allclose(color_jitter(images, 0.0, 0.0), images, atol=1e-6)
    changed = color_jitter(images, 0.5, 0.5)
    assert 0.0 <= changed.min() <= changed.max() <= 1.0
    assert not torch.allclose(changed, images, atol=1e-3)


def _visual():
    from lerobot.configs.types import FeatureType, PolicyFeature

    return PolicyFeature(FeatureType.VISUAL, (3, 20, 24))
