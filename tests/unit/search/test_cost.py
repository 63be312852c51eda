"""What makes training cheap computes what it replaced."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.training_frames import noise_frames
from benchmarks.training_work import Work
from search_policy.learning.dropout import ByteDropout
from search_policy.learning.heads.categorical import MASKED_LOGIT, CategoricalHead
from search_policy.learning.heads.head import HeadInput
from search_policy.learning.precision import autocast, scaled
from search_policy.learning.published import PublishedEncoder
from search_policy.pixels.augmentation import random_shift


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 9), st.integers(0, 2**31))
def test_a_shift_by_copies_is_the_gather_with_clamped_indices(height, width, largest, seed):
    rng = np.random.default_rng(seed)
    image = torch.tensor(rng.integers(256, size=(3, height, width, 3)), dtype=torch.uint8)
    offsets = rng.integers(2 * largest + 1, size=(3, 2))
    moved = torch.tensor(offsets) - largest
    rows = (torch.arange(height) + moved[:, :1]).clamp(0, height - 1)
    columns = (torch.arange(width) + moved[:, 1:]).clamp(0, width - 1)
    gathered = image[torch.arange(3)[:, None, None], rows[:, :, None], columns[:, None, :]]
    assert torch.equal(random_shift(image, offsets, largest), gathered)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5])
def test_byte_dropout_drops_the_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    out = ByteDropout(p)(torch.ones(1001, 301))
    assert (out == 0.0).float().mean().item() == pytest.approx(p, abs=0.004)
    assert out.mean().item() == pytest.approx(1.0, abs=0.006)
    assert len(out.unique()) == 2


def test_byte_dropout_masks_the_gradient_where_it_masked_the_unit():
    torch.manual_seed(0)
    x = torch.ones(64, 33, requires_grad=True)
    out = ByteDropout(0.3)(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


def test_byte_dropout_repeats_from_a_restored_generator_and_rests_when_evaluating():
    layer, x = ByteDropout(0.2), torch.rand(40, 7)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = layer(x)
    torch.set_rng_state(state)
    assert torch.equal(layer(x), first)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(ByteDropout(0.0)(x), x)


def test_units_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (ByteDropout(0.5)(torch.ones(4000, 16)) == 0.0).float()
    correlation = torch.corrcoef(dropped.T) - torch.eye(16)
    assert correlation.abs().max().item() < 0.08


def test_the_published_encoder_has_the_published_shape():
    encoder = PublishedEncoder(50)
    convolutions = [layer for layer in encoder.convolutions if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.kernel_size for layer in convolutions] == [(7, 7), (5, 5), (3, 3), (3, 3)]
    assert {layer.stride for layer in convolutions} == {(2, 2)}
    weights = 32 * (3 * 49 + 32 * 25 + 2 * 32 * 9) + 4 * 32
    assert sum(value.numel() for value in encoder.parameters()) == weights + 288 * 50 + 3 * 50


def test_images_embed_alike_alone_and_in_any_company():
    torch.manual_seed(0)
    encoder, image = PublishedEncoder(8), torch.randint(256, (70, 84, 84, 3), dtype=torch.uint8)
    with torch.no_grad():
        together = encoder(image)
        assert together.shape == (70, 8)
        assert together.abs().max().item() <= 1.0
        for index in (0, 31, 32, 69):
            assert torch.allclose(encoder(image[index : index + 1])[0], together[index], atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_of_the_published_shape_learns_end_to_end(precision):
    torch.manual_seed(0)
    work = Work("published", precision, noise_frames(3, 4), batch=6)
    assert len(work.learner.critic.heads) == 5
    before = copy.deepcopy(work.learner.networks()["actor"].state_dict())
    work.update()
    after = work.learner.networks()["actor"].state_dict()
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in after.values())
    moved = [name for name in after if not torch.equal(after[name], before[name])]
    assert any(name.startswith("encoder.convolutions.0") for name in moved)
    assert any(name.startswith("head") for name in moved)


def test_views_are_scored_as_if_the_shared_features_were_copied_to_each():
    torch.manual_seed(0)
    head = CategoricalHead(6, 4, views=5, width=8, dropout=0.0)
    z = HeadInput(torch.randn(3, 6), torch.randn(3, 5, 4), torch.rand(3, 5) > 0.3)
    copied = torch.cat([z.shared[:, None].expand(-1, 5, -1), z.views], dim=2)
    expected = torch.where(z.mask, head.scorer(copied).squeeze(2) + head.bias(z.shared), MASKED_LOGIT)
    assert torch.allclose(head.logits(z), expected, atol=1e-5)


def test_scaled_images_are_the_plain_formula_and_leave_their_source_alone():
    image = torch.randint(256, (2, 5, 7, 3), dtype=torch.uint8)
    kept = image.clone()
    assert torch.equal(scaled(image), image.permute(0, 3, 1, 2).float() / 255.0 - 0.5)
    floats = image.float()
    scaled(floats)
    assert torch.equal(floats, kept.float())
    with autocast("bf16"):
        low = scaled(image)
    assert low.dtype == torch.bfloat16
    assert (low.float() - scaled(image)).abs().max().item() < 0.5 / 255.0


def test_frames_after_the_decisions_carry_no_gradient():
    work = Work("ours", "fp32", noise_frames(2, 3), batch=4)
    batch = work.sample()
    assert batch.state.embedding.requires_grad
    assert not batch.next_state.embedding.requires_grad


def test_the_target_critic_is_asked_once_for_the_taken_actions(monkeypatch):
    work = Work("cached", "fp32", noise_frames(2, 3), batch=4)
    target, asked = work.learner.target, []
    answer = target.q_values
    monkeypatch.setattr(target, "q_values", lambda *words: asked.append(1) or answer(*words))
    work.update()
    assert len(asked) == 1
