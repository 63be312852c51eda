"""Paints what the system saw and decided onto its camera images: boxes, phase, holder, evidence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from handoff.interfaces import TriggerDecision
from handoff.phases import Status
from robots.types import Detection, DetectionFrame, Image

PANEL_PX = 320
BANNER_PX = 64
INK, FAINT, PAPER = "#f2f4f7", "#8b95a5", "#12161c"
CANDIDATE, TARGET = "#f5b83d", "#3ddc84"
PHASE_COLORS = {
    "hold": "#7c8796",
    "search": "#4c8dff",
    "verify": "#f5b83d",
    "settle": "#c58af9",
    "prefetch": "#9d6ff0",
    "grasp": "#3ddc84",
    "check": "#2bb3a3",
    "retreat": "#ff8a5c",
    "done": "#5f6b7a",
    "fault_hold": "#ff5a5f",
}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One control period, as far as a video shows it.

    Attributes:
        wrist: Image of the camera that the detector looks through.
        spectator: Third-person image, or None.
        frame: The newest detector result.
        decision: The trigger's decision.
        status: The authority's status.
        index: Number of the control period.
        now_s: Loop time [s].
    """

    wrist: Image
    spectator: Image | None
    frame: DetectionFrame | None
    decision: TriggerDecision
    status: Status
    index: int
    now_s: float


def paint(view: View, title: str) -> Image:
    """Return wrist | third person above a banner, uint8 (PANEL + BANNER, w, 3) with even w."""
    panels = [wrist_panel(view, PANEL_PX)]
    if view.spectator is not None:
        panels.append(scaled(view.spectator, PANEL_PX))
    canvas = Pillow.new("RGB", (sum(panel.width for panel in panels), PANEL_PX + BANNER_PX), PAPER)
    left = 0
    for panel in panels:
        canvas.paste(panel, (left, 0))
        left += panel.width
    _banner(ImageDraw.Draw(canvas), view, title, canvas.width)
    return np.asarray(canvas)


def wrist_panel(view: View, size_px: int) -> Pillow.Image:
    """Return the wrist image with the detector's boxes; the trigger's target is green."""
    panel = square(view.wrist, size_px)
    if view.frame is None:
        return panel
    draw = ImageDraw.Draw(panel)
    for detection in view.frame.detections[:3]:
        if view.decision.target is None or detection.box_xyxy_px != view.decision.target.box_xyxy_px:
            _box(draw, detection, view.frame, size_px, CANDIDATE)
    if view.decision.target is not None:
        _box(draw, view.decision.target, view.frame, size_px, TARGET)
    return panel


def scaled(image: Image, height_px: int) -> Pillow.Image:
    """Scale an image (h, w, 3) to a height; the width keeps the aspect, rounded to an even number."""
    width = 2 * round(image.shape[1] * height_px / image.shape[0] / 2)
    return Pillow.fromarray(np.ascontiguousarray(image)).resize((width, height_px), Pillow.Resampling.BILINEAR)


def square(image: Image, size_px: int) -> Pillow.Image:
    """Fit an image (h, w, 3) into a square with dark bars."""
    height, width = image.shape[:2]
    fitted = scaled(image, size_px * height // max(height, width))
    canvas = Pillow.new("RGB", (size_px, size_px), PAPER)
    canvas.paste(fitted, ((size_px - fitted.width) // 2, (size_px - fitted.height) // 2))
    return canvas


@cache
def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which matplotlib brings along."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size_px)


def _box(draw: ImageDraw.ImageDraw, detection: Detection, frame: DetectionFrame, size_px: int, color: str) -> None:
    scale = size_px / max(frame.width_px, frame.height_px)
    shift = np.array([size_px - frame.width_px * scale, size_px - frame.height_px * scale] * 2) / 2
    left, top, right, bottom = (np.asarray(detection.box_xyxy_px) * scale + shift).clip(0, size_px - 1)
    if right <= left or bottom <= top:
        return
    draw.rectangle((left, top, right, bottom), outline=color, width=2)
    if size_px >= PANEL_PX:
        draw.text((left + 2, max(top - 15, 0)), f"{detection.score:.2f}", fill=color, font=font(12, bold=True))


def _banner(draw: ImageDraw.ImageDraw, view: View, title: str, width_px: int) -> None:
    phase, lease = str(view.status.phase), view.status.lease
    top = PANEL_PX + 9
    label = phase.replace("_", " ").upper()
    pill = 20 + draw.textlength(label, font=font(13, bold=True))
    draw.rounded_rectangle((10, top, 10 + pill, top + 22), radius=11, fill=PHASE_COLORS[phase])
    draw.text((20, top + 3), label, fill=PAPER, font=font(13, bold=True))
    draw.text((pill + 22, top + 4), f"{lease.holder} drives, epoch {lease.epoch}", fill=INK, font=font(12))
    _right(draw, width_px - 10, top + 4, f"step {view.index}   {view.now_s - view.status.started_s:5.1f} s", INK)
    draw.text(
        (10, top + 31),
        f"trigger {view.decision.state}  {view.decision.evidence_nats:+.1f} nats",
        fill=FAINT,
        font=font(12),
    )
    if view.spectator is not None:
        _right(draw, width_px - 10, top + 31, title, FAINT)


def _right(draw: ImageDraw.ImageDraw, right_px: float, top_px: float, text: str, color: str) -> None:
    draw.text((right_px - draw.textlength(text, font=font(12)), top_px), text, fill=color, font=font(12))
