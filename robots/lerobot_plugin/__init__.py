"""LeRobot plug-in: the simulated arm, its scripted expert and its tasks, for LeRobot's own commands.

`--robot.discover_packages_path=robots.lerobot_plugin` makes any LeRobot command import this package, which registers
the robot type `baton_sim`, the teleoperator type `baton_expert` and the environment type `baton`. Nothing in Baton
imports it. LeRobot finds the class of a configuration `FooConfig` under the name `Foo` in this module.
"""

from robots.lerobot_plugin.environment import BatonEnvConfig, task_names
from robots.lerobot_plugin.expert import BatonExpert, BatonExpertConfig
from robots.lerobot_plugin.robot import BatonSimRobot, BatonSimRobotConfig

__all__ = [
    "BatonEnvConfig",
    "BatonExpert",
    "BatonExpertConfig",
    "BatonSimRobot",
    "BatonSimRobotConfig",
    "task_names",
]
