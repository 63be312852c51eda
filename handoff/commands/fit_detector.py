"""`baton fit-detector`: fit the colour-shape detector of one task to auto-labelled renders, and measure it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handoff import console
from handoff.commands.options import option_lines, parse_options
from robots.errors import UsageError

if TYPE_CHECKING:
    from handoff.detectors.fitting import LabelledImage
    from handoff.detectors.measures import DetectorMeasures


@dataclass(frozen=True)
class FitConfig:
    """Options of `baton fit-detector`."""

    # Task whose target is to be detected
    task: str = "bookshelf_pineapple"
    # Number of training images; their layouts have seeds from 50 000
    images: int = 3000
    # Number of validation images; their layouts have seeds from 150 000
    validation_images: int = 1500
    # Side of the square wrist image [px]
    wrist_px: int = 168
    # Folder of the weights and the card; the shipped ones when empty
    out: str = ""


def help_lines(_command: str) -> list[str]:
    """The options of `FitConfig`."""
    return option_lines(FitConfig)


def run(_command: str, arguments: Sequence[str]) -> int:
    """Fit, measure on layouts that were not fitted, and write weights, their JSON and their card."""
    from handoff.detectors.color_shape import WEIGHTS, ColorShapeModel
    from handoff.detectors.fitting import fit, save_model
    from handoff.detectors.measures import measure
    from robots.sim.tasks import find_task

    config = parse_options(FitConfig, arguments)
    target = find_task(config.task).target
    if config.images < 100 or config.validation_images < 100:
        raise UsageError("fit-detector: images and validation_images must be at least 100.")
    started = time.process_time()
    model: ColorShapeModel = fit(list(_views(config, range(50_000, 100_000), config.images)))
    cpu_s = time.process_time() - started
    measures = measure(model, _views(config, range(150_000, 200_000), config.validation_images))
    path = (Path(config.out) if config.out else WEIGHTS) / f"{target}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, path, {"target": target, "wrist_px": config.wrist_px, **measures.to_dict()})
    path.with_suffix(".md").write_text(_card(config, target, measures, cpu_s))
    console.line(measures.line())
    console.line(f"weights  {path}")
    return 0


def _views(config: FitConfig, seeds: range, count: int) -> Iterator[LabelledImage]:
    from handoff.commands.labelled_views import labelled_views

    with console.progress(count, 0) as bar:
        for view in labelled_views(config.task, seeds, count, wrist_px=config.wrist_px):
            yield view
            bar.update()


def _card(config: FitConfig, target: str, measures: DetectorMeasures, cpu_s: float) -> str:
    options = f"--images {config.images} --validation_images {config.validation_images} --wrist_px {config.wrist_px}"
    return f"""# Detector card: {target}
Colour back-projection and an appearance network of 16 units: `handoff/detectors/color_shape.py`.

- **Data**: {config.images} labelled renders of `{config.task}`, {config.wrist_px} px, seeds from 50 000;
  measured on {config.validation_images} renders of layouts with seeds from 150 000. Three in ten lack the target.
- **Command**: `baton fit-detector --task {config.task} {options}`
- **Time**: {cpu_s:.0f} CPU-s, rendering included.
- **Result** (validation, 95 % Wilson intervals): {measures.line()}.
- **Limits**: fitted to the simulated world's textures and light; on a real camera it must be fitted again. It answers
  for one named object only.
"""
