"""The feature cache: each image is looked at once, a kill loses one part, and damage is refused and repaired."""

import logging

import numpy as np
import pytest
import torch

from search_policy.pixels import feature_cache
from search_policy.pixels.feature_cache import FeatureCache


class Counting:
    """A backbone that counts the images it looked at."""

    width = 4

    def __init__(self, sha256="ab" * 32, fail_after=None):
        self.sha256, self.seen, self.fail_after = sha256, 0, fail_after

    def features(self, image):
        if self.fail_after is not None and self.seen >= self.fail_after:
            raise KeyboardInterrupt
        self.seen += len(image)
        return image.float().mean(dim=(1, 2)).repeat(1, 2)[:, :4]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(feature_cache, "PART_IMAGES", 3)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)


def parts(root):
    return sorted(root.glob("*/part-*.safetensors"))


def test_the_second_run_computes_nothing(image, tmp_path):
    first, second = Counting(), Counting()
    stored = FeatureCache(tmp_path, first).features(image)
    assert torch.equal(stored, Counting().features(torch.tensor(image)))
    assert torch.equal(FeatureCache(tmp_path, second).features(image), stored)
    assert (first.seen, second.seen) == (10, 0)
    assert len(parts(tmp_path)) == 4


def test_images_are_found_by_content_whatever_the_order_or_the_split(image, tmp_path):
    stored = FeatureCache(tmp_path, Counting()).features(image)
    order = np.array([7, 2, 2, 9])
    backbone = Counting()
    assert torch.equal(FeatureCache(tmp_path, backbone).features(image[order]), stored[order])
    assert backbone.seen == 0


def test_the_same_image_twice_is_looked_at_once(image, tmp_path):
    backbone = Counting()
    FeatureCache(tmp_path, backbone).features(np.concatenate([image, image]))
    assert backbone.seen == 10


def test_a_changed_pixel_and_another_backbone_are_computed(image, tmp_path):
    FeatureCache(tmp_path, Counting()).features(image)
    changed = image.copy()
    changed[4, 0, 0, 0] ^= 1
    backbone, other = Counting(), Counting("cd" * 32)
    FeatureCache(tmp_path, backbone).features(changed)
    FeatureCache(tmp_path, other).features(image)
    assert (backbone.seen, other.seen) == (1, 10)


def test_a_killed_run_loses_at_most_the_part_in_progress(image, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path, Counting(fail_after=6)).features(image)
    backbone = Counting()
    FeatureCache(tmp_path, backbone).features(image)
    assert backbone.seen == 4


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "rename"])
def test_a_damaged_part_is_refused_and_built_anew(image, tmp_path, damage, caplog):
    whole = FeatureCache(tmp_path, Counting()).features(image)
    victim = parts(tmp_path)[1]
    data = bytearray(victim.read_bytes())
    if damage == "flip":
        data[-1] ^= 0x40
    victim.write_bytes({"truncate": data[:-5], "empty": b"", "rename": data, "flip": data}[damage])
    if damage == "rename":
        victim.rename(victim.with_name(f"part-{'0' * 32}.safetensors"))
    backbone = Counting()
    with caplog.at_level(logging.WARNING):
        assert torch.equal(FeatureCache(tmp_path, backbone).features(image), whole)
    assert backbone.seen in (1, 3)
    assert "damaged" in caplog.text
    assert len(parts(tmp_path)) == 4


def test_an_unfinished_part_is_not_read(image, tmp_path):
    FeatureCache(tmp_path, Counting()).features(image[:3])
    part = parts(tmp_path)[0]
    part.rename(part.with_name(part.name + ".part"))
    backbone = Counting()
    FeatureCache(tmp_path, backbone).features(image[:3])
    assert backbone.seen == 3


def test_no_images_have_no_features(tmp_path):
    assert FeatureCache(tmp_path, Counting()).features(np.zeros((0, 8, 8, 3), dtype=np.uint8)).shape == (0, 4)
