"""Augmentations keep shape and dtype, follow their seed, change nothing at zero strength, and do what they say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import UsageError
from search_policy.pixels.augmentation import (
    GREY,
    LUMA,
    Augmentation,
    color_jitter,
    cutout,
    gaussian_blur,
    gaussian_noise,
    random_shift,
)
from search_policy.pixels.config import PixelConfig

ONLY = {
    "shift": PixelConfig(shift_px=3),
    "jitter": PixelConfig(shift_px=0, jitter=1.0),
    "noise": PixelConfig(shift_px=0, noise=1.0),
    "cutout": PixelConfig(shift_px=0, cutout=1.0),
    "blur": PixelConfig(shift_px=0, blur=1.0),
    "all": PixelConfig(jitter=0.8, noise=0.5, cutout=0.5, blur=0.5),
}


def images(b=6, size=20, seed=0, dtype=torch.uint8):
    drawn = torch.randint(0, 256, (b, size, size, 3), generator=torch.Generator().manual_seed(seed))
    return drawn.to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("config", ONLY.values(), ids=ONLY)
def test_shape_dtype_range_seed_and_purity(config, dtype):
    image = images(dtype=dtype)
    before = image.clone()
    augment = Augmentation(config)
    first, again, other = (augment(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == image.shape
    assert first.dtype == dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, image)
    assert first.min() >= 0
    assert first.max() <= 255
    assert torch.equal(image, before)
    assert augment.changes


def test_nothing_switched_on_draws_nothing_and_changes_nothing():
    augment, rng = Augmentation(PixelConfig(shift_px=0)), np.random.default_rng(0)
    image = images()
    assert torch.equal(augment(image, rng), image)
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state
    assert not augment.changes


def test_zero_strength_is_the_identity():
    image, ones, zeros = images(), torch.ones(6), torch.zeros(6)
    assert torch.equal(color_jitter(image, ones, ones, ones, zeros), image)
    assert torch.equal(gaussian_noise(image, zeros, torch.Generator().manual_seed(0)), image)
    assert torch.equal(cutout(image, np.full((6, 2), 0.5), np.zeros((6, 2))), image)
    assert torch.equal(gaussian_blur(image, zeros), image)
    assert torch.equal(random_shift(image, np.full((6, 2), 4)), image)


@given(st.integers(0, 8), st.integers(0, 8))
@settings(max_examples=30, deadline=None)
def test_a_shift_moves_the_content_and_repeats_the_edge(y, x):
    image = images(1)
    moved = random_shift(image, np.array([[y, x]]))
    up, left = y - 4, x - 4
    rows = [min(max(row + up, 0), 19) for row in range(20)]
    columns = [min(max(column + left, 0), 19) for column in range(20)]
    assert torch.equal(moved[0], image[0][rows][:, columns])
    inside = slice(4, 16)
    assert torch.equal(moved[0, inside, inside], image[0, 4 + up : 16 + up, 4 + left : 16 + left])


def test_every_image_moves_on_its_own():
    image = images(2)
    moved = random_shift(image, np.array([[0, 8], [4, 4]]))
    assert torch.equal(moved[1], image[1])
    assert not torch.equal(moved[0], image[0])


@given(st.floats(0.7, 1.3), st.floats(0.7, 1.3), st.floats(0.0, 1.3), st.floats(-0.5, 0.5))
@settings(max_examples=40, deadline=None)
def test_jitter_is_the_four_steps_one_after_the_other(brightness, contrast, saturation, hue):
    """Against the definition, step by step, without clipping: colours in the middle of the range."""
    image = 100.0 + 20.0 * torch.rand(1, 5, 5, 3, generator=torch.Generator().manual_seed(1))
    luma = torch.tensor(LUMA)
    expected = image * brightness
    mean = (expected @ luma).mean()
    expected = mean + contrast * (expected - mean)
    grey = (expected @ luma)[..., None]
    expected = grey + saturation * (expected - grey)
    factors = [torch.tensor([value]) for value in (brightness, contrast, saturation, hue)]
    turned = color_jitter(image, *factors)
    torch.testing.assert_close(turned @ luma, expected @ luma, rtol=1e-3, atol=0.05)
    back = color_jitter(turned, torch.ones(1), torch.ones(1), torch.ones(1), -factors[3])
    torch.testing.assert_close(back, expected, rtol=1e-3, atol=0.1)


def test_a_grey_image_has_no_hue_and_no_saturation_to_change():
    grey = torch.full((1, 4, 4, 3), 90, dtype=torch.uint8)
    one = torch.ones(1)
    assert torch.equal(color_jitter(grey, one, one, torch.tensor([0.3]), torch.tensor([0.4])), grey)


def test_half_a_turn_of_the_hue_makes_red_cyan():
    red = torch.tensor([180.0, 60.0, 60.0]).expand(1, 2, 2, 3)
    one = torch.ones(1)
    turned = color_jitter(red, one, one, one, torch.tensor([0.5]))[0, 0, 0]
    assert turned[0] < turned[1]
    assert turned[1] == pytest.approx(turned[2].item(), abs=2.0)


def test_noise_has_the_asked_deviation():
    image = torch.full((4, 64, 64, 3), 127.0)
    noisy = gaussian_noise(image, torch.tensor([0.0, 0.01, 0.05, 0.1]), torch.Generator().manual_seed(0))
    measured = (noisy - image).flatten(1).std(dim=1) / 255.0
    np.testing.assert_allclose(measured, [0.0, 0.01, 0.05, 0.1], rtol=0.03)


def test_cutout_greys_one_rectangle_and_nothing_else():
    image = torch.zeros(1, 20, 20, 3, dtype=torch.uint8)
    out = cutout(image, np.array([[1.0, 0.0]]), np.array([[0.25, 0.5]]))
    assert (out[0, 15:, :10] == int(GREY)).all()
    assert int((out != 0).sum()) == 5 * 10 * 3


def test_blur_keeps_the_mean_and_spreads_a_point_as_a_gaussian():
    image = torch.zeros(1, 41, 41, 3)
    image[0, 20, 20] = 200.0
    blurred = gaussian_blur(image, torch.tensor([2.0]))
    assert blurred.sum().item() == pytest.approx(600.0, rel=1e-3)
    weights = blurred[0, :, :, 0].sum(dim=1) / 200.0
    spread = (weights * (torch.arange(41.0) - 20.0).square()).sum()
    assert spread.item() == pytest.approx(4.0, rel=0.05)


def test_each_image_has_its_own_blur():
    image = images(2)
    blurred = gaussian_blur(image, torch.tensor([0.0, 1.5]))
    assert torch.equal(blurred[0], image[0])
    torch.testing.assert_close(blurred[1], gaussian_blur(image[1:], torch.tensor([1.5]))[0])


def test_a_share_of_the_images_is_changed():
    augment = Augmentation(PixelConfig(shift_px=0, noise=0.3))
    image = images(400, 6)
    changed = (augment(image, np.random.default_rng(0)) != image).flatten(1).any(dim=1)
    assert 0.2 < changed.float().mean() < 0.4


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("training", "endtoend", "Did you mean 'end_to_end'"),
        ("jitter", 1.5, r"pixels\.jitter must be a share in \[0, 1\], not 1\.5"),
        ("noise_std", float("nan"), "noise_std"),
        ("hue", 0.7, "hue"),
        ("shift_px", -1, "shift_px"),
        ("curl_momentum", 0.0, "curl_momentum"),
        ("drac", -0.1, "drac"),
        ("brightness", 1.2, "brightness"),
    ],
)
def test_bad_options_are_one_sentence(field, value, message):
    with pytest.raises(UsageError, match=message):
        PixelConfig(**{field: value})
