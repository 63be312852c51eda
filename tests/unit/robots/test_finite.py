"""What is NaN or infinite in a configuration is refused by name, wherever it is nested."""

from dataclasses import dataclass, field

import pytest

from handoff.commands.options import parse_options
from robots.errors import UsageError
from robots.finite import check_finite
from search_policy.learning.config import TrainConfig


@dataclass(frozen=True)
class Inner:
    shares: tuple[float, ...] = (0.5, 0.5)
    strength: float = 1.0


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    limits: dict[str, float] = field(default_factory=dict)
    name: str = "nan"


def test_finite_numbers_and_texts_pass():
    check_finite(Outer())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda bad: Outer(Inner(strength=bad)), "inner.strength"),
        (lambda bad: Outer(Inner(shares=(0.5, bad))), "inner.shares.1"),
        (lambda bad: Outer(limits={"speed": bad}), "limits.speed"),
    ],
)
def test_what_is_not_finite_is_named(build, name, bad):
    with pytest.raises(UsageError, match=rf"^{name} must be a finite number"):
        check_finite(build(bad))


@pytest.mark.parametrize("option", ["beta", "learning_rate", "reward.step"])
def test_options_of_a_training_are_finite(option):
    with pytest.raises(UsageError, match=f"{option} must be a finite number, not nan"):
        parse_options(TrainConfig, [f"--{option}=nan"])
