"""How good a fitted detector is, per frame: recall by visibility, false positives, calibration of its score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from handoff.detectors.color_shape import ColorShapeModel
from handoff.detectors.fitting import LabelledImage, is_target
from robots.statistics import Interval, wilson
from robots.types import Float

VISIBLE = 0.3  # a target counts as visible from this share on
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class DetectorMeasures:
    """Per-frame figures at a score threshold of 0.5; intervals are 95 % Wilson.

    Attributes:
        visible_frames: Frames in which at least 30 % of the target is visible.
        recall: Share of them in which the best detection is right.
        recall_ci95: Its interval.
        empty_frames: Frames without any visible part of the target.
        false_positives: Share of them with a detection.
        false_positives_ci95: Its interval.
        calibration_error: Expected calibration error of the best detection's score, 10 bins (Guo et al. 2017).
    """

    visible_frames: int
    recall: float
    recall_ci95: Interval | None
    empty_frames: int
    false_positives: float
    false_positives_ci95: Interval | None
    calibration_error: float

    def to_dict(self) -> dict[str, object]:
        """Return JSON-able values."""
        return {"validation": asdict(self)}

    def line(self) -> str:
        """Return one line for people."""
        return (
            f"recall {_share(self.recall, self.recall_ci95)} of {self.visible_frames} frames with the target visible, "
            f"false positives in {_share(self.false_positives, self.false_positives_ci95)} of {self.empty_frames} "
            f"frames without it, calibration error {self.calibration_error:.3f}"
        )


def measure(model: ColorShapeModel, views: Iterable[LabelledImage]) -> DetectorMeasures:
    """Score every view and count."""
    best = [(_best(model, view), view) for view in views]
    visible = [score > THRESHOLD and right for (score, right), view in best if view.visible_fraction >= VISIBLE]
    empty = [score > THRESHOLD for (score, _), view in best if not view.mask.any()]
    scored = [(score, right) for (score, right), _ in best if score > 0.0]
    scores, rights = (np.array(column, dtype=np.float64) for column in zip(*scored, strict=True))
    return DetectorMeasures(
        visible_frames=len(visible),
        recall=float(np.mean(visible)),
        recall_ci95=wilson(sum(visible), len(visible)),
        empty_frames=len(empty),
        false_positives=float(np.mean(empty)),
        false_positives_ci95=wilson(sum(empty), len(empty)),
        calibration_error=expected_calibration_error(scores, rights),
    )


def expected_calibration_error(scores: Float, rights: Float, *, bins: int = 10) -> float:
    """Return the mean gap between score and frequency over equal-width bins, weighted by their size."""
    index = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [abs(scores[index == b].sum() - rights[index == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(scores))


def _best(model: ColorShapeModel, item: LabelledImage) -> tuple[float, bool]:
    scored = [(model.score(region), region) for region in model.regions(item.image)]
    if not scored:
        return 0.0, False
    score, region = max(scored, key=lambda pair: pair[0])
    return score, is_target(region, item.mask)


def _share(value: float, interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{100 * value:.1f} % [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
