"""LeRobot datasets, decoded once: LeRobot decodes images at every access, about 60 frames/s of one core.

Images are held as uint8; `FramesInMemory` gives the same items as the `LeRobotDataset` that it was read from.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from robots.errors import UsageError

if TYPE_CHECKING:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

ROWS_AT_ONCE = 2048
MEMINFO = Path("/proc/meminfo")


class FramesInMemory(Dataset):
    """All frames of one or several datasets, one after the other.

    Args:
        sources: Read through their tables; the `delta_timestamps` and the selection of episodes of each are kept.

    Raises:
        UsageError: A camera was recorded as video or depth, or the images need more memory than there is.
    """

    def __init__(self, *sources: LeRobotDataset) -> None:
        _check_cameras(sources)
        self.meta = sources[0].meta
        self.images = {key: _decoded(sources, key) for key in self.meta.image_keys}
        self.tasks = tuple(dict.fromkeys(name for source in sources for name in _tasks(source)))
        parts = [_values(source) for source in sources]
        _number_on(sources, parts, self.tasks)
        self.values = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        deltas = sources[0].reader.delta_indices or {}
        self.deltas = {key: torch.tensor(steps) for key, steps in deltas.items()}
        self._first, self._last = _bounds(self.values["episode_index"])

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return len(self.episode_bounds()[0])

    def episode_bounds(self) -> tuple[list[int], list[int]]:
        """Return the first row of every episode, and the one after its last."""
        return self._first.unique_consecutive().tolist(), (self._last.unique_consecutive() + 1).tolist()

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


def _check_cameras(sources: Sequence[LeRobotDataset]) -> None:
    for source in sources:
        for key in (*source.meta.video_keys, *source.meta.depth_keys):
            raise UsageError(f"{source.root}: {key} is video or depth; only colour images can be trained on.")
    meta, rows = sources[0].meta, sum(len(source.hf_dataset) for source in sources)
    needed = rows * sum(math.prod(meta.features[key]["shape"]) for key in meta.image_keys)
    if needed > (free := available_bytes()):
        raise UsageError(
            f"{sources[0].root}: {rows} frames need {needed / 2**30:.1f} GiB of memory, but only "
            f"{free / 2**30:.1f} GiB are free; train on fewer with --episodes."
        )


def available_bytes() -> int:
    """Return how much memory the system can give without swapping [bytes]; unbounded where it does not say."""
    if not MEMINFO.is_file():
        return 2**62
    found = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text())
    return int(found.group(1)) * 1024 if found else 2**62


def _decoded(sources: Sequence[LeRobotDataset], key: str) -> Tensor:
    """Decode a column of images to uint8 (n, channels, height, width)."""
    height, width, channels = shape = tuple(sources[0].meta.features[key]["shape"])
    rows = sum(len(source.hf_dataset) for source in sources)
    images = torch.empty((rows, channels, height, width), dtype=torch.uint8)
    for row, image in zip(images, _images(sources, key), strict=True):
        if image.shape != shape or image.dtype != np.uint8:
            raise UsageError(f"{key} holds an image that is {image.dtype} {image.shape}, not uint8 {shape}.")
        row.copy_(torch.from_numpy(image).permute(2, 0, 1))
    return images


def _images(sources: Sequence[LeRobotDataset], key: str) -> Iterator[NDArray[Any]]:
    """Yield the images of a column (height, width, channels)."""
    import datasets

    for source in sources:
        table = source.hf_dataset.with_format(None).select_columns([key])
        for rows in _blocks(table.cast_column(key, datasets.Image(decode=False))):
            for row in rows[key]:
                with Image.open(row["path"] if row["bytes"] is None else io.BytesIO(row["bytes"])) as image:
                    yield np.array(image)


def _values(source: LeRobotDataset) -> dict[str, Tensor]:
    """Return all columns but the images as tensors, with the types that LeRobot gives them."""
    table = source.hf_dataset.remove_columns(source.meta.image_keys)
    parts: dict[str, list[Tensor]] = {key: [] for key in table.column_names}
    for rows in _blocks(table):
        for key, values in rows.items():
            parts[key].append(torch.stack(values))
    return {key: torch.cat(values) for key, values in parts.items()}


def _tasks(source: LeRobotDataset) -> list[str]:
    tasks = source.meta.tasks
    return [tasks.iloc[index].name for index in range(len(tasks))]


def _number_on(sources: Sequence[LeRobotDataset], values: Sequence[dict[str, Tensor]], tasks: Sequence[str]) -> None:
    """Count frames and episodes on from one source to the next, and number the tasks as in `tasks`."""
    frames = episodes = 0
    for source, part in zip(sources, values, strict=True):
        numbers = torch.tensor([tasks.index(name) for name in _tasks(source)])
        part["task_index"] = numbers[part["task_index"]]
        part["index"] = part["index"] + frames
        part["episode_index"] = part["episode_index"] + episodes
        frames, episodes = frames + source.meta.total_frames, episodes + source.meta.total_episodes


def _blocks(table: Any) -> Iterator[Any]:  # noqa: ANN401 - a datasets.Dataset
    for first in range(0, len(table), ROWS_AT_ONCE):
        yield table[first : first + ROWS_AT_ONCE]


def _bounds(episode: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last row of every row's episode, both (n,)."""
    _, counts = torch.unique_consecutive(episode, return_counts=True)
    last = counts.cumsum(0) - 1
    return torch.repeat_interleave(last - counts + 1, counts), torch.repeat_interleave(last, counts)
