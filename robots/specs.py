"""Array specifications: shape, dtype, bounds and unit of one named array, checked at construction and at the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.errors import SpecError


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """What one named array must look like.

    Attributes:
        name: The array's key.
        shape: Its exact shape; -1 accepts any length along that axis.
        dtype: NumPy name of the dtype, for instance "uint8" or "float32".
        unit: Unit or meaning of the values: "rad", "m/s", "rgb", "1".
        low: Smallest allowed value, or None.
        high: Largest allowed value, or None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str
    low: float | None = None
    high: float | None = None

    def validate(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return `array` unchanged if it fits.

        Raises:
            SpecError: It does not; the message names the array and both what was expected and what came.
        """
        if array.dtype != np.dtype(self.dtype):
            raise SpecError(f"{self.name}: expected dtype {self.dtype}, got {array.dtype}.")
        if len(array.shape) != len(self.shape) or any(
            want not in (-1, got) for want, got in zip(self.shape, array.shape, strict=True)
        ):
            raise SpecError(f"{self.name}: expected shape {self.shape}, got {array.shape}.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SpecError(f"{self.name}: holds values that are not finite.")
        self._check_bounds(array)
        return array

    def zeros(self) -> NDArray[Any]:
        """Return an array of the smallest allowed magnitude that fits; free axes get length 1."""
        shape = tuple(1 if length == -1 else length for length in self.shape)
        fill = np.clip(0.0, self.low, self.high) if (self.low is not None or self.high is not None) else 0.0
        return np.full(shape, fill, dtype=self.dtype)

    def _check_bounds(self, array: NDArray[Any]) -> None:
        if self.low is not None and array.size and array.min() < self.low:
            raise SpecError(f"{self.name}: {array.min()} is below the smallest allowed value {self.low} [{self.unit}].")
        if self.high is not None and array.size and array.max() > self.high:
            raise SpecError(f"{self.name}: {array.max()} is above the largest allowed value {self.high} [{self.unit}].")
