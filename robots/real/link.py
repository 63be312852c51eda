"""The one boundary to third-party drivers: what an adapter provides, and how its exceptions become ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from robots.errors import BatonError, RobotDisconnectedError, RobotError
from robots.types import Float, Image


class StalePictureError(RobotError):
    """A camera has no fresh picture; the arm itself may be well."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a driver measured.

    Attributes:
        joints_rad: (n,) in the profile's order and sign.
        gripper: 0.0 open to 1.0 closed.
        images: RGB pictures by the profile's camera names.
        velocities_rad_s: (n,) where the driver measures them, else None.
        age_s: How old the oldest picture is, where the driver tells [s].
    """

    joints_rad: Float
    gripper: float
    images: Mapping[str, Image]
    velocities_rad_s: Float | None = None
    age_s: float = 0.0


class Link(Protocol):
    """How one driver reads and writes. Units, order and signs are already those of `robots.types`."""

    @property
    def simulated(self) -> bool:
        """Whether time stands still while nothing is written, so that an unchanged picture is no fault."""
        ...

    def check(self) -> None:
        """Compare the driver's features with the profile, before anything is opened.

        Raises:
            UsageError: A name, unit or picture size does not fit; the message says which.
        """
        ...

    def open(self) -> None:
        """Open the link. No target may be written."""
        ...

    def read(self) -> Reading:
        """Return the newest state and pictures.

        Raises:
            StalePictureError: A camera delivered nothing fresh.
        """
        ...

    def write(self, joints_rad: Float, velocity_rad_s: Float, gripper: float) -> tuple[Float, float]:
        """Send one target and return what the driver says it really sent, (n,) [rad] and the gripper."""
        ...

    def close(self) -> None:
        """Stop and close; may raise, the caller answers for it."""
        ...


@contextmanager
def driver_call(doing: str) -> Iterator[None]:
    """Run third-party code: whatever it raises becomes `RobotDisconnectedError`; our own errors pass."""
    try:
        yield
    except BatonError:
        raise
    except Exception as error:
        raise RobotDisconnectedError(f"{doing}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """Return an exception's text as one sentence."""
    text = " ".join(str(error).split())[:240] or type(error).__name__
    return text if text.endswith((".", "!")) else f"{text}."
