"""Fixation: a visual servo that centres the detection and approaches it until it is large enough to hand over."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from robots.errors import UsageError
from robots.region import Opening, SearchRegion
from robots.types import (
    Action,
    ActionSpace,
    CameraIntrinsics,
    Command,
    Detection,
    DetectionFrame,
    Float,
    Lease,
    Observation,
    SkillHealth,
    SkillState,
    Task,
)
from search_policy.memory.sightline import place_of
from search_policy.motion.geometry import look_at_off_axis, ray_of
from search_policy.motion.keepout import KeepOut
from search_policy.motion.mover import Mover, MoverConfig
from search_policy.motion.viewpoints import ViewConfig, camera_box, cleared_pose

_POSES_KEPT = 32
_NOWHERE: Float = np.eye(4)
_BEFORE, _ABOVE = np.array([-1.0, 0.0, 0.15]), np.array([-0.55, 0.0, 0.85])  # where a compartment is best looked into


@dataclass(frozen=True, slots=True)
class FixationConfig:
    """Where the target is to appear, and when that is reached."""

    # Where the target's centre is to appear, fractions of width and height from the upper left
    fixation_uv: tuple[float, float] = (0.5, 0.5)
    # Largest distance of the centre from there, as a fraction of the image height
    tolerance: float = 0.08
    # Once within it, the camera rests until the centre is off by this many times the tolerance
    release: float = 1.6
    # Handoff range of the target's apparent size: the box's longer side as a fraction of the image height
    size_range: tuple[float, float] = (0.14, 0.6)
    # Distance from which the target is looked at, estimated as if it stood in the middle of the shelf's depth [m]
    distance_m: float = 0.32
    # Frames with the target centred and large enough before the servo is done
    hold_frames: int = 3
    # Frames without the target after which the camera goes back to where it last saw it
    missed_frames: int = 2
    # Frames without the target before the servo gives up
    lost_frames: int = 10
    # Share of the largest extent seen below which the target counts as hidden by something
    hidden_share: float = 0.6
    # A detection this far from the estimated position is of something else: what was known of it is void [m]
    jump_m: float = 0.12
    # Frames at rest off the goal after which the camera moves again: the arm trails, and may come to rest beside it
    rest_frames: int = 3
    # Steps after which a target that cannot be brought closer is accepted at its size
    patience_steps: int = 25
    # Weight of a new frame in the target's estimated position
    smoothing: float = 0.6
    # Limits of the motion
    mover: MoverConfig = field(default_factory=lambda: MoverConfig(linear_m_s=0.35, angular_rad_s=1.0))
    # Where the camera may be
    views: ViewConfig = field(default_factory=ViewConfig)

    def __post_init__(self) -> None:
        if not 0.0 < self.size_range[0] < self.size_range[1]:
            raise UsageError("fixation: size_range must be two rising fractions above 0.")
        if self.release < 1.0:
            raise UsageError("fixation: release must be at least 1.")
        if not all(0.1 <= value <= 0.9 for value in self.fixation_uv):
            raise UsageError("fixation: fixation_uv must lie within 0.1 and 0.9.")


class FixationSkill:
    """Satisfies `handoff.interfaces.Skill`: DONE when fixated, FAILED when the target was lost.

    A missed frame keeps the last bearing. The camera never leaves the box in front of the furniture, and the hand keeps
    clear of drawers and doors; what stands in a drawer is looked at from above.

    Args:
        region: Where the target may be.
        intrinsics: Of the wrist camera.
        config: Goal of the servo.
        control_hz: Rate at which `propose` is called.
        camera: Name of the wrist camera.
    """

    def __init__(
        self,
        region: SearchRegion,
        intrinsics: CameraIntrinsics,
        *,
        config: FixationConfig | None = None,
        control_hz: float = 15.0,
        camera: str = "wrist",
    ) -> None:
        self.config = config or FixationConfig()
        self._region = region
        self._intrinsics = intrinsics
        self._camera = camera
        self._slack = self.config.release * self.config.tolerance
        self._box = camera_box(region, self.config.views)
        self._keep_out = KeepOut.of(region)
        self._mover = Mover(region, self.config.mover, control_hz=control_hz, camera=camera)
        self._epoch: int | None = None
        self._seq = 0
        self._begin()

    def reset(self, task: Task) -> None:
        """Forget the last episode."""
        self._epoch, self._seq = None, 0
        self._begin()

    def restart(self) -> None:
        """Forget the last candidate and start on a new one; command numbers go on rising."""
        self._begin()

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Remember the camera's pose; ready at once."""
        self._take_lease(lease)
        self._remember(observation)
        return True

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the twist that centres and approaches the best detection, or None before the first one."""
        self._take_lease(lease)
        self._remember(observation)
        self._take_in(frame)
        if self._health.state is SkillState.FAILED or self._target is None:
            return None
        self._steps += 1
        twist = self._twist(observation)
        self._seq += 1
        action = Action(ActionSpace.CARTESIAN_VELOCITY, twist, gripper=0.0)
        return Command(lease.holder, lease.epoch, self._seq, observation.captured_at_s, action)

    def health(self) -> SkillHealth:
        """WARMING before the first detection, then READY, DONE or FAILED."""
        return self._health

    def _begin(self) -> None:
        self._mover.stop()
        self._target: Float | None = None
        self._frame_id: int | None = None
        self._steps = self._missed = self._held = 0
        self._size = 0.0
        self._rested = 0
        self._resting = self._from_above = self._hidden = False
        self._clearest, self._clearest_from = 0.0, _NOWHERE
        self._poses: OrderedDict[int, Float] = OrderedDict()
        self._health = SkillHealth(SkillState.WARMING, "no detection yet")

    def _take_lease(self, lease: Lease) -> None:
        if lease.epoch != self._epoch:
            self._epoch, self._seq = lease.epoch, 0
            self._begin()

    def _remember(self, observation: Observation) -> None:
        self._poses[observation.capture_id] = observation.camera_to_world[self._camera]
        if len(self._poses) > _POSES_KEPT:
            self._poses.popitem(last=False)

    def _take_in(self, frame: DetectionFrame | None) -> None:
        """Judge a new frame once; frames from before this fixation began have no known pose and are skipped."""
        if frame is None or frame.capture_id == self._frame_id or frame.capture_id not in self._poses:
            return
        self._frame_id = frame.capture_id
        detection = frame.best
        if detection is None:
            self._miss()
            return
        self._missed = 0
        self._track(detection, frame)
        self._compare(detection, frame)
        fixated = self._fixated(detection, frame)
        self._held = self._held + 1 if fixated else 0
        self._rested = 0 if fixated else self._rested + 1
        near = self._offset(detection, frame) <= self._slack and self._rested < self.config.rest_frames
        self._resting = fixated or (self._resting and near)
        done = self._held >= self.config.hold_frames
        self._health = SkillHealth(SkillState.DONE, "fixated") if done else SkillHealth(SkillState.READY)

    def _miss(self) -> None:
        self._missed += 1
        self._held = 0
        if self._missed == self.config.missed_frames:
            self._hidden, self._resting = True, False
        if self._missed >= self.config.lost_frames:
            self._health = SkillHealth(SkillState.FAILED, f"target lost for {self._missed} frames")
        elif self._health.state is SkillState.DONE:
            self._health = SkillHealth(SkillState.READY, "target missed")

    def _track(self, detection: Detection, frame: DetectionFrame) -> None:
        """Estimate where the target is: on the bearing of its box, half way into its compartment."""
        pose = self._poses[frame.capture_id]
        scale = frame.height_px / self._intrinsics.height_px
        camera = CameraIntrinsics(frame.width_px, frame.height_px, self._intrinsics.focal_px * scale)
        ray = ray_of(detection.center_px, pose, camera)
        place = place_of(self._region, pose[:3, 3], ray, depth=0.5)
        self._from_above = place is not None and self._in_drawer(place)
        if place is not None and self._from_above:
            seen = place
        else:
            depth = (self._region.front_x_m + 0.5 * self._region.depth_m - pose[0, 3]) / max(float(ray[0]), 0.3)
            seen = pose[:3, 3] + ray * max(depth, 0.1)
        old = self._target
        self._target = seen if old is None else old + self.config.smoothing * (seen - old)
        if old is not None and np.linalg.norm(seen - old) > self.config.jump_m:
            self._clearest, self._hidden = 0.0, False
        left, top, right, bottom = detection.box_xyxy_px
        self._size = max(right - left, bottom - top) / frame.height_px

    def _compare(self, detection: Detection, frame: DetectionFrame) -> None:
        """Remember from where most of the target was seen; well below that, something hides it from here."""
        assert self._target is not None
        pose = self._poses[frame.capture_id]
        distance = float(np.linalg.norm(pose[:3, 3] - self._target))
        extent = detection.area_px * (distance / frame.height_px) ** 2
        if extent > self._clearest:
            self._clearest, self._clearest_from = extent, pose
        self._hidden = self._hidden or extent < self.config.hidden_share * self._clearest

    def _in_drawer(self, place: Float) -> bool:
        drawers = (c for c in self._region.compartments if c.opening is Opening.TOP)
        return any(drawer.holds(place, slack_m=0.03) for drawer in drawers)

    def _offset(self, detection: Detection, frame: DetectionFrame) -> float:
        """Return the distance of the box's centre from where it is to be, as a fraction of the image height."""
        x, y = detection.center_px
        u, v = self.config.fixation_uv
        return float(np.hypot(x - u * frame.width_px, y - v * frame.height_px)) / frame.height_px

    def _fixated(self, detection: Detection, frame: DetectionFrame) -> bool:
        offset = self._offset(detection, frame)
        large_enough = self._size >= self.config.size_range[0] or self._steps >= self.config.patience_steps
        return offset <= self.config.tolerance and large_enough and self._size <= self.config.size_range[1]

    def _twist(self, observation: Observation) -> Float:
        """Return the twist (6,) towards the goal, or none at all while resting: chasing the last pixel never ends."""
        if self._resting:
            self._mover.stop()
            return np.zeros(6)
        gone = self._missed >= self.config.missed_frames and self._clearest > 0.0
        self._mover.start(self._clearest_from if gone else self._goal(observation))
        return self._mover.twist(observation)

    def _goal(self, observation: Observation) -> Float:
        """Return the camera pose to go to: facing the target, no closer than its size asks for.

        From the front, unless something hides it from there: then along the line on which most of it was seen.
        """
        assert self._target is not None
        position = observation.camera_to_world[self._camera][:3, 3]
        offset = position - self._target
        distance = float(np.linalg.norm(offset))
        wanted = self.config.distance_m
        if self._size >= self.config.size_range[0] and distance > wanted:
            wanted = min(distance, wanted * 1.25)
        if self._size > self.config.size_range[1]:
            wanted = distance * 1.2
        square_on = _ABOVE if self._from_above else _BEFORE
        facing = 0.6 * offset / max(distance, 1e-6) + 0.4 * square_on
        if self._hidden and self._clearest > 0.0:
            facing = self._clearest_from[:3, 3] - self._target
        goal = self._box.clip(self._target + facing / np.linalg.norm(facing) * wanted)
        goal = cleared_pose(goal, self._target, self._box, self._keep_out)[:3, 3]
        return look_at_off_axis(goal, self._target, self.config.fixation_uv, self._intrinsics)
