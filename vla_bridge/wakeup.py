"""Wakes a thread that polls sockets, from another thread that must not touch them."""

from __future__ import annotations

import contextlib
import os


class Wakeup:
    """A non-blocking pipe: `set` from anywhere, poll `fileno` and `clear` in the waiting thread."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable after `set`."""
        return self._read

    def set(self) -> None:
        """Wake the waiting thread. Never blocks: a full pipe is already awake."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def clear(self) -> None:
        """Forget all wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def close(self) -> None:
        """Release both ends. Must be called once, after both threads have stopped using it."""
        os.close(self._read)
        os.close(self._write)
