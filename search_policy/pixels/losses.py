"""Equations of regularisation by augmentation and of contrastive learning: one equation, one pure function."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def categorical_divergence(log_probability: Tensor, augmented: Tensor) -> Tensor:
    """Return G_pi = E[KL(pi(. | z) || pi(. | aug z))], the unchanged image's side without gradient.

    DrAC (arXiv 2006.12862), section 3.2: the policy on the unchanged image is the augmented one's target.

    Args:
        log_probability: log pi(. | z), (b, v); masked entries may be very low, or -inf in both.
        augmented: log pi(. | aug z), (b, v).
    """
    target = log_probability.detach()
    probability = target.exp()
    # Where pi is 0 the term's limit is 0, whatever the other side says.
    gap = torch.where(probability > 0.0, target - augmented, 0.0)
    return (probability * gap).sum(dim=1).mean()


def sampled_divergence(log_probability: Tensor, augmented: Tensor) -> Tensor:
    """Return the Monte Carlo estimate of G_pi from actions a ~ pi(. | z): E[log pi(a | z) - log pi(a | aug z)].

    DrAC (arXiv 2006.12862), section 3.2, for heads whose divergence has no closed form.

    Args:
        log_probability: log pi(a | z) of the drawn actions, (b,).
        augmented: log pi(a | aug z) of the same actions, (b,).
    """
    return (log_probability.detach() - augmented).mean()


def bernoulli_divergence(logit: Tensor, augmented: Tensor) -> Tensor:
    """Return E[KL(p || q)] of two Bernoulli variables given by logits, (b,) each; p comes without gradient."""
    both = [torch.stack([functional.logsigmoid(-x), functional.logsigmoid(x)], dim=1) for x in (logit, augmented)]
    return categorical_divergence(*both)


def value_difference(value: Tensor, augmented: Tensor) -> Tensor:
    """Return G_V = E[(V(z) - V(aug z))^2], the unchanged image's side without gradient.

    DrAC (arXiv 2006.12862), section 3.2.

    Args:
        value: V on the unchanged images, (...,).
        augmented: V on the augmented ones, (...,).
    """
    return (value.detach() - augmented).square().mean()


def info_nce(query: Tensor, key: Tensor, bilinear: Tensor) -> Tensor:
    """Return -E[log softmax(q^T W k)] with the query's own key as the right one and the batch's others as wrong ones.

    InfoNCE with the bilinear similarity of CURL (arXiv 2004.04136), section 4.

    Args:
        query: Embeddings of one augmented copy, (b, e).
        key: Embeddings of another, by the momentum encoder, without gradient, (b, e).
        bilinear: W, (e, e).
    """
    logits = query @ bilinear @ key.detach().T
    # The row's largest logit cancels in the softmax; taking it off keeps the exponentials finite.
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    return functional.cross_entropy(logits, torch.arange(len(query)))
