"""Is a camera alive? Repeated, black and stale pictures are told from fresh ones, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from robots.types import Image

FROZEN_S = 0.3
BLACK_MAX = 8  # a picture whose brightest value is below this shows nothing
FROZEN, BLACK, STALE = "frozen", "black", "stale"


class CameraWatch:
    """Judges the pictures of all cameras, one capture after the other.

    Args:
        names: The cameras.
        may_repeat: An unchanged picture is no fault: the robot is a simulation whose time stands still.
    """

    def __init__(self, names: Iterable[str], *, may_repeat: bool = False) -> None:
        self._names, self._may_repeat = tuple(names), may_repeat
        self.faults: Counter[str] = Counter(dict.fromkeys((FROZEN, BLACK, STALE), 0))
        self.reset()

    def reset(self) -> None:
        """Forget the pictures; the counts stay."""
        self._last: dict[str, Image] = {}
        self._fresh_s: dict[str, float] = {}
        self._state: dict[str, str] = dict.fromkeys(self._names, "")

    @property
    def state(self) -> Mapping[str, str]:
        """Each camera's present fault: `frozen`, `black`, `stale`, or empty."""
        return dict(self._state)

    def fresh(self, images: Mapping[str, Image], now: float) -> bool:
        """Return whether every camera shows something new; each fault counts once when it begins.

        Args:
            images: One uint8 (h, w, 3) picture per camera.
            now: Loop time [s].
        """
        verdicts = [self._judge(name, images[name], now) for name in self._names]
        return all(verdicts)

    def stale(self) -> None:
        """Note that the driver delivered nothing fresh."""
        for name in self._names:
            self._enter(name, STALE)

    def _judge(self, name: str, image: Image, now: float) -> bool:
        same = not self._may_repeat and name in self._last and np.array_equal(self._last[name], image)
        if not same:
            # Drivers may reuse their buffer: without a copy every picture would equal the last one.
            self._last[name], self._fresh_s[name] = image.copy(), now
        black = int(image.max(initial=0)) < BLACK_MAX
        if black:
            self._enter(name, BLACK)
        elif same and now - self._fresh_s.setdefault(name, now) >= FROZEN_S:
            self._enter(name, FROZEN)
        elif not same:
            self._state[name] = ""
        return not (same or black)

    def _enter(self, name: str, fault: str) -> None:
        if self._state[name] != fault:
            self._state[name] = fault
            self.faults[fault] += 1

    def first_look(self, name: str, image: Image) -> str:
        """Return what is wrong with a camera that is just being started: it must show two different pictures."""
        last, self._last[name] = self._last.get(name), image.copy()
        if int(image.max(initial=0)) < BLACK_MAX:
            return "is black"
        repeated = last is None or np.array_equal(last, image)
        return "shows the same picture again and again" if repeated and not self._may_repeat else ""
