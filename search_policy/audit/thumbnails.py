"""Images as a few numbers: small thumbnails, which a regression on a few hundred decisions can still use."""

from __future__ import annotations

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image as Pillow

from search_policy.episodes.arrow_columns import image

SIDE_PX = 8


def thumbnails(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return n images, averaged over the areas of an 8 x 8 grid, in [0, 1], (n, 192)."""
    rows = [
        image(item["bytes"]).convert("RGB").resize((SIDE_PX, SIDE_PX), Pillow.Resampling.BOX)
        for item in column.to_pylist()
    ]
    return np.stack([np.asarray(row, dtype=np.float64).ravel() / 255.0 for row in rows])
