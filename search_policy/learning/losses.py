"""The losses of implicit Q-learning and asymmetric advantage-weighted regression: one equation, one pure function."""

from __future__ import annotations

import torch
from torch import Tensor


def expectile_value_loss(q_target: Tensor, value: Tensor, expectile: float) -> Tensor:
    """Return the expectile regression of V towards min_i Q_i.

    L_V = E[|expectile - 1(u < 0)| u^2], u = min_i Qtarget_i(o^p, z, a) - V(o^p, z).
    IQL (arXiv 2110.06169), eq. 5; with privileged input: AAWR (arXiv 2512.01188).

    Args:
        q_target: Smallest target Q of the taken action, without gradient, (b,).
        value: V, (b,).
        expectile: In (0, 1); 0.5 is the mean.
    """
    difference = q_target - value
    weight = torch.where(difference < 0.0, 1.0 - expectile, expectile)
    return (weight * difference.square()).mean()


def bootstrapped_return(
    reward: Tensor, next_value: Tensor, terminated: Tensor, duration: Tensor, discount: float
) -> Tensor:
    """Return r + discount^duration (1 - terminated) V(o^p', z') for a decision that lasts `duration` control steps.

    IQL (arXiv 2110.06169), eq. 6, in the semi-Markov form of Sutton, Precup and Singh (1999). A truncated episode
    bootstraps; a terminated one does not.

    Args:
        reward: Discounted sum over the decision's control steps, (b,).
        next_value: Target V after the decision, (b,).
        terminated: 1.0 where the episode ended by its own rules, (b,).
        duration: Control steps, (b,).
        discount: Per control step.
    """
    return reward + discount**duration * (1.0 - terminated) * next_value


def td_loss(q_values: Tensor, target: Tensor) -> Tensor:
    """Return sum_i E[(target - Q_i)^2] over the ensemble: IQL (arXiv 2110.06169), eq. 6.

    Args:
        q_values: Q_i of the taken action, (ensemble, b).
        target: See `bootstrapped_return`, without gradient, (b,).
    """
    return (q_values - target).square().mean(dim=1).sum()


def advantage_weights(advantage: Tensor, scale: float, beta: float, weight_clip: float) -> Tensor:
    """Return min(exp(A / (beta scale)), weight_clip), (b,): AWR (arXiv 1910.00177), eq. 6; `scale` normalises A.

    Args:
        advantage: min_i Qtarget_i - V, (b,).
        scale: Running scale of the advantage, in reward units.
        beta: Temperature; it divides.
        weight_clip: Largest weight.
    """
    return torch.exp((advantage / (beta * scale)).clamp(max=20.0)).clamp(max=weight_clip)


def indicator_weights(advantage: Tensor) -> Tensor:
    """Return 1(A > 0), (b,): filtered cloning, the binary weights of CRR (arXiv 2006.15134), eq. 2.

    Args:
        advantage: min_i Qtarget_i - V, (b,).
    """
    return (advantage > 0.0).to(advantage.dtype)


def intervention_weights(weight: Tensor, intervention: Tensor, factor: float) -> Tensor:
    """Return the weights, where a person decided raised to at least 1 and multiplied by `factor`, (b,).

    Args:
        weight: (b,).
        intervention: 1.0 where a person decided, (b,).
        factor: At least 1.
    """
    return torch.where(intervention > 0.5, factor * weight.clamp(min=1.0), weight)


def weighted_regression_loss(log_probability: Tensor, weight: Tensor) -> Tensor:
    """Return L_pi = -E[w log pi(a | z)], weights without gradient: AAWR (arXiv 2512.01188); w = 1 is cloning.

    Args:
        log_probability: Of the taken action, (b,).
        weight: See `advantage_weights`, (b,).
    """
    return -(weight.detach() * log_probability).mean()


def effective_sample_size(weight: Tensor) -> Tensor:
    """Return (sum w)^2 / (n sum w^2) in (0, 1]: how many samples the weighting really uses."""
    return weight.sum().square() / (len(weight) * weight.square().sum()).clamp(min=1e-12)
