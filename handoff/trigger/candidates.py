"""Every candidate in view, followed from frame to frame with its own cumulative sum."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from handoff.trigger.calibration import Calibration, log_likelihood_ratio, missed_detection_ratio
from handoff.trigger.sequential import cusum
from handoff.trigger.tracking import TrackingConfig, associate, predict_box
from robots.types import CameraIntrinsics, Detection, DetectionFrame, Float


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One candidate.

    Attributes:
        identity: Number that stays with the candidate.
        detection: Its newest detection.
        camera_to_world: Camera pose of that detection, (4, 4).
        seen_at_s: Capture time of that detection [s].
        seen: Whether the newest frame shows it.
        ratio_nats: Evidence of the newest frame, dependence included; 0.0 when the candidate was out of view.
        total_nats: Cumulative sum.
    """

    identity: int
    detection: Detection
    camera_to_world: Float
    seen_at_s: float
    seen: bool
    ratio_nats: float
    total_nats: float


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One detector result with what is needed to interpret it.

    Attributes:
        frame: The result.
        camera: Intrinsics at the frame's size.
        camera_to_world: Camera pose when the frame was captured, (4, 4).
        weight: Share of the frame's evidence that is new, see `evidence.evidence_weight`.
    """

    frame: DetectionFrame
    camera: CameraIntrinsics
    camera_to_world: Float
    weight: float


def follow(
    tracks: Sequence[Track], view: View, calibration: Calibration, config: TrackingConfig, *, keep: int | None = None
) -> tuple[Track, ...]:
    """Return the candidates after one more frame, largest cumulative sum first.

    Args:
        tracks: The candidates so far.
        view: The new frame.
        calibration: Turns scores into evidence.
        config: Association and forgetting.
        keep: Identity that is never dropped.
    """
    free = list(view.frame.detections)

    def rank(track: Track) -> tuple[bool, float]:
        """The one to keep first, then by cumulative sum."""
        return track.identity == keep, track.total_nats

    followed = [_continue(track, free, view, calibration, config) for track in sorted(tracks, key=rank, reverse=True)]
    newest = max((track.identity for track in tracks), default=-1)
    for offset, detection in enumerate(free, start=1):
        ratio = log_likelihood_ratio(calibration, detection.score)
        if ratio > 0.0:
            followed.append(_begin(newest + offset, detection, ratio, view))
    alive = [track for track in followed if track.identity == keep or _alive(track, view, config)]
    kept = sorted(alive, key=rank, reverse=True)[: config.max_tracks]
    return tuple(sorted(kept, key=lambda track: track.total_nats, reverse=True))


def reacquire(track: Track, view: View, calibration: Calibration) -> Track:
    """Let a lost candidate continue in the frame's best detection, if that looks more like the target than not.

    For use after the handoff, when the hand moves fast and near: to call the target lost would end a good grasp.
    """
    best = view.frame.best
    if track.seen or best is None or log_likelihood_ratio(calibration, best.score) <= 0.0:
        return track
    return dataclasses.replace(
        track,
        detection=best,
        camera_to_world=view.camera_to_world,
        seen_at_s=view.frame.captured_at_s,
        seen=True,
    )


def _begin(identity: int, detection: Detection, ratio: float, view: View) -> Track:
    captured_at_s = view.frame.captured_at_s
    return Track(
        identity, detection, view.camera_to_world, captured_at_s, seen=True, ratio_nats=ratio, total_nats=ratio
    )


def _continue(
    track: Track, free: list[Detection], view: View, calibration: Calibration, config: TrackingConfig
) -> Track:
    """Give the track the detection that continues it and take that out of `free`."""
    predicted = predict_box(
        track.detection.box_xyxy_px, view.camera, track.camera_to_world, view.camera_to_world, config.range_m
    )
    if predicted is None:
        return dataclasses.replace(track, seen=False, ratio_nats=0.0)
    index = associate(predicted, free, config)
    if index is None:
        ratio = view.weight * missed_detection_ratio(calibration)
        return dataclasses.replace(track, seen=False, ratio_nats=ratio, total_nats=cusum(track.total_nats, ratio))
    detection = free.pop(index)
    ratio = view.weight * log_likelihood_ratio(calibration, detection.score)
    return dataclasses.replace(
        track,
        detection=detection,
        camera_to_world=view.camera_to_world,
        seen_at_s=view.frame.captured_at_s,
        seen=True,
        ratio_nats=ratio,
        total_nats=cusum(track.total_nats, ratio),
    )


def _alive(track: Track, view: View, config: TrackingConfig) -> bool:
    return track.total_nats > 0.0 and view.frame.captured_at_s - track.seen_at_s <= config.forget_s
