"""Any LeRobot robot behind Baton's `Robot` contract, by its registered type. LeRobot is imported when one is opened."""

from robots.lerobot_adapter.factory import lerobot_arm, robot_types

__all__ = ["lerobot_arm", "robot_types"]
