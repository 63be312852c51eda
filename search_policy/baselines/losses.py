"""The equations of PPO and SAC for decisions that last several control steps: one equation, one pure function."""

from __future__ import annotations

import torch
from torch import Tensor


def generalized_advantage(difference: Tensor, duration: Tensor, ended: Tensor, discount: float, trace: float) -> Tensor:
    """Return A_k = difference_k + discount^duration_k trace A_{k+1} within each episode, (t,).

    GAE (arXiv 1506.02438), eq. 16, with the discount of a semi-Markov decision (Sutton, Precup and Singh, 1999); the
    trace decays per decision. Nothing flows back across an episode's end, be it terminated or truncated.

    Args:
        difference: r + discount^duration (1 - terminated) V' - V, (t,), decisions in the order of time.
        duration: Control steps, (t,).
        ended: 1.0 at the last decision of an episode, (t,).
        discount: Per control step.
        trace: lambda, per decision.
    """
    carry = discount**duration * trace * (1.0 - ended)
    advantage, following = torch.zeros_like(difference), difference.new_zeros(())
    for row in range(len(difference) - 1, -1, -1):
        following = difference[row] + carry[row] * following
        advantage[row] = following
    return advantage


def clipped_surrogate(log_probability: Tensor, before: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Return -E[min(ratio A, clip(ratio, 1 - clip, 1 + clip) A)]: PPO (arXiv 1707.06347), eq. 7.

    Args:
        log_probability: Of the taken actions under the policy now, (b,).
        before: The same under the policy that took them, without gradient, (b,).
        advantage: (b,).
        clip: Half the width of the trusted range of the ratio.
    """
    ratio = torch.exp(log_probability - before)
    return -torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage).mean()


def soft_value(log_probabilities: Tensor, q_values: Tensor, temperature: Tensor) -> Tensor:
    """Return V = sum_a pi(a) (Q(a) - temperature log pi(a)), (b,): discrete SAC (arXiv 1910.07207), eq. 10.

    Its negative mean is the policy's objective, eq. 12. An action of probability 0 adds nothing.

    Args:
        log_probabilities: (b, v); far below all others where an action is masked.
        q_values: (b, v).
        temperature: ().
    """
    probability = log_probabilities.exp()
    gain = q_values - temperature * log_probabilities.clamp(min=-50.0)
    return (probability * torch.where(probability > 0.0, gain, torch.zeros_like(gain))).sum(dim=1)


def temperature_loss(log_temperature: Tensor, entropy: Tensor, wanted: Tensor) -> Tensor:
    """Return E[temperature (H(pi) - wanted)]: SAC (arXiv 1812.05905), eq. 18; discrete: arXiv 1910.07207, eq. 11.

    Too little entropy raises the temperature.

    Args:
        log_temperature: Trained, ().
        entropy: Of the policy, without gradient, (b,).
        wanted: Target entropy, (b,).
    """
    return (log_temperature.exp() * (entropy.detach() - wanted)).mean()
