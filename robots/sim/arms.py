"""The simulated arms, by name, and the arm that stands in each scene."""

from __future__ import annotations

from robots.sim.arm import PANDA
from robots.sim.arm_model import ArmModel
from robots.sim.furniture import find_furniture
from robots.sim.koch import KOCH

ARMS: dict[str, ArmModel] = {model.name: model for model in (PANDA, KOCH)}


def arm_of(scene: str) -> ArmModel:
    """Return the arm that stands in a scene.

    Raises:
        UsageError: There is no such scene.
    """
    return ARMS[find_furniture(scene).arm]
