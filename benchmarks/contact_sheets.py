"""Contact sheets for the documentation: what the simulation looks like, as one PNG per subject.

`python -m benchmarks.contact_sheets randomization` writes `docs/images/randomization.png`: one layout under each preset
in several draws, by wrist camera and from behind the robot. A new sheet is one function that returns a `Sheet` and one
line in `SHEETS`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from robots.sim.appearance import Appearance
from robots.sim.episode import EpisodeSpec
from robots.sim.layout import sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.randomization import find_randomization
from robots.sim.randomize import appearance_rng, randomize
from robots.types import Image

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SEED = 100_016  # a validation layout with something on every shelf
TASK = "bookshelf_pineapple"
TILE_PX = 168
MARGIN_PX, HEADER_PX, LABEL_PX = 6, 24, 92
LARGEST_BYTES = 600_000
PAPER, INK = (255, 255, 255), (40, 40, 40)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of pictures.

    Attributes:
        columns: Headings, one per picture of a row.
        rows: (label, pictures) from top to bottom; each picture is RGB, `TILE_PX` square.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Image]]]


def randomization_sheet() -> Sheet:
    """One layout under each preset, in three draws, seen by the wrist camera and from behind the robot."""
    draws = 3
    layout = sample_episode(TASK, SEED, randomization="none")
    rows = []
    with MujocoRobot(SimConfig(wrist_px=(TILE_PX, TILE_PX), third_person_px=(TILE_PX, TILE_PX)), lambda: 0.0) as robot:
        for preset in ("none", "train", "shifted", "extreme"):
            specs = [_drawn(layout, preset, draw) for draw in range(draws)]
            pictures = [picture for spec in specs for picture in photographs(robot, spec)]
            rows.append((preset, pictures))
        robot.close()
    return Sheet([name for draw in range(1, draws + 1) for name in (f"draw {draw}: wrist", "third person")], rows)


def photographs(robot: MujocoRobot, spec: EpisodeSpec) -> list[Image]:
    """Return what the wrist camera and the third-person camera deliver at the start of an episode."""
    robot.reset(spec)
    images = robot.get_observation().images
    return [images["wrist"], images["third_person"]]


def compose(sheet: Sheet) -> Picture.Image:
    """Lay a sheet out, with headings and row labels."""
    step = TILE_PX + MARGIN_PX
    width, height = LABEL_PX + step * len(sheet.columns), HEADER_PX + step * len(sheet.rows)
    page = Picture.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=14)
    for column, title in enumerate(sheet.columns):
        draw.text((LABEL_PX + step * column + 2, 4), title, fill=INK, font=font)
    for row, (label, pictures) in enumerate(sheet.rows):
        top = HEADER_PX + step * row
        draw.text((8, top + TILE_PX // 2 - 8), label, fill=INK, font=font)
        for column, picture in enumerate(pictures):
            page.paste(Picture.fromarray(np.asarray(picture)), (LABEL_PX + step * column, top))
    return page


def save(page: Picture.Image, path: Path) -> None:
    """Write a PNG of at most `LARGEST_BYTES`, whole: in a palette, under a temporary name, then renamed.

    Raises:
        ValueError: It is larger; show fewer or smaller pictures.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    page.quantize(256, dither=Picture.Dither.NONE).save(partial, format="PNG", optimize=True)
    if partial.stat().st_size > LARGEST_BYTES:
        size = partial.stat().st_size
        partial.unlink()
        raise ValueError(f"{path} would take {size} bytes, more than {LARGEST_BYTES}.")
    os.replace(partial, path)


def _drawn(layout: EpisodeSpec, preset: str, draw: int) -> EpisodeSpec:
    """Draw the preset anew for a layout that stays."""
    plain = replace(layout, appearance=Appearance())
    return randomize(plain, find_randomization(preset), appearance_rng(TASK, SEED + draw))


SHEETS: dict[str, Callable[[], Sheet]] = {"randomization": randomization_sheet}


def main() -> int:
    """Write the sheets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheets", nargs="+", choices=sorted(SHEETS), help="which sheets to make")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the PNG files")
    options = parser.parse_args()
    for name in options.sheets:
        path = options.out / f"{name}.png"
        save(compose(SHEETS[name]()), path)
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
