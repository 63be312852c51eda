"""DrAC's and CURL's equations against values computed by hand, and where their gradients go."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search_policy.pixels.contrast import Contrast
from search_policy.pixels.losses import (
    bernoulli_divergence,
    categorical_divergence,
    info_nce,
    sampled_divergence,
    value_difference,
)


def test_the_policies_divergence_by_hand():
    p, q = torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert categorical_divergence(p.log(), q.log()).item() == pytest.approx((first + math.log(2.0)) / 2, abs=1e-6)


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3), st.lists(st.floats(-4, 4), min_size=3, max_size=3))
def test_a_divergence_is_positive_and_zero_only_for_the_same_policy(first, second):
    p, q = (torch.log_softmax(torch.tensor([x]), dim=1) for x in (first, second))
    assert categorical_divergence(p, p).item() == 0.0
    assert categorical_divergence(p, q).item() >= -1e-6


def test_a_masked_view_adds_nothing():
    p = torch.log_softmax(torch.tensor([[0.3, 1.0, -1e9]]), dim=1)
    q = torch.log_softmax(torch.tensor([[1.3, 0.0, -1e9]]), dim=1)
    expected = categorical_divergence(p[:, :2], q[:, :2])
    assert categorical_divergence(p, q).item() == pytest.approx(expected.item())


def test_drawn_actions_estimate_the_same_divergence():
    p, q = (torch.log_softmax(torch.tensor([x]), dim=1) for x in ([0.2, 1.0, -0.5], [1.0, 0.0, 0.3]))
    actions = torch.multinomial(p.exp(), 60_000, replacement=True, generator=torch.Generator().manual_seed(0))[0]
    estimate = sampled_divergence(p[0, actions], q[0, actions])
    assert estimate.item() == pytest.approx(categorical_divergence(p, q).item(), abs=0.02)


def test_two_bernoulli_variables():
    p, q = 0.8, 0.3
    expected = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    logits = [torch.logit(torch.tensor([x])) for x in (p, q)]
    assert bernoulli_divergence(*logits).item() == pytest.approx(expected, abs=1e-6)


def test_values_by_hand():
    assert value_difference(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0])).item() == pytest.approx(2.0)


@pytest.mark.parametrize("term", [categorical_divergence, value_difference])
def test_the_unchanged_image_is_the_target(term):
    plain = torch.log(torch.tensor([[0.6, 0.4]])).requires_grad_()
    augmented = torch.log(torch.tensor([[0.3, 0.7]])).requires_grad_()
    term(plain, augmented).backward()
    assert plain.grad is None
    assert augmented.grad.abs().sum() > 0


def test_info_nce_by_hand():
    query, key = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    w = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    logits = [[2.0, 0.0], [2.0, 2.0]]
    expected = [math.log(sum(math.exp(x) for x in row)) - row[i] for i, row in enumerate(logits)]
    assert info_nce(query, key, w).item() == pytest.approx(sum(expected) / 2, abs=1e-6)


def test_large_similarities_stay_finite():
    assert torch.isfinite(info_nce(torch.eye(3) * 1e3, torch.eye(3) * 1e3, torch.eye(3)))


class TestContrast:
    def make(self, momentum=0.25):
        torch.manual_seed(0)
        encoder = torch.nn.Linear(4, 3)
        return encoder, Contrast(encoder, 3, momentum)

    def test_the_keys_carry_no_gradient(self):
        encoder, contrast = self.make()
        inputs = torch.rand(5, 4)
        contrast.loss(encoder(inputs), inputs).backward()
        assert encoder.weight.grad.abs().sum() > 0
        assert contrast.bilinear.grad.abs().sum() > 0
        assert all(p.grad is None for p in contrast.momentum.parameters())

    def test_the_momentum_encoder_is_a_copy_that_follows(self):
        encoder, contrast = self.make()
        before = contrast.momentum.weight.clone()
        with torch.no_grad():
            encoder.weight.add_(1.0)
        assert torch.equal(contrast.momentum.weight, before)
        contrast.follow(encoder)
        torch.testing.assert_close(contrast.momentum.weight, before + 0.25)

    def test_training_tells_images_apart(self):
        encoder, contrast = self.make()
        inputs = torch.rand(16, 4)
        optimizer = torch.optim.Adam([*encoder.parameters(), contrast.bilinear], 0.02)
        losses = []
        for _ in range(150):
            noisy = inputs + 0.01 * torch.randn(16, 4)
            loss = contrast.loss(encoder(inputs), noisy)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            contrast.follow(encoder)
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]
