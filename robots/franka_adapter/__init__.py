"""A Franka arm behind Baton's `Robot` contract, through franky (`pip install 'baton[franka]'`).

Built against the recorded interface of franky 2.0; not tried on hardware yet.
"""

from robots.franka_adapter.factory import franka_arm

__all__ = ["franka_arm"]
