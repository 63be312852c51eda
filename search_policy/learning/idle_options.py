"""Options that another option leaves without effect: changing one of them is a mistake, and refused.

One run is meant here. An experiment's grid shares its options among methods, heads and memories, of which some read
more than others, so it is not checked; nor are options that only some methods read, whose help says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter

from robots.errors import UsageError
from search_policy.learning.config import VIEWPOINT, TrainConfig
from search_policy.learning.heads.config import CATEGORICAL
from search_policy.twist.config import TwistConfig


@dataclass(frozen=True, slots=True)
class _Rule:
    options: tuple[str, ...]
    idle: Callable[[TrainConfig], bool]
    reason: str


_RULES = (
    _Rule(("beta", "weight_clip"), lambda c: c.weighting == "indicator", "the weighting indicator does not read it"),
    _Rule(("memory.length", "memory.width"), lambda c: c.memory.kind == "none", "memory.kind is none"),
    _Rule(
        ("policy.deviation",),
        lambda c: c.head in (CATEGORICAL, "flow"),
        "only the heads gaussian, mixture and squashed read it",
    ),
    _Rule(("policy.components",), lambda c: c.head != "mixture", "only the head mixture reads it"),
    _Rule(
        ("policy.flow_steps", "policy.flow_width", "policy.distillation"),
        lambda c: c.head != "flow",
        "only the head flow reads it",
    ),
    _Rule(
        ("pixels.brightness", "pixels.contrast", "pixels.saturation", "pixels.hue"),
        lambda c: c.pixels.jitter == 0.0,
        "pixels.jitter is 0",
    ),
    _Rule(("pixels.noise_std",), lambda c: c.pixels.noise == 0.0, "pixels.noise is 0"),
    _Rule(("pixels.cutout_size",), lambda c: c.pixels.cutout == 0.0, "pixels.cutout is 0"),
    _Rule(("pixels.blur_sigma_px",), lambda c: c.pixels.blur == 0.0, "pixels.blur is 0"),
    _Rule(("pixels.curl_momentum",), lambda c: c.pixels.curl == 0.0, "pixels.curl is 0"),
    _Rule(
        tuple(f"collect.twist.{item.name}" for item in fields(TwistConfig)),
        lambda c: c.action_space == VIEWPOINT,
        "the action space is viewpoint",
    ),
)


def refuse_idle_options(config: TrainConfig) -> None:
    """Refuse options that differ from their defaults although another option leaves them without effect.

    Args:
        config: One run.

    Raises:
        UsageError: There is such an option.
    """
    plain = TrainConfig()
    for rule in _RULES:
        for name in rule.options if rule.idle(config) else ():
            value = attrgetter(name)(config)
            if value != attrgetter(name)(plain):
                raise UsageError(f"training: {name} {value} has no effect, because {rule.reason}.")
