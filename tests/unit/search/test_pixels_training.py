"""Pretraining with augmentation, DrAC and CURL: what each adds, where gradients go, and that a run resumes exactly."""

import dataclasses

import numpy as np
import pytest
import torch

from search_policy.learning.batches import input_sizes
from search_policy.learning.config import TrainConfig
from search_policy.learning.networks import ActorSpec
from search_policy.learning.pretrain import Auxiliary, LabelledFrames, Pretraining, prediction_divergence
from search_policy.learning.trainer import train_on
from search_policy.learning.training_state import checkpoints
from search_policy.pixels.augmentation import Augmentation
from search_policy.pixels.config import PixelConfig
from search_policy.pixels.encoders import build_encoder

SMALL = {
    "updates": 4,
    "pretrain_updates": 6,
    "batch_size": 16,
    "pretrain_batch": 8,
    "log_every": 2,
    "checkpoint_every": 3,
}


@pytest.fixture(scope="module")
def noisy(frames):
    """The kinematic world's frames with images that differ."""
    image = np.random.default_rng(0).integers(0, 256, frames.image.shape, dtype=np.uint8)
    return dataclasses.replace(frames, image=image)


def pretraining_of(frames, pixels):
    torch.manual_seed(0)
    config = TrainConfig()
    spec = ActorSpec(input_sizes(frames, config.groups), config.network)
    encoder = build_encoder("compact", config.network.embedding)
    return Pretraining(encoder, Auxiliary(spec), pixels)


def drawn(frames, pretraining, size=8):
    return LabelledFrames(frames, pretraining.encoder, "unused").draw(np.random.default_rng(1), size)


def test_images_stay_as_stored_until_a_batch_consumes_them(noisy):
    pretraining = pretraining_of(noisy, PixelConfig(jitter=1.0))
    batch = drawn(noisy, pretraining)
    before = batch.inputs.clone()
    pretraining.update(batch, np.random.default_rng(0))
    assert batch.inputs.dtype == torch.uint8
    assert torch.equal(batch.inputs, before)


def test_drac_and_curl_add_their_weighted_terms(noisy):
    losses = {}
    for name, pixels in {
        "plain": PixelConfig(shift_px=0),
        "drac": PixelConfig(shift_px=0, noise=1.0, drac=0.5),
        "curl": PixelConfig(shift_px=0, curl=2.0),
    }.items():
        pretraining = pretraining_of(noisy, pixels)
        losses[name] = pretraining.loss(drawn(noisy, pretraining), np.random.default_rng(0))
    plain = losses["plain"][0].item()
    for name, weight in (("drac", 0.5), ("curl", 2.0)):
        loss, metrics = losses[name]
        assert metrics[f"{name}_loss"] > 0.0
        assert loss.item() == pytest.approx(plain + weight * metrics[f"{name}_loss"], rel=1e-5)


def test_nothing_to_compare_costs_nothing(noisy):
    """Without any augmentation DrAC compares an image with itself."""
    pretraining = pretraining_of(noisy, PixelConfig(shift_px=0, drac=1.0))
    _, metrics = pretraining.loss(drawn(noisy, pretraining), np.random.default_rng(0))
    assert metrics["drac_loss"] == pytest.approx(0.0, abs=1e-6)


def test_drac_pulls_predictions_on_augmented_copies_together(noisy):
    """Trained on the same batch with and, but for a trace, without it."""

    def divergence(weight):
        pixels = PixelConfig(shift_px=0, jitter=1.0, noise=1.0, noise_std=0.3, drac=weight)
        pretraining = pretraining_of(noisy, pixels)
        batch = drawn(noisy, pretraining, 16)
        for seed in range(20):
            pretraining.update(batch, np.random.default_rng(seed))
        with torch.no_grad():
            copy = Augmentation(pixels)(batch.inputs, np.random.default_rng(99))
            both = [pretraining.auxiliary(pretraining.encoder(x), batch.proprioception) for x in (batch.inputs, copy)]
            return prediction_divergence(*both).item()

    assert divergence(5.0) < 0.5 * divergence(1e-9)


def test_curl_moves_its_momentum_encoder(noisy):
    pretraining = pretraining_of(noisy, PixelConfig(curl=1.0))
    batch = drawn(noisy, pretraining)
    before = [p.clone() for p in pretraining.auxiliary.contrast.momentum.parameters()]
    pretraining.update(batch, np.random.default_rng(0))
    after = list(pretraining.auxiliary.contrast.momentum.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in after)


@pytest.mark.parametrize("pixels", [PixelConfig(jitter=0.5, noise=0.5, drac=0.1, curl=0.5)], ids=["drac and curl"])
def test_a_broken_off_run_with_every_option_resumes_exactly(noisy, tmp_path, pixels):
    """The run is cut after its first checkpoint, in the middle of the pretraining."""
    config = TrainConfig(out=str(tmp_path / "whole"), pixels=pixels, keep=9, **SMALL)
    whole = train_on(config, noisy)
    again = dataclasses.replace(config, out=str(tmp_path / "again"))
    train_on(again, noisy)
    for folder in checkpoints(tmp_path / "again/checkpoints")[1:]:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert len(checkpoints(tmp_path / "again/checkpoints")) == 1
    resumed = train_on(again, noisy)
    assert (resumed / "actor.safetensors").read_bytes() == (whole / "actor.safetensors").read_bytes()
