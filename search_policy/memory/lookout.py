"""What every search skill remembers the same way: looks, detections at the pose of their capture, rejected places."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from robots.types import DetectionFrame, Float, Image, Observation
from search_policy.memory.seen_map import SeenMap
from search_policy.observations import downsample

_POSES_KEPT = 32
_CANDIDATE_STEPS = 6
_CANDIDATE_SCORE = 0.3  # a weaker detection does not end a lease of the search


class Onlooker(Protocol):
    """Sees every frame that a seen-map takes in, after the map did."""

    def look(self, image: Image, camera_to_world: Float) -> None:
        """Take in one frame: uint8 (84, 84, 3), captured at (4, 4)."""
        ...


class Lookout:
    """Feeds a seen-map, and notes the place that a lease of the search may be about to end for.

    Args:
        seen_map: The map to feed.
        camera: Name of the camera that looks.
        onlooker: Sees the same frames, or None.
    """

    def __init__(self, seen_map: SeenMap, camera: str, onlooker: Onlooker | None = None) -> None:
        self._seen_map = seen_map
        self._camera = camera
        self._onlooker = onlooker
        self.reset()

    def reset(self) -> None:
        """Forget the last episode's captures and candidate; the map is reset by whoever owns it."""
        self._candidate: Float | None = None
        self._candidate_step = 0
        self._captured: int | None = None
        self._poses: OrderedDict[int, Float] = OrderedDict()

    def look(self, observation: Observation, frame: DetectionFrame | None, step: int) -> None:
        """Update the seen-map, once per capture; detections are placed with the pose of their own capture."""
        if observation.capture_id == self._captured:
            return
        self._captured = observation.capture_id
        pose = observation.camera_to_world[self._camera]
        self._poses[observation.capture_id] = pose
        if len(self._poses) > _POSES_KEPT:
            self._poses.popitem(last=False)
        frame_pose = None if frame is None else self._poses.get(frame.capture_id)
        self._seen_map.update(pose, frame, frame_pose)
        if self._onlooker is not None:
            self._onlooker.look(downsample(observation.images[self._camera]), pose)
        if frame is not None and frame_pose is not None:
            self._note_candidate(frame, frame_pose, step)

    def reject_candidate(self) -> None:
        """Lower the weight of the noted place: a lease ended for it and came back, so it was something else."""
        if self._candidate is not None:
            self._seen_map.reject(self._candidate)

    def drop_candidate(self) -> None:
        """Forget the noted place."""
        self._candidate = None

    def _note_candidate(self, frame: DetectionFrame, frame_pose: Float, step: int) -> None:
        """Remember the place of the newest strong detection: if this lease ends soon, it ends because of that."""
        best = frame.best
        if best is not None and best.score >= _CANDIDATE_SCORE:
            self._candidate, self._candidate_step = self._seen_map.place_of(best.center_px, frame, frame_pose), step
        elif step - self._candidate_step > _CANDIDATE_STEPS:
            self._candidate = None
