"""A detector for one known object: colour back-projection proposes regions, a small network scores their appearance.

It sees the RGB image alone, needs neither GPU nor torch, and takes about a millisecond on an 84 px image. The score is
the model's posterior that a region is the target, fitted to auto-labelled images (`handoff.detectors.fitting`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_tensors
from scipy.special import expit

from handoff.detectors.appearance import FEATURES, TABLE_SIZE, Region, propose
from robots.errors import CheckpointError, UsageError
from robots.types import Detection, DetectionFrame, Float, Image, Observation, Task, read_only

WEIGHTS = Path(__file__).parent / "weights"
TENSORS = ("log_ratio", "hidden", "output")


@dataclass(frozen=True, slots=True, eq=False)
class ColorShapeModel:
    """What was learned about one object.

    Attributes:
        log_ratio: ln p(colour | target) / p(colour | scene) per colour bin, flat, TABLE_SIZE values.
        hidden: (FEATURES, u) weights of the u hidden units; the last feature is constant.
        output: (u + 1,) weights of the output, the last one its bias.
        threshold_nats: Smoothed log ratio above which a pixel belongs to a candidate region.
        min_area_px: Smallest region, in pixels of an image `reference_px` wide.
        reference_px: Image width that `min_area_px` refers to.
    """

    log_ratio: Float
    hidden: Float
    output: Float
    threshold_nats: float = 0.5
    min_area_px: int = 6
    reference_px: int = 84

    def __post_init__(self) -> None:
        units = len(self.output) - 1
        if self.log_ratio.shape != (TABLE_SIZE,) or self.hidden.shape != (FEATURES, units):
            raise CheckpointError(
                f"color-shape model: expected {TABLE_SIZE} colour ratios and weights ({FEATURES}, {units}), "
                f"got {self.log_ratio.shape} and {self.hidden.shape}."
            )
        for name in ("log_ratio", "hidden", "output"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def regions(self, image: Image) -> list[Region]:
        """Return the candidate regions of an RGB image (h, w, 3)."""
        scale = image.shape[1] / self.reference_px
        area = max(round(self.min_area_px * scale * scale), 1)
        return propose(image, self.log_ratio, threshold_nats=self.threshold_nats, min_area_px=area)

    def score(self, region: Region) -> float:
        """Return the posterior probability that a region is the target."""
        return float(expit(np.tanh(region.features @ self.hidden) @ self.output[:-1] + self.output[-1]))


class ColorShapeDetector:
    """Finds one of a few known objects in the wrist image. Satisfies `handoff.interfaces.Detector`; works at once.

    Args:
        models: One model per target name.
        camera: The camera to look at.
        min_score: Detections below this score are not reported.
    """

    def __init__(
        self, models: Mapping[str, ColorShapeModel], *, camera: str = "wrist", min_score: float = 0.05
    ) -> None:
        self._models = dict(models)
        self._camera = camera
        self._min_score = min_score
        self._target = ""
        self._latest: DetectionFrame | None = None

    @classmethod
    def shipped(cls, targets: tuple[str, ...] = ()) -> ColorShapeDetector:
        """Load the shipped models: those of `targets`, or all.

        Raises:
            UsageError: No model is shipped for a target; the message lists those that are.
            CheckpointError: A model file is damaged.
        """
        available = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
        for target in targets:
            if target not in available:
                raise UsageError.unknown("detector target", target, available)
        return cls({name: load_model(WEIGHTS / f"{name}.safetensors") for name in targets or available})

    def reset(self, task: Task) -> None:
        """Look for `task.target` from now on.

        Raises:
            UsageError: There is no model for it.
        """
        if task.target not in self._models:
            raise UsageError.unknown("detector target", task.target, self._models)
        self._target = task.target
        self._latest = None

    def submit(self, observation: Observation) -> None:
        """Detect at once, unless this capture was already seen."""
        if self._latest is None or observation.capture_id != self._latest.capture_id:
            self._latest = self.detect(observation)

    def latest(self) -> DetectionFrame | None:
        """Return the newest result."""
        return self._latest

    def detect(self, observation: Observation) -> DetectionFrame:
        """Return every candidate above the least score, best first."""
        image = observation.images[self._camera]
        model = self._models[self._target]
        found = [Detection(_floats(r.box_xyxy_px), model.score(r), self._target) for r in model.regions(image)]
        kept = sorted((d for d in found if d.score >= self._min_score), key=lambda d: -d.score)
        return DetectionFrame(
            capture_id=observation.capture_id,
            captured_at_s=observation.captured_at_s,
            camera=self._camera,
            width_px=image.shape[1],
            height_px=image.shape[0],
            detections=tuple(kept),
        )


def load_model(path: Path) -> ColorShapeModel:
    """Load a model and verify it against the hash in the JSON file beside it.

    Raises:
        CheckpointError: A file is missing or damaged, or does not hold exactly the expected arrays.
    """
    card = path.with_suffix(".json")
    if not path.is_file() or not card.is_file():
        raise CheckpointError(f"Detector model {path} or its {card.name} is missing. Fit it again or reinstall.")
    data = path.read_bytes()
    meta = json.loads(card.read_text())
    if hashlib.sha256(data).hexdigest() != meta["sha256"]:
        raise CheckpointError(f"Detector model {path} is damaged: its SHA-256 differs from the one in {card.name}.")
    tensors = load_tensors(data)
    if set(tensors) != set(TENSORS):
        raise CheckpointError(f"Detector model {path} holds {sorted(tensors)}; expected {', '.join(TENSORS)}.")
    return ColorShapeModel(*(tensors[name].astype(np.float64) for name in TENSORS))


def _floats(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return float(left), float(top), float(right), float(bottom)
