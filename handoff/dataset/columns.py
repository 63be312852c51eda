"""The columns of a recorded dataset: names, shapes, units, and the codes of phases and holders.

A policy takes every column whose name starts with `observation` as an input and with `action` as an output
(`lerobot.utils.feature_utils.dataset_to_policy_features`). What only training and judging may see is therefore named
`privileged.*`, never `observation.privileged.*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handoff.phases import Phase
from robots.errors import UsageError
from robots.types import Holder, RobotDescription

IMAGES, STATE, ACTION, PRIVILEGED = "observation.images.", "observation.state", "action", "privileged."
REWARD, SUCCESS, DONE = "next.reward", "next.success", "next.done"
PHASE, HOLDER, INTERVENTION, GAP = "phase", "holder", "intervention", "gap"
GRIPPER = "gripper"
PHASE_CODES = {str(phase): code for code, phase in enumerate(Phase)}
HOLDER_CODES = {str(holder): code for code, holder in enumerate(Holder)}
LEROBOT_COLUMNS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
_POLICY_PREFIXES = ("observation", "action")

Features = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DatasetLayout:
    """What every episode of one dataset has in common.

    Attributes:
        robot: Name of the robot, `robot_type` of the dataset.
        fps: Control rate [Hz]; LeRobot needs a whole number.
        joint_names: n names, in the order of every joint array.
        cameras: Size (width, height) [px] of each camera's images.
        privileged: Shape of each privileged value, without the prefix.
        video: Encode images as video (small, lossy) instead of storing PNG (exact).

    Raises:
        UsageError: A name or size cannot be stored.
    """

    robot: str
    fps: int
    joint_names: tuple[str, ...]
    cameras: Mapping[str, tuple[int, int]]
    privileged: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    video: bool = True

    def __post_init__(self) -> None:
        if self.fps <= 0 or not self.joint_names:
            raise UsageError("A dataset needs a positive whole frame rate and at least one joint.")
        for name in (*self.cameras, *self.privileged):
            if not name or "/" in name or "." in name:
                raise UsageError(f"A dataset column cannot be named {name!r}: no slash, no dot, not empty.")
        odd = [name for name, size in self.cameras.items() if self.video and any(side % 2 for side in size)]
        if odd:
            raise UsageError(
                f"Video needs even image sizes; camera {odd[0]!r} is {self.cameras[odd[0]]} px: use images."
            )

    @classmethod
    def of_robot(
        cls,
        description: RobotDescription,
        cameras: Mapping[str, tuple[int, int]] | None = None,
        privileged: Mapping[str, tuple[int, ...]] | None = None,
        *,
        video: bool = True,
    ) -> DatasetLayout:
        """Return the layout of a robot; without `cameras`, those of its observations.

        Raises:
            UsageError: The control rate is no whole number of hertz.
        """
        if description.control_hz != round(description.control_hz):
            raise UsageError(f"LeRobot stores whole frame rates; the robot runs at {description.control_hz} Hz.")
        own = {name: (camera.width_px, camera.height_px) for name, camera in description.cameras.items()}
        return cls(
            robot=description.name,
            fps=round(description.control_hz),
            joint_names=description.joint_names,
            cameras=own if cameras is None else cameras,
            privileged=privileged or {},
            video=video,
        )

    @property
    def position_names(self) -> list[str]:
        """Names of state and action: joints [rad], then the gripper, each ending in `.pos`."""
        return [f"{name}.pos" for name in (*self.joint_names, GRIPPER)]

    def features(self) -> Features:
        """Return the columns as LeRobot's feature table; `info` carries units and codes."""
        return {**self._images(), **self._vectors(), **_marks(), **self._privileged()}

    def _images(self) -> Features:
        kind = "video" if self.video else "image"
        return {
            f"{IMAGES}{name}": {"dtype": kind, "shape": (height, width, 3), "names": ["height", "width", "channels"]}
            for name, (width, height) in self.cameras.items()
        }

    def _vectors(self) -> Features:
        names, info = self.position_names, {"unit": "rad; gripper 0 open to 1 closed"}
        return {
            name: {"dtype": "float32", "shape": (len(names),), "names": list(names), "info": dict(info)}
            for name in (STATE, ACTION)
        }

    def _privileged(self) -> Features:
        return {
            f"{PRIVILEGED}{name}": {"dtype": "float32", "shape": tuple(shape), "names": None}
            for name, shape in self.privileged.items()
        }


def _marks() -> Features:
    return {
        REWARD: _scalar("float32"),
        SUCCESS: _scalar("bool"),
        DONE: _scalar("bool"),
        PHASE: _scalar("int64", codes=PHASE_CODES),
        HOLDER: _scalar("int64", codes=HOLDER_CODES),
        INTERVENTION: _scalar("bool"),
        GAP: _scalar("int64", unit="control periods lost directly before this one"),
    }


def _scalar(kind: str, **info: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"dtype": kind, "shape": (1,), "names": None, **({"info": info} if info else {})}


def leaking_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that hold privileged values under a name which a policy would take as input or output."""
    return [name for name in names if "privileged" in name and name.startswith(_POLICY_PREFIXES)]
