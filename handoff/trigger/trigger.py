"""The shipped trigger: look, look again, and only then hand over.

Stage 1, while searching: one CUSUM per candidate; above its threshold the candidate deserves a second look. Stage 2,
after `verify`: a truncated SPRT on frames captured later, all of them about that one candidate, plus the fixation
guards. Frames count by how much the camera moved in between, so staring at a look-alike adds little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from handoff.interfaces import TriggerDecision, TriggerState
from handoff.stillness import Stillness
from handoff.trigger.calibration import Calibration, missed_detection_ratio
from handoff.trigger.candidates import Track, View, follow, reacquire
from handoff.trigger.evidence import DependenceConfig, camera_displacement, correlation, evidence_weight
from handoff.trigger.fixation import FixationConfig, missing_guard
from handoff.trigger.sequential import Sprt, SprtConfig, Verdict, sprt_step
from handoff.trigger.tracking import TrackingConfig
from robots.errors import UsageError
from robots.types import CameraIntrinsics, DetectionFrame, Float, Observation, Task

_POSES_KEPT = 128  # about eight seconds at 15 Hz: older frames are stale long before


@dataclass(frozen=True, slots=True)
class TriggerConfig:
    """All of the trigger's knobs.

    Attributes:
        candidate_nats: CUSUM threshold of stage 1; `sequential.cusum_threshold` gives a starting point.
        max_frame_age_s: Older detector results add no evidence and satisfy no guard [s].
        calibration: From scores to evidence.
        dependence: How much of a frame's evidence is new.
        tracking: Which detection is which candidate.
        sprt: Error rates of stage 2.
        fixation: Guards of stage 2.
    """

    candidate_nats: float = 4.0
    max_frame_age_s: float = 0.5
    calibration: Calibration = field(default_factory=Calibration)
    dependence: DependenceConfig = field(default_factory=DependenceConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    sprt: SprtConfig = field(default_factory=SprtConfig)
    fixation: FixationConfig = field(default_factory=FixationConfig)

    def __post_init__(self) -> None:
        if self.candidate_nats <= 0.0 or self.max_frame_age_s <= 0.0:
            raise UsageError("trigger: candidate_nats and max_frame_age_s must be positive.")


class SequentialTrigger:
    """See the module's docstring. Satisfies `handoff.interfaces.Trigger`.

    `update` raises `UsageError` when the detector names a camera that is not in `cameras`.

    Args:
        config: All knobs.
        cameras: Intrinsics of the cameras whose images the detector sees.
    """

    def __init__(self, config: TriggerConfig, cameras: Mapping[str, CameraIntrinsics]) -> None:
        self._config = config
        self._cameras = cameras
        self._target: int | None = None
        self._forget()

    def reset(self, task: Task) -> None:
        """Forget all evidence."""
        self._forget()

    def verify(self) -> None:
        """Begin stage 2 for the candidate with the most evidence."""
        self._sprt = Sprt()
        self._fixated_frames = 0
        self._confirmed = False
        self._target = self._tracks[0].identity if self._tracks else None
        self._verifying = True

    def search(self) -> None:
        """Go back to stage 1 with no evidence. Frames that were used already stay used."""
        self._tracks: tuple[Track, ...] = ()
        self._sprt = Sprt()
        self._target = None
        self._fixated_frames = 0
        self._verifying = self._confirmed = False

    def update(self, frame: DetectionFrame | None, observation: Observation, now: float) -> TriggerDecision:
        """Take in the newest detector result; see `handoff.interfaces.Trigger.update`."""
        self._poses[observation.capture_id] = observation.camera_to_world
        while len(self._poses) > _POSES_KEPT:
            del self._poses[next(iter(self._poses))]
        still_s = self._stillness.update(observation, now)
        age_s = now - frame.captured_at_s if frame is not None else math.inf
        fresh = 0.0 <= age_s <= self._config.max_frame_age_s
        if frame is not None and fresh and frame.capture_id > self._newest_capture:
            self._take(frame, still_s)
        if not fresh:
            self._fixated_frames = 0
        return self._decision(age_s, fresh=fresh)

    def _forget(self) -> None:
        self._poses: dict[int, Mapping[str, Float]] = {}
        self._newest_capture = -1
        self._last_pose: Float | None = None
        self._guard = "no frame yet"
        self._stillness = Stillness(self._config.fixation.speed_rad_s)
        self.search()

    def _take(self, frame: DetectionFrame, still_s: float) -> None:
        self._newest_capture = frame.capture_id
        view = self._view(frame)
        config = self._config
        self._tracks = follow(self._tracks, view, config.calibration, config.tracking, keep=self._target)
        if self._confirmed:
            self._tracks = tuple(
                reacquire(track, view, config.calibration) if track.identity == self._target else track
                for track in self._tracks
            )
        subject = self._subject()
        if self._verifying:
            missed = view.weight * missed_detection_ratio(config.calibration)
            self._sprt = sprt_step(self._sprt, subject.ratio_nats if subject is not None else missed, config.sprt)
        self._judge_fixation(subject, frame, still_s)

    def _judge_fixation(self, subject: Track | None, frame: DetectionFrame, still_s: float) -> None:
        config = self._config.fixation
        seen = subject is not None and subject.seen
        self._guard = missing_guard(subject.detection, frame, still_s, config) if subject and seen else "not seen"
        self._fixated_frames = 0 if self._guard else self._fixated_frames + 1
        accepted = self._verifying and self._sprt.verdict is Verdict.ACCEPT
        self._confirmed = self._confirmed or (accepted and self._fixated_frames >= config.frames)

    def _view(self, frame: DetectionFrame) -> View:
        if frame.camera not in self._cameras:
            raise UsageError.unknown("camera", frame.camera, self._cameras, where="the detector's result")
        intrinsics = self._cameras[frame.camera]
        zoom = frame.width_px / intrinsics.width_px
        camera = CameraIntrinsics(frame.width_px, frame.height_px, intrinsics.focal_px * zoom)
        # An uncalibrated camera has no pose: it counts as standing still, and boxes are matched as they are.
        pose = self._poses.get(frame.capture_id, {}).get(frame.camera)
        pose = pose if pose is not None else (self._last_pose if self._last_pose is not None else np.eye(4))
        moved = camera_displacement(self._last_pose, pose) if self._last_pose is not None else (0.0, 0.0)
        self._last_pose = pose
        return View(frame, camera, pose, evidence_weight(correlation(self._config.dependence, *moved)))

    def _subject(self) -> Track | None:
        """The candidate in question: the one being verified, or the one with the most evidence."""
        if self._verifying:
            return next((track for track in self._tracks if track.identity == self._target), None)
        return self._tracks[0] if self._tracks else None

    def _decision(self, age_s: float, *, fresh: bool) -> TriggerDecision:
        subject = self._subject()
        seen = subject is not None and subject.seen
        total = subject.total_nats if subject is not None else 0.0
        evidence = self._sprt.total_nats if self._verifying else total
        return TriggerDecision(
            state=self._state(total, fresh=fresh and seen),
            evidence_nats=evidence,
            target=subject.detection if subject is not None and seen else None,
            visible=seen,
            fixated=fresh and self._fixated_frames >= self._config.fixation.frames,
            frame_age_s=age_s,
            detail=(self._guard if fresh else f"frame is {age_s:.2f} s old"),
        )

    def _state(self, total_nats: float, *, fresh: bool) -> TriggerState:
        if self._confirmed:
            return TriggerState.CONFIRMED
        if self._verifying:
            rejected = self._sprt.verdict is Verdict.REJECT
            return TriggerState.REJECTED if rejected else TriggerState.CANDIDATE
        return TriggerState.CANDIDATE if fresh and total_nats >= self._config.candidate_nats else TriggerState.ABSENT
