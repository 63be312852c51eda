"""Baton's own LeRobot policies, `pi0_mini` and `film`; importing this package makes their types known to LeRobot.

`--policy.discover_packages_path=vla_bridge.policies` does the same for any LeRobot command.
"""

from vla_bridge.policies.film.configuration_film import FilmConfig
from vla_bridge.policies.pi0_mini.configuration_pi0_mini import Pi0MiniConfig

__all__ = ["FilmConfig", "Pi0MiniConfig"]
