"""One control period as a row of a dataset. Pure: no files, no threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handoff.dataset.columns import (
    ACTION,
    DONE,
    GAP,
    HOLDER,
    HOLDER_CODES,
    IMAGES,
    INTERVENTION,
    PHASE,
    PHASE_CODES,
    PRIVILEGED,
    REWARD,
    STATE,
    SUCCESS,
    DatasetLayout,
)
from handoff.interfaces import Step
from robots.errors import SpecError
from robots.types import Action, ActionSpace, Float, Holder, Image, Observation, Privileged

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a recorder gets what is not in a `Step`. All are called on the loop's thread and must not wait.

    Attributes:
        images: Renders or copies a camera's present image, uint8 (h, w, 3), by name; other cameras come from the
            observation.
        privileged: The present truth; only a simulation has one.
        joint_target: The joint position target that was sent last [rad] (n,); needed by robots that report what they
            executed as a twist.
    """

    images: Mapping[str, Callable[[], Image]] = field(default_factory=dict)
    privileged: Callable[[], Privileged] | None = None
    joint_target: Callable[[], Float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """What the sources say at the instant of an observation."""

    images: Mapping[str, Image]
    privileged: Mapping[str, Float]


class RowBuilder:
    """Turns steps into rows.

    A robot has moved by the time a step is recorded: `look` takes what belongs to the next observation.
    """

    def __init__(self, layout: DatasetLayout, sources: Sources) -> None:
        self._layout, self._sources = layout, sources
        self._extras = Extras({}, {})
        self._gripper: float | None = None

    def begin(self) -> None:
        """Forget the last episode, and look."""
        self._gripper = None
        self.look()

    def look(self) -> None:
        """Take images and truth now, for the observation that follows."""
        truth = self._sources.privileged() if self._sources.privileged and self._layout.privileged else None
        self._extras = Extras(
            {name: source() for name, source in self._sources.images.items() if name in self._layout.cameras},
            truth.values if truth else {},
        )

    def row(self, step: Step, gap: int) -> Row:
        """Return the row of one step, with no reward and not done, then look for the next.

        Args:
            step: The control period.
            gap: Control periods lost directly before it.

        Raises:
            SpecError: The robot executed an action whose joint target is not known, or a value has another shape.
        """
        extras = self._extras
        row = {
            **self._images(step.observation, extras),
            STATE: _vector(step.observation.joint_positions_rad, step.observation.gripper),
            ACTION: self._action(step),
            **_marks(step, gap),
            **self._privileged(extras),
        }
        self.look()
        return row

    def _images(self, observation: Observation, extras: Extras) -> Row:
        images = {**observation.images, **extras.images}
        row = {}
        for name, (width, height) in self._layout.cameras.items():
            if name not in images:
                raise SpecError(f"The robot gives no image of camera {name!r}.")
            if images[name].shape != (height, width, 3):
                raise SpecError(f"Camera {name!r} gives {images[name].shape}, the dataset holds {(height, width, 3)}.")
            row[f"{IMAGES}{name}"] = images[name]
        return row

    def _action(self, step: Step) -> Float:
        if step.sent.gripper is not None:
            self._gripper = step.sent.gripper
        gripper = step.observation.gripper if self._gripper is None else self._gripper
        source = self._sources.joint_target
        return _vector(source() if source else self._joint_target(step.sent, step.observation), gripper)

    def _joint_target(self, sent: Action, observation: Observation) -> Float:
        if sent.space is ActionSpace.JOINT_POSITION:
            return sent.values
        if sent.space is ActionSpace.JOINT_VELOCITY:
            return observation.joint_positions_rad + sent.values / self._layout.fps
        raise SpecError(f"A {sent.space} action has no joint target: give the recorder a source of joint targets.")

    def _privileged(self, extras: Extras) -> Row:
        return {
            f"{PRIVILEGED}{name}": np.asarray(extras.privileged[name], np.float32).reshape(shape)
            for name, shape in self._layout.privileged.items()
        }


def ended(row: Row, *, success: bool) -> Row:
    """Return the last row of an episode: done, with reward 1 for success."""
    return {
        **row,
        REWARD: np.array([float(success)], np.float32),
        SUCCESS: np.array([success]),
        DONE: np.array([True]),
    }


def _marks(step: Step, gap: int) -> Row:
    holder = step.status.lease.holder
    return {
        REWARD: np.zeros(1, np.float32),
        SUCCESS: np.array([False]),
        DONE: np.array([False]),
        PHASE: np.array([PHASE_CODES[str(step.status.phase)]], np.int64),
        HOLDER: np.array([HOLDER_CODES[str(holder)]], np.int64),
        INTERVENTION: np.array([holder is Holder.HUMAN]),
        GAP: np.array([gap], np.int64),
    }


def _vector(joints: Float, gripper: float) -> Float:
    return np.append(joints, gripper).astype(np.float32)
