"""Train an insight: draw labelled views, train the reader, survey layouts with it, train the belief."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as dump_arrays
from torch import Tensor, nn
from tqdm import tqdm

from robots.errors import UsageError
from robots.files import write_atomically
from robots.processes import worker_pool
from robots.sim.tasks import find_task, searched_scene
from search_policy.semantics.belief import Belief, belief_loss
from search_policy.semantics.config import InsightConfig
from search_policy.semantics.labelled import labelled_views
from search_policy.semantics.labels import LABELS
from search_policy.semantics.reader import Reader, reader_loss
from search_policy.semantics.snapshots import Surveyor
from search_policy.semantics.storage import load_insight, save_insight

VIEW_SEEDS, LAYOUT_SEEDS = range(40_000, 60_000), range(60_000, 100_000)
STAGES, RUN = "stages", "run.json"
_PARTS = 8
Arrays = dict[str, NDArray[Any]]


def fit_insight(config: InsightConfig) -> Path:
    """Train what is missing and return the folder of the insight.

    Raises:
        UsageError: The tasks are unknown or of different scenes, or the folder holds another run.
    """
    torch.set_num_threads(1)
    _check_tasks(config.tasks)
    out = Path(config.out)
    _claim(out, config)
    reader, read = _reader(config, out)
    write_atomically(out / STAGES / "reader.safetensors", dump_arrays(_arrays(reader)))
    torch.manual_seed(config.seed + 1)
    maps = _drawn(config, out, "maps", _draw_maps)
    belief, believed = _fit_belief(config, maps)
    channels, compartments, columns = maps["seen"].shape[1:]
    sizes = {"channels": channels, "compartments": compartments, "columns": columns}
    facts = asdict(replace(config, out="", workers=1, reader=Path(config.reader).name))
    save_insight(reader, belief, sizes, out, {**facts, **read, **believed})
    return out


def _check_tasks(tasks: Iterable[str]) -> None:
    scenes = {searched_scene(find_task(task).name) for task in tasks}
    if len(scenes) > 1:
        raise UsageError(f"insight: the tasks must share a scene, not {' and '.join(sorted(scenes))}.")


def _claim(out: Path, config: InsightConfig) -> None:
    """Write down which run the folder holds, or check that it is the same."""
    (out / STAGES).mkdir(parents=True, exist_ok=True)
    identity = json.dumps(asdict(replace(config, out="", workers=1)), indent=1) + "\n"
    path = out / STAGES / RUN
    if path.is_file() and path.read_text() != identity:
        raise UsageError(f"{out} holds an insight with other options; choose another --out or delete the folder.")
    write_atomically(path, identity.encode())


def _drawn(config: InsightConfig, out: Path, name: str, draw: Callable[[InsightConfig, int], Arrays]) -> Arrays:
    """Draw a stage's parts in processes, keeping those that are there, and return them joined."""
    paths = [out / STAGES / f"{name}-{part}.safetensors" for part in range(_PARTS)]
    missing = [part for part, path in enumerate(paths) if not path.is_file()]
    with (
        worker_pool(min(config.workers, max(len(missing), 1))) as pool,
        tqdm(total=_PARTS, initial=_PARTS - len(missing), desc=name, disable=None) as bar,
    ):
        for part, arrays in zip(missing, pool.map(draw, [config] * len(missing), missing), strict=True):
            write_atomically(paths[part], dump_arrays(arrays))
            bar.update()
    parts = [parse_arrays(path.read_bytes()) for path in paths]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _draw_views(config: InsightConfig, part: int) -> Arrays:
    seeds = VIEW_SEEDS[part::_PARTS]
    count = -(-config.views // _PARTS)
    views = list(
        labelled_views(config.tasks, seeds, count, wrist_px=config.wrist_px, randomization=config.randomization)
    )
    return {"image": np.stack([view.image for view in views]), "labels": np.stack([view.labels for view in views])}


def _draw_maps(config: InsightConfig, part: int) -> Arrays:
    torch.set_num_threads(1)
    reader = Reader()
    stored = parse_arrays((Path(config.out) / STAGES / "reader.safetensors").read_bytes())
    reader.load_state_dict({key: torch.tensor(value) for key, value in stored.items()})
    surveyor = Surveyor(
        config.tasks, reader, wrist_px=config.wrist_px, randomization=config.randomization, usual=config.usual
    )
    seeds = LAYOUT_SEEDS[part : config.layouts : _PARTS]
    layouts = list(surveyor.survey(seeds, np.random.default_rng([config.seed, part])))
    rows = [(seed, snapshot) for seed, found in zip(seeds, layouts, strict=True) for snapshot in found]
    return {
        "seen": np.stack([row.seen for _, row in rows]).astype(np.float16),
        "target": np.array([row.target for _, row in rows], dtype=np.int64),
        "cell": np.array([row.cell for _, row in rows], dtype=np.int64),
        "layout": np.array([seed for seed, _ in rows], dtype=np.int64),
    }


def _reader(config: InsightConfig, out: Path) -> tuple[Reader, dict[str, float]]:
    """Return the named insight's reader, or a new one; and what was measured of it."""
    if config.reader:
        return load_insight(Path(config.reader))[0], {}
    views = _drawn(config, out, "views", _draw_views)
    torch.manual_seed(config.seed)
    return _fit_reader(config, views)


def _fit_reader(config: InsightConfig, views: Arrays) -> tuple[Reader, dict[str, float]]:
    image, labels = torch.tensor(views["image"]), torch.tensor(views["labels"])
    reader = Reader().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(rows: Tensor) -> tuple[Tensor, dict[str, float]]:
        return reader_loss(reader(image[rows]), labels[rows].long())

    held = np.arange(len(image)) < config.held_out * len(image)
    return reader, _fit(reader, loss, held, config, config.reader_updates, config.reader_batch, "reader")


def _fit_belief(config: InsightConfig, maps: Arrays) -> tuple[Belief, dict[str, float]]:
    seen, cell = torch.tensor(maps["seen"]), torch.tensor(maps["cell"])
    name = torch.eye(len(LABELS))[torch.tensor(maps["target"])]
    belief = Belief(seen.shape[1], (seen.shape[2], seen.shape[3]), len(LABELS))

    def loss(rows: Tensor) -> tuple[Tensor, dict[str, float]]:
        return belief_loss(belief(seen[rows].float(), name[rows]), cell[rows])

    layouts = np.unique(maps["layout"])
    held = np.isin(maps["layout"], layouts[: round(config.held_out * len(layouts))])
    return belief, _fit(belief, loss, held, config, config.belief_updates, config.belief_batch, "belief")


def _fit(
    module: nn.Module,
    loss: Callable[[Tensor], tuple[Tensor, dict[str, float]]],
    held: NDArray[np.bool_],
    config: InsightConfig,
    updates: int,
    batch: int,
    name: str,
) -> dict[str, float]:
    """Minimise a loss on the rows that are not held out, and return the metrics on those that are."""
    rows, rng = np.flatnonzero(~held), np.random.default_rng([config.seed, len(held)])
    optimizer = torch.optim.AdamW(module.parameters(), config.learning_rate, weight_decay=3e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, max(updates, 2))
    module.train()
    for _ in tqdm(range(updates), desc=name, disable=None):
        value, _metrics = loss(torch.tensor(rng.choice(rows, batch)))
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        schedule.step()
    module.eval()
    with torch.inference_mode():
        chunks = torch.tensor(np.flatnonzero(held)).split(256)
        found = [(loss(chunk)[1], len(chunk)) for chunk in chunks]
    whole = sum(count for _, count in found)
    return {f"held_out_{key}": sum(m[key] * count for m, count in found) / whole for key in found[0][0]}


def _arrays(module: nn.Module) -> Arrays:
    return {key: np.ascontiguousarray(value.numpy()) for key, value in module.state_dict().items()}
