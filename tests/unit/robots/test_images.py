"""Images change their size without being distorted, and not at all when the size is the wanted one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import SpecError
from robots.images import resized, same_aspect


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "wanted"), [((168, 168), (96, 96)), ((168, 224), (96, 128)), ((480, 640), (224, 299))]
)
def test_shrinking_averages_the_pixels(size, wanted):
    image = _noise(*size)
    smaller = resized(image, *wanted)
    assert smaller.shape == (*wanted, 3)
    assert smaller.dtype == np.uint8
    np.testing.assert_allclose(smaller.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1.0)


def test_halving_is_the_mean_of_four():
    image = _noise(8, 6)
    expected = image.reshape(4, 2, 3, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resized(image, 4, 3), expected, atol=0.5)


def test_an_equal_size_is_the_same_array():
    image = _noise(6, 8)
    assert resized(image, 6, 8) is image


def test_colours_keep_their_order():
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert (resized(red, 4, 4) == (200, 0, 0)).all()


def test_a_read_only_view_can_be_resized():
    image = _noise(8, 8)[::-1]
    image.setflags(write=False)
    assert resized(image, 4, 4).shape == (4, 4, 3)


@pytest.mark.parametrize("wanted", [(96, 128), (128, 96), (0, 0), (-4, -4), (96, 90)])
def test_another_aspect_ratio_is_refused(wanted):
    with pytest.raises(SpecError, match="168 x 168"):
        resized(_noise(168, 168), *wanted)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(SpecError, match="uint8"):
        resized(image, 2, 2)


@settings(max_examples=200, deadline=None)
@given(st.integers(8, 2000), st.integers(8, 2000), st.floats(0.05, 4.0))
def test_a_size_scaled_and_rounded_has_the_same_aspect(height, width, scale):
    shorter, longer = min(height, width), max(height, width)
    wanted_longer = max(round(longer * scale), 1)
    wanted_shorter = round(shorter * wanted_longer / longer)
    if wanted_shorter >= 1:
        assert same_aspect((shorter, longer), (wanted_shorter, wanted_longer))
        assert same_aspect((longer, shorter), (wanted_longer, wanted_shorter))
