"""The robot contract: five methods and a description. Every implementation passes `tests/contract/test_robot.py`."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from robots.types import Action, Observation, RobotDescription


@runtime_checkable
class Robot(Protocol):
    """An arm with a gripper and cameras, driven at a fixed control rate.

    One thread owns a robot. `send_action` and `hold` must be called once per control period; a robot that hears
    nothing must keep its pose by itself. Leaving the `with` block stops the robot on every path.
    """

    @property
    def description(self) -> RobotDescription:
        """Names, cameras, action spaces and rate. Constant while connected."""
        ...

    def connect(self) -> None:
        """Open the link and make the robot ready. A second call must be ignored.

        Raises:
            RobotError: The robot cannot be reached or is not safe to drive.
        """
        ...

    def get_observation(self) -> Observation:
        """Return the newest observation without waiting for a new one.

        Raises:
            RobotDisconnectedError: The link is gone.
        """
        ...

    def send_action(self, action: Action) -> Action:
        """Apply safety limits to `action`, send it, and return the action that was really sent.

        Raises:
            ActionRejectedError: The action is not finite, has the wrong width or an unsupported space; nothing moved.
            RobotDisconnectedError: The link is gone; nothing moved.
        """
        ...

    def hold(self) -> Action:
        """Bring the arm to rest within the limits and keep its pose, gripper unchanged. Returns what was sent."""
        ...

    def disconnect(self) -> None:
        """Stop the robot and close the link. Must not raise, and must be ignored when not connected."""
        ...

    def __enter__(self) -> Self:
        """Connect."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop and disconnect, on every path."""
        ...
