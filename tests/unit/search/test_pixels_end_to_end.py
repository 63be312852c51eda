"""End-to-end training: images are embedded on consumption, and only the actor's loss reaches the encoder."""

import dataclasses

import numpy as np
import pytest
import torch

from robots.errors import UsageError
from search_policy.learning.aawr import Learner
from search_policy.learning.batches import DecisionSource, actor_spec
from search_policy.learning.config import TrainConfig
from search_policy.learning.heads.head import Head
from search_policy.learning.replay import transitions
from search_policy.learning.trainer import train_on
from search_policy.learning.training_state import checkpoints
from search_policy.pixels.augmentation import Augmentation
from search_policy.pixels.config import PixelConfig
from search_policy.pixels.encoders import embed_all
from search_policy.pixels.end_to_end import EndToEndSource, LiveEmbeddings
from search_policy.pixels.terms import PixelTerms

PLAIN = PixelConfig(training="end_to_end", shift_px=0)
SMALL = {
    "updates": 5,
    "pretrain_updates": 2,
    "batch_size": 8,
    "pretrain_batch": 4,
    "checkpoint_every": 4,
    "log_every": 1,
}


@pytest.fixture(scope="module")
def noisy(frames):
    image = np.random.default_rng(0).integers(0, 256, frames.image.shape, dtype=np.uint8)
    return dataclasses.replace(frames, image=image)


def config_of(pixels=PLAIN, **changes):
    return TrainConfig(pixels=pixels, **changes)


def parts(frames, config, seed=0):
    torch.manual_seed(0)
    learner = Learner(config, actor_spec(frames, config))
    decisions = transitions(frames, config.reward, config.discount)
    source = EndToEndSource(frames, decisions, learner.actor.encoder, config, np.random.default_rng(seed))
    return learner, source


def test_without_augmentation_batches_equal_those_of_stored_embeddings(noisy):
    """Also the next frames', and with a memory the earlier ones'."""
    config = config_of()
    config = dataclasses.replace(config, memory=dataclasses.replace(config.memory, kind="window", length=2, width=8))
    learner, source = parts(noisy, config)
    decisions = transitions(noisy, config.reward, config.discount)
    table = embed_all(learner.actor.encoder, noisy.image)
    stored = DecisionSource(noisy, decisions, table, config.groups, 2)
    rows = np.array([0, 5, 5, len(source) - 1])
    live, expected = source.batch(rows), stored.batch(rows)
    for name in ("state", "next_state"):
        torch.testing.assert_close(getattr(live, name).embedding, getattr(expected, name).embedding)
        torch.testing.assert_close(getattr(live, name).history, getattr(expected, name).history)
    torch.testing.assert_close(live.next_state.embedding, table[decisions.next_index[rows]])
    assert live.copies is None


def test_a_frame_is_looked_at_once_per_look_up(noisy):
    seen = []
    embeddings = LiveEmbeddings(
        lambda x: seen.append(len(x)) or x.float().mean(dim=(1, 2)),
        noisy.image,
        Augmentation(PixelConfig(noise=1.0)),
        np.random.default_rng(0),
    )
    out = embeddings[torch.tensor([[3, 3], [1, 3]])]
    assert seen == [2]
    assert out.shape == (2, 2, 3)
    assert torch.equal(out[0, 0], out[1, 1])


def test_stored_images_stay_as_they_are(noisy):
    before = noisy.image.copy()
    _, source = parts(noisy, config_of(PixelConfig(training="end_to_end", jitter=1.0, cutout=1.0)))
    source.batch(np.arange(6))
    np.testing.assert_array_equal(noisy.image, before)


def gradients(module):
    return [p.grad for p in module.parameters() if p.grad is not None]


def test_the_critics_loss_sends_nothing_into_the_encoder(noisy):
    learner, source = parts(noisy, config_of(dataclasses.replace(PLAIN, noise=1.0, drac=1.0)))
    learner.update_critic(source.batch(np.arange(8)))
    assert gradients(learner.critic)
    assert not gradients(learner.actor)


def test_the_actors_loss_trains_the_encoder_through_current_frames_alone(noisy):
    learner, source = parts(noisy, config_of())
    batch = source.batch(np.arange(8))
    batch.state.embedding.retain_grad()
    before = [p.clone() for p in learner.actor.encoder.parameters()]
    learner.update_actor(batch, torch.ones(8))
    assert batch.state.embedding.grad.abs().sum() > 0
    assert not batch.next_state.embedding.requires_grad
    assert any(not torch.equal(a, b) for a, b in zip(before, learner.actor.encoder.parameters(), strict=True))


def test_a_cached_encoder_stays_frozen(noisy):
    config = TrainConfig()
    torch.manual_seed(0)
    learner = Learner(config, actor_spec(noisy, config))
    decisions = transitions(noisy, config.reward, config.discount)
    table = embed_all(learner.actor.encoder, noisy.image)
    before = [p.clone() for p in learner.actor.encoder.parameters()]
    learner.update(DecisionSource(noisy, decisions, table, config.groups).batch(np.arange(8)))
    assert all(torch.equal(a, b) for a, b in zip(before, learner.actor.encoder.parameters(), strict=True))


def test_drac_leaves_the_losses_images_alone_and_compares_with_augmented_copies(noisy):
    learner, source = parts(noisy, config_of(dataclasses.replace(PLAIN, noise=1.0, drac=0.5)))
    batch = source.batch(np.arange(8))
    plain = embed_all(learner.actor.encoder, noisy.image)[transitions(noisy, learner.config.reward, 0.99).index[:8]]
    torch.testing.assert_close(batch.state.embedding, plain)
    assert not torch.allclose(batch.copies.state.embedding, plain)
    metrics = learner.update(batch)
    assert metrics["drac_policy"] > 0.0
    assert metrics["drac_value"] > 0.0


def test_curl_trains_the_encoder_its_similarity_and_moves_its_keys(noisy):
    learner, source = parts(noisy, config_of(PixelConfig(training="end_to_end", curl=1.0)))
    batch = source.batch(np.arange(8))
    assert batch.copies.state is None
    assert batch.copies.keys.dtype == torch.uint8
    before = {name: value.clone() for name, value in learner.networks()["contrast"].state_dict().items()}
    metrics = learner.update(batch)
    after = learner.networks()["contrast"].state_dict()
    assert metrics["curl_loss"] > 0.0
    assert not torch.equal(before["bilinear"], after["bilinear"])
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("momentum"))


def test_privileged_values_do_not_reach_what_the_actor_learns(noisy):
    """A cloned actor is the same, whatever the privileged columns hold."""
    poison = np.full_like(noisy.target_position, np.nan)
    results = []
    for frames in (noisy, dataclasses.replace(noisy, target_position=poison)):
        learner, source = parts(
            frames, config_of(dataclasses.replace(PLAIN, noise=1.0, drac=0.5, curl=0.5), method="bc")
        )
        torch.manual_seed(3)
        learner.update(source.batch(np.arange(8)))
        results.append(learner.actor.state_dict())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])
    assert all(torch.isfinite(value.float()).all() for value in results[0].values())


def test_terms_are_empty_for_a_cached_encoder(noisy):
    learner, _ = parts(noisy, config_of())
    terms = PixelTerms(PixelConfig(drac=1.0, curl=1.0), learner.actor)
    assert terms.networks() == {}
    assert list(terms.parameters()) == []


class Densityless(Head):
    """Acts, but has no density."""

    def loss(self, z, action, weight):
        return z.shared.sum()

    def act(self, z, *, greedy, generator=None):
        return z.shared


def test_a_head_without_a_density_cannot_be_regularised(noisy):
    learner, _ = parts(noisy, config_of())
    learner.actor.head = Densityless()
    with pytest.raises(UsageError, match=r"pixels\.drac compares densities"):
        PixelTerms(dataclasses.replace(PLAIN, drac=0.1), learner.actor)


def test_a_broken_off_run_resumes_exactly(noisy, tmp_path):
    pixels = PixelConfig(training="end_to_end", jitter=0.5, noise=0.5, drac=0.1, curl=0.5)
    config = TrainConfig(out=str(tmp_path / "whole"), pixels=pixels, keep=9, **SMALL)
    whole = train_on(config, noisy)
    again = dataclasses.replace(config, out=str(tmp_path / "again"))
    train_on(again, noisy)
    for folder in checkpoints(tmp_path / "again/checkpoints")[1:]:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    resumed = train_on(again, noisy)
    assert (resumed / "actor.safetensors").read_bytes() == (whole / "actor.safetensors").read_bytes()
