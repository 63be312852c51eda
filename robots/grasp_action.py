"""The action of Baton's own generalists: what the grasp expert labels, data sets hold, and policies answer with."""

from __future__ import annotations

# Twist of the gripper in its own frame [m/s, rad/s], its target from 0 open to 1 closed, and 1 to refuse.
ACTION_NAMES = (
    "gripper.x.vel", "gripper.y.vel", "gripper.z.vel", "gripper.rx.vel", "gripper.ry.vel", "gripper.rz.vel",
    "gripper.pos", "refuse.pos",
)  # fmt: skip
ACTION_DIM, GRIPPER, REFUSE = len(ACTION_NAMES), 6, 7
