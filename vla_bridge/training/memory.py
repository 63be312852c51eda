"""A LeRobot dataset, decoded once: LeRobot decodes images at every access, about 60 frames/s of one core.

Images are held as uint8; `FramesInMemory` gives the same items as the `LeRobotDataset` that it was read from.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from robots.errors import UsageError

if TYPE_CHECKING:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

ROWS_AT_ONCE = 2048
MEMINFO = Path("/proc/meminfo")


class FramesInMemory(Dataset):
    """All frames of a dataset.

    Args:
        source: Read through its table; its `delta_timestamps` and its selection of episodes are kept.

    Raises:
        UsageError: A camera was recorded as video or depth, or the images need more memory than there is.
    """

    def __init__(self, source: LeRobotDataset) -> None:
        meta, table = source.meta, source.hf_dataset
        _check_cameras(source)
        self.meta, self.episodes = meta, source.episodes
        self.images = {key: _decoded(table, key, meta.features[key]["shape"]) for key in meta.image_keys}
        self.values = _values(table.remove_columns(list(self.images)))
        self.tasks = tuple(meta.tasks.iloc[index].name for index in range(len(meta.tasks)))
        self.deltas = {key: torch.tensor(steps) for key, steps in (source.reader.delta_indices or {}).items()}
        self._first, self._last = _bounds(self.values["episode_index"])

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one item as `LeRobotDataset` does, images float32 in [0, 1]."""
        item = {key: value[0] for key, value in self.batch([index]).items()}
        return item | {key: item[key].to(torch.float32) / 255.0 for key in self.images}

    def batch(self, indices: Sequence[int]) -> dict[str, Any]:
        """Return frames as a collated batch, images uint8 (b, channels, height, width).

        Args:
            indices: Rows of the table, which are frame indices where all episodes were read.
        """
        rows = torch.as_tensor(indices)
        batch: dict[str, Any] = {}
        for key, values in (self.images | self.values).items():
            if key in self.deltas:
                wanted = rows[:, None] + self.deltas[key]
                first, last = self._first[rows, None], self._last[rows, None]
                batch[f"{key}_is_pad"] = (wanted < first) | (wanted > last)
                batch[key] = values[wanted.clamp(first, last)]
            else:
                batch[key] = values[rows]
        batch["task"] = [self.tasks[index] for index in batch["task_index"].tolist()]
        return batch


def _check_cameras(source: LeRobotDataset) -> None:
    features, meta = source.meta.features, source.meta
    for key in (*meta.video_keys, *meta.depth_keys):
        raise UsageError(f"{source.root}: {key} was recorded as video or depth; only colour images can be trained on.")
    rows = len(source.hf_dataset)
    needed = rows * sum(int(np.prod(features[key]["shape"])) for key in meta.image_keys)
    if needed > (free := available_bytes()):
        raise UsageError(
            f"{source.root}: {rows} frames need {needed / 2**30:.1f} GiB of memory, but only {free / 2**30:.1f} GiB "
            "are free; train on fewer with --episodes."
        )


def available_bytes() -> int:
    """Return how much memory the system can give without swapping [bytes]; unbounded where it does not say."""
    if not MEMINFO.is_file():
        return 2**62
    found = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text())
    return int(found.group(1)) * 1024 if found else 2**62


def _decoded(table: Any, key: str, shape: Sequence[int]) -> Tensor:  # noqa: ANN401 - a datasets.Dataset
    """Decode a column of images to uint8 (n, channels, height, width)."""
    import datasets

    height, width, channels = shape
    images = torch.empty((len(table), channels, height, width), dtype=torch.uint8)
    encoded = table.with_format(None).select_columns([key]).cast_column(key, datasets.Image(decode=False))
    for first, rows in _blocks(encoded):
        for offset, row in enumerate(rows[key]):
            source = row["path"] if row["bytes"] is None else io.BytesIO(row["bytes"])
            with Image.open(source) as image:
                pixels = np.array(image)
            if pixels.shape != (height, width, channels) or pixels.dtype != np.uint8:
                raise UsageError(f"{key}: frame {first + offset} is {pixels.dtype} {pixels.shape}, not uint8 {shape}.")
            images[first + offset] = torch.from_numpy(pixels).permute(2, 0, 1)
    return images


def _values(table: Any) -> dict[str, Tensor]:  # noqa: ANN401 - a datasets.Dataset
    """Return all other columns as tensors, with the types that LeRobot gives them."""
    parts: dict[str, list[Tensor]] = {key: [] for key in table.column_names}
    for _, rows in _blocks(table):
        for key, values in rows.items():
            parts[key].append(torch.stack(values))
    return {key: torch.cat(values) for key, values in parts.items()}


def _blocks(table: Any) -> Iterator[tuple[int, Any]]:  # noqa: ANN401 - a datasets.Dataset
    for first in range(0, len(table), ROWS_AT_ONCE):
        yield first, table[first : first + ROWS_AT_ONCE]


def _bounds(episode: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last row of every row's episode, both (n,)."""
    _, counts = torch.unique_consecutive(episode, return_counts=True)
    last = counts.cumsum(0) - 1
    return torch.repeat_interleave(last - counts + 1, counts), torch.repeat_interleave(last, counts)
