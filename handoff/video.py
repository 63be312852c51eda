"""Videos and filmstrips of recorded episodes, encoded in a thread of their own."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from handoff.interfaces import Step
from handoff.outcome import Outcome
from handoff.overlay import PAPER, PHASE_COLORS, View, font, paint, scaled, wrist_panel
from robots.types import Image, Task

QUEUE_LENGTH = 32
STRIP_FRAMES = 8
STRIP_PX = 168
SPECTATOR_STRIP_PX = 126


class Film:
    """An mp4 file under a temporary name until `close`: H.264 where the library has it, else MPEG-4 Part 2."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path = path
        self._partial = path.with_suffix(".part")
        self._rate = Fraction(fps).limit_denominator(1000)
        self._container = av.open(str(self._partial), "w", format="mp4", options={"movflags": "faststart"})
        self._stream: av.VideoStream | None = None

    def add(self, image: Image) -> None:
        """Append one frame, uint8 (h, w, 3) with even h and w; all frames have the first one's size."""
        if self._stream is None:
            self._stream = self._open_stream(image.shape[1], image.shape[0])
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name."""
        if self._stream is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
        self._partial.replace(self._path)

    def discard(self) -> None:
        """Close and remove the unfinished file."""
        self._container.close()
        self._partial.unlink(missing_ok=True)

    def _open_stream(self, width_px: int, height_px: int) -> av.VideoStream:
        name = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        options = {"crf": "24", "preset": "veryfast"} if name == "libx264" else {"qscale": "4"}
        stream = self._container.add_stream(name, rate=self._rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        stream.thread_count = 1
        return stream


class Filmstrip:
    """Keeps the first frame of every phase and the last frame, and draws them side by side."""

    def __init__(self) -> None:
        self._views: list[View] = []
        self._last: View | None = None

    def add(self, view: View) -> None:
        """Take in one control period."""
        if self._last is None or self._last.status.phase is not view.status.phase:
            self._views.append(view)
        self._last = view

    def save(self, path: Path) -> None:
        """Write a JPEG with one column per kept frame: wrist with boxes, third person, phase and step."""
        if self._last is None:
            return
        views = [*self._chosen(), self._last] if self._last is not self._views[-1] else self._chosen()
        height = STRIP_PX if self._last.spectator is None else STRIP_PX + SPECTATOR_STRIP_PX
        canvas = Pillow.new("RGB", (STRIP_PX * len(views), height + 24), PAPER)
        for column, view in enumerate(views):
            self._draw(canvas, view, column * STRIP_PX)
        partial = path.with_suffix(".jpg.part")
        canvas.save(partial, "JPEG", quality=82)
        os.replace(partial, path)

    def _chosen(self) -> list[View]:
        if len(self._views) < STRIP_FRAMES:
            return self._views
        picks = np.linspace(0, len(self._views) - 1, STRIP_FRAMES - 1).round().astype(int)
        return [self._views[i] for i in picks]

    def _draw(self, canvas: Pillow.Image, view: View, left: int) -> None:
        canvas.paste(wrist_panel(view, STRIP_PX), (left, 0))
        if view.spectator is not None:
            panel = scaled(view.spectator, SPECTATOR_STRIP_PX)
            inset = (panel.width - STRIP_PX) // 2
            canvas.paste(panel.crop((inset, 0, inset + STRIP_PX, SPECTATOR_STRIP_PX)), (left, STRIP_PX))
        phase = str(view.status.phase)
        draw = ImageDraw.Draw(canvas)
        draw.rectangle((left, canvas.height - 3, left + STRIP_PX - 2, canvas.height), fill=PHASE_COLORS[phase])
        draw.text(
            (left + 6, canvas.height - 20), f"{phase.replace('_', ' ')}  {view.index}", fill="#f2f4f7", font=font(12)
        )


@dataclass(frozen=True, slots=True)
class Filming:
    """How episodes are filmed.

    Attributes:
        camera: Name of the wrist camera, whose images the detector sees.
        wrist: Renders the wrist camera's present view, larger than what the detector gets; None to show the latter.
        spectator: Renders a third-person view, or None for none.
        fps: Frames per second: the control rate.
        wait: Slow the loop instead of dropping frames; only for simulated time.
    """

    camera: str
    wrist: Callable[[], Image] | None
    spectator: Callable[[], Image] | None
    fps: float
    wait: bool


class VideoRecorder:
    """Records one episode to `<folder>/<name>.mp4` and `.jpg`. Painting and encoding happen in a thread.

    When a full queue may not slow the loop, frames are dropped and counted.
    """

    def __init__(self, folder: Path, name: str, title: str, filming: Filming) -> None:
        self._folder, self._name, self._title, self._filming = folder, name, title, filming
        self._views: queue.Queue[View | None] = queue.Queue(QUEUE_LENGTH)
        self._thread: threading.Thread | None = None
        self._keep = False
        self._rendered: tuple[Image | None, Image | None] = (None, None)
        self.error: OSError | None = None
        self.dropped = 0
        font(12)  # loading the first one imports a package: not while the loop runs

    def begin(self, task: Task) -> None:
        """Start the encoder."""
        self._keep, self.error, self.dropped = False, None, 0
        self._render()
        self._thread = threading.Thread(target=self._encode, name="video", daemon=True)
        self._thread.start()

    def step(self, step: Step) -> None:
        """Offer one control period's images."""
        # The robot has moved since the observation: what was rendered at the end of the last period belongs to it.
        wrist, spectator = self._rendered
        view = View(
            wrist=wrist if wrist is not None else step.observation.images[self._filming.camera],
            spectator=spectator,
            frame=step.frame,
            decision=step.decision,
            status=step.status,
            index=step.index,
            now_s=step.now_s,
        )
        self._render()
        try:
            self._views.put(view, block=self._filming.wait)
        except queue.Full:
            self.dropped += 1

    def end(self, outcome: Outcome | None) -> None:
        """Finish the files; those of an episode that was cut short are removed."""
        self._keep = outcome is not None
        self._views.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _render(self) -> None:
        filming = self._filming
        self._rendered = (
            filming.wrist() if filming.wrist else None,
            filming.spectator() if filming.spectator else None,
        )

    def _encode(self) -> None:
        try:
            self._write()
        except OSError as error:
            self.error = error
            while self._views.get() is not None:
                self.dropped += 1

    def _write(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        film, strip = Film(self._folder / f"{self._name}.mp4", self._filming.fps), Filmstrip()
        try:
            while (view := self._views.get()) is not None:
                film.add(paint(view, self._title))
                strip.add(view)
        except BaseException:
            film.discard()
            raise
        if not self._keep:
            film.discard()
            return
        film.close()
        strip.save(self._folder / f"{self._name}.jpg")
