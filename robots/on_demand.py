"""Images that are drawn when somebody looks at them: a simulation need not render what nobody sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError


class OnDemand(Mapping[str, NDArray[np.uint8]]):
    """Read-only arrays by name, each made on its first use and kept.

    Args:
        names: The names there are.
        make: Returns the array of a name.
    """

    __slots__ = ("_made", "_make", "_names")

    def __init__(self, names: Sequence[str], make: Callable[[str], NDArray[np.uint8]]) -> None:
        self._names = tuple(names)
        self._make: Callable[[str], NDArray[np.uint8]] | None = make
        self._made: dict[str, NDArray[np.uint8]] = {}

    def __getitem__(self, name: str) -> NDArray[np.uint8]:
        """Return the array of that name.

        Raises:
            KeyError: There is no such name.
            SpecError: It was not made before `expire`.
        """
        if name not in self._names:
            raise KeyError(name)
        if name not in self._made:
            if self._make is None:
                raise SpecError(f"The image of camera {name!r} was not drawn before time went on.")
            array = self._make(name)
            array.setflags(write=False)
            self._made[name] = array
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def expire(self) -> None:
        """Make nothing more: what it would show is gone."""
        self._make = None
