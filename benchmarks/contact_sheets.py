"""Contact sheets for the documentation: what the simulation looks like, as one PNG per subject.

`python -m benchmarks.contact_sheets NAME...` writes `docs/images/NAME.png`:

- `randomization`: one layout under each preset in several draws, by wrist camera and from behind the robot.
- `tasks`: every task, from behind the robot, at the start, and from the view that shows most of the target.
- `variants`: every task as standard, absent and distractor; the target and its look-alikes are framed.
- `occlusion`: layouts of each occlusion bin with the estimated and the rendered visible share.
- `objects`: every class of object, with the classes that look like it.

Layouts are validation layouts, chosen by the rules in `HIDES` and the functions' docstrings. A new sheet is one
function that returns a `Sheet` and one line in `SHEETS`.
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

from benchmarks.occlusion import looking_views
from robots.sim.appearance import Appearance
from robots.sim.arm import HOME_RAD as PANDA_HOME_RAD
from robots.sim.episode import EpisodeSpec, ObjectSpec, PartState, Variant
from robots.sim.furniture import PartKind, find_furniture
from robots.sim.koch import HOME_RAD
from robots.sim.layout import OCCLUSION, sample_episode
from robots.sim.mujoco_robot import MujocoRobot, SimConfig
from robots.sim.objects import CLASSES, TABLE_CLASSES, ObjectClass
from robots.sim.privileged import PrivilegedView, box_of
from robots.sim.randomization import find_randomization
from robots.sim.randomize import appearance_rng, randomize
from robots.sim.tasks import TASKS, scene_of
from robots.types import Float, Image
from search_policy.episodes.simulator import view_postures

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SEED = 100_016  # a validation layout with something on every shelf
TASK = "bookshelf_pineapple"
TILE_PX = 168
MARGIN_PX, HEADER_PX, LABEL_PX = 6, 24, 92
LARGEST_BYTES = 600_000
PAPER, INK = (255, 255, 255), (40, 40, 40)
CAPTION_PX = 20
FRAME_TARGET, FRAME_LOOKALIKE = (40, 220, 60), (255, 60, 40)
FIRST_SEED, SEEDS = 100_000, 300  # the validation layouts that sheets choose from
STEADY_PX = 24  # pixels of a target that counts as to be seen from behind the robot
SCENE_PX = (312, 234)
THING_PX, SHOT_PX = 118, 800

# Where a sheet's layout hides the target: the first validation layout that does is shown.
HIDES: dict[str, tuple[str, ...]] = {
    "shelf_cabinet": ("drawer", "cabinet_left", "cabinet_right"),
    "complex": ("shelf0_center",),
    "closed_cabinet": ("cabinet_left", "cabinet_right"),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of pictures.

    Attributes:
        columns: Headings, one per picture of a row.
        rows: (label, pictures) from top to bottom; each picture is RGB (h, w, 3), of one size within a column and as
            high as the others of its row.
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


def tasks_sheet() -> Sheet:
    """Every task: the first validation layout, or the first that hides the target where `HIDES` says.

    The last picture is taken from the view that shows most of the target, after what closes its compartment was opened.
    """
    rows = []
    for task in TASKS:
        side = SCENE_PX[1]
        with _robot(task, (side, side)) as robot:
            spec = next(spec for spec in (_plain(task, seed) for seed in _seeds()) if _hidden(spec))
            wrist, scene = photographs(robot, spec)
            best, _ = best_view(robot, _opened(spec))
            rows.append((task.replace("_", "\n"), [scene, wrist, best]))
            robot.close()
    return Sheet(("from behind the robot", "wrist camera, start", "wrist camera, best view"), rows)


def variants_sheet() -> Sheet:
    """Every task in its variants: the first layout whose standard target is seen from behind the robot, else the first.

    Green frames are around the target, red ones around its look-alikes in shape and in colour.
    """
    rows = []
    for task in TASKS:
        with _robot(task, (84, 84)) as robot:
            seed = next((seed for seed in _seeds() if _in_sight(robot, _plain(task, seed))), FIRST_SEED)
            specs = [_plain(task, seed, variant) for variant in Variant]
            rows.append((task.replace("_", "\n"), [framed(robot, spec) for spec in specs]))
            robot.close()
    return Sheet([variant.value for variant in Variant], rows)


def occlusion_sheet() -> Sheet:
    """The first four validation layouts of each bin from the best view, with estimated and rendered visible share."""
    rows = []
    with _robot("bookshelf_duck", (SCENE_PX[1],) * 2) as robot:
        for name in OCCLUSION:
            pictures = []
            for seed in range(FIRST_SEED, FIRST_SEED + 4):
                spec = sample_episode("bookshelf_duck", seed, occlusion=name, randomization="none")
                picture, share = best_view(robot, spec)
                pictures.append(captioned(picture, f"estimate {spec.visible_fraction:.2f}, rendered {share:.2f}"))
            rows.append((name, pictures))
        robot.close()
    return Sheet([f"seed {FIRST_SEED + i}" for i in range(4)], rows)


def objects_sheet() -> Sheet:
    """Every class alone before the wrist camera, then its look-alikes in shape, then those that take on its colour."""
    with _robot("bookshelf_duck", (SHOT_PX, SHOT_PX)) as robot:
        cells = [thing for kind in CLASSES.values() if kind.clutter for thing in _family(robot, kind)]
        robot.close()
    with _robot("koch_lift", (SHOT_PX, SHOT_PX)) as robot:
        cells += [captioned(_closeup(robot, kind, kind.tints[0]), kind.name) for kind in TABLE_CLASSES.values()]
        robot.close()
    columns = 9
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % columns)
    return Sheet([""] * columns, [("", cells[start : start + columns]) for start in range(0, len(cells), columns)])


def best_view(robot: MujocoRobot, spec: EpisodeSpec) -> tuple[Image, float]:
    """Return the wrist image that shows most of the target, and the largest visible share from any looking view."""
    truth = PrivilegedView(robot)
    seen = []
    for posture in _postures(robot, spec):
        robot.reset(replace(spec, home_rad=posture))
        visibility = truth.visibility()
        whole = 0.2 if _at_edge(truth.target_box(), robot.config.wrist_px) else 1.0
        seen.append((whole * visibility.visible_px * visibility.fraction, visibility.fraction, posture))
    robot.reset(replace(spec, home_rad=max(seen)[2]))
    return robot.get_observation().images["wrist"], max(share for _, share, _ in seen)


def framed(robot: MujocoRobot, spec: EpisodeSpec) -> Image:
    """Return the scene from behind the robot with frames around the target and what is taken for it."""
    robot.reset(spec)
    page = Picture.fromarray(np.asarray(robot.get_observation().images["third_person"]))
    draw = ImageDraw.Draw(page)
    kind = _class_of(spec.task.target)
    for item in spec.objects:
        twin = item.kind in kind.color_twins and item.tint_rgb == kind.color
        color = FRAME_TARGET if item.kind == kind.name else FRAME_LOOKALIKE
        if (item.kind in (kind.name, *kind.lookalikes) or twin) and (box := _box(robot, item.name)) is not None:
            draw.rectangle([box[0] - 3, box[1] - 3, box[2] + 2, box[3] + 2], outline=color, width=2)
    return np.asarray(page)


def captioned(picture: Image, text: str, color: tuple[int, int, int] = INK) -> Image:
    """Return a picture with a line of text below it."""
    height, width, _ = picture.shape
    page = Picture.new("RGB", (width, height + CAPTION_PX), PAPER)
    page.paste(Picture.fromarray(np.asarray(picture)), (0, 0))
    ImageDraw.Draw(page).text((2, height + 2), text, fill=color, font=ImageFont.load_default(size=12))
    return np.asarray(page)


def photographs(robot: MujocoRobot, spec: EpisodeSpec) -> list[Image]:
    """Return what the wrist camera and the third-person camera deliver at the start of an episode."""
    robot.reset(spec)
    images = robot.get_observation().images
    return [images["wrist"], images["third_person"]]


def compose(sheet: Sheet) -> Picture.Image:
    """Lay a sheet out, with headings and row labels."""
    widths = [picture.shape[1] + MARGIN_PX for picture in sheet.rows[0][1]]
    heights = [pictures[0].shape[0] + MARGIN_PX for _, pictures in sheet.rows]
    label = LABEL_PX if any(label for label, _ in sheet.rows) else MARGIN_PX
    header = HEADER_PX if any(sheet.columns) else MARGIN_PX
    page = Picture.new("RGB", (label + sum(widths), header + sum(heights)), PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=14)
    for column, title in enumerate(sheet.columns):
        draw.text((label + sum(widths[:column]) + 2, 4), title, fill=INK, font=font)
    for row, (name, pictures) in enumerate(sheet.rows):
        top = header + sum(heights[:row])
        draw.text((8, top + heights[row] // 2 - 12), name, fill=INK, font=font)
        for column, picture in enumerate(pictures):
            page.paste(Picture.fromarray(np.asarray(picture)), (label + sum(widths[:column]), top))
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


def _seeds() -> range:
    return range(FIRST_SEED, FIRST_SEED + SEEDS)


def _plain(task: str, seed: int, variant: Variant = Variant.STANDARD) -> EpisodeSpec:
    return sample_episode(task, seed, variant=variant, randomization="none")


def _robot(task: str, wrist_px: tuple[int, int]) -> MujocoRobot:
    return MujocoRobot(SimConfig(wrist_px=wrist_px, third_person_px=SCENE_PX, scene=scene_of(task)), lambda: 0.0)


def _compartment(spec: EpisodeSpec) -> str:
    """Return the name of the compartment that holds the target; drawers are found by what is left of them."""
    _, y, z = spec.objects[0].position_m
    inside = (c for c in spec.region.compartments if abs(z - c.floor_z_m) < 0.02 and c.y_min_m <= y <= c.y_max_m)
    return next(inside).name


def _hidden(spec: EpisodeSpec) -> bool:
    """Return whether the layout hides its target where its task's sheet shows it."""
    wanted = HIDES.get(spec.task.name)
    if wanted is None:
        return True
    shut = all(s.value == 0.0 for s in spec.parts if find_furniture(spec.scene).part(s.name).compartment in wanted)
    return _compartment(spec) in wanted and (shut or spec.task.name != "closed_cabinet")


def _opened(spec: EpisodeSpec) -> EpisodeSpec:
    """Return the layout with all its doors wide open."""
    parts = [(state, find_furniture(spec.scene).part(state.name)) for state in spec.parts]
    wide = [PartState(s.name, p.high) if p.kind is PartKind.DOOR else s for s, p in parts]
    return replace(spec, parts=tuple(wide))


def _in_sight(robot: MujocoRobot, spec: EpisodeSpec) -> bool:
    robot.reset(spec)
    return int(PrivilegedView(robot).target_mask("third_person").sum()) >= STEADY_PX


def _postures(robot: MujocoRobot, spec: EpisodeSpec) -> list[tuple[float, ...]]:
    """Return joint positions from which the wrist camera may look at the target."""
    if spec.scene == "koch":
        return [(float(pan), *HOME_RAD[1:]) for pan in np.linspace(-2.0, 2.0, 41)]
    robot.reset(spec)
    target = PrivilegedView(robot).target_position()
    assert target is not None, "the layout holds a target"
    start = robot.get_observation().camera_to_world["wrist"]
    views = looking_views(spec.region, target, start, robot.description.cameras["wrist"])
    return [tuple(map(float, posture)) for posture in view_postures(views, spec.home_rad) if posture is not None]


def _at_edge(box: tuple[float, float, float, float] | None, size: tuple[int, int]) -> bool:
    return box is not None and (min(box[:2]) < 1 or box[2] > size[0] - 1 or box[3] > size[1] - 1)


def _box(robot: MujocoRobot, name: str, camera: str = "third_person", size: tuple[int, int] = SCENE_PX) -> Float | None:
    """Return the box around what a camera sees of a body, `xyxy` (4,) [px], or None."""
    ids = robot.renderer.geom_ids(robot.data, camera, size)
    box = box_of((ids >= 0) & (robot.model.geom_bodyid[ids] == robot.model.body(name).id))
    return None if box is None else np.array(box)


def _class_of(name: str) -> ObjectClass:
    return {**CLASSES, **TABLE_CLASSES}[name]


def _family(robot: MujocoRobot, kind: ObjectClass) -> list[Image]:
    """Return the class, its look-alikes, and the classes that are drawn in its colour."""
    cells = [captioned(_closeup(robot, kind, kind.tints[0]), kind.name)]
    for name in kind.lookalikes:
        twin = CLASSES[name]
        cells.append(captioned(_closeup(robot, twin, twin.tints[0]), f"{name} (shape)", FRAME_LOOKALIKE))
    for name in kind.color_twins:
        assert kind.color is not None, "a class with twins in its colour has one"
        cells.append(captioned(_closeup(robot, CLASSES[name], kind.color), f"{name} (colour)", FRAME_LOOKALIKE))
    return cells


def _closeup(robot: MujocoRobot, kind: ObjectClass, tint: tuple[float, float, float]) -> Image:
    """Return what the wrist camera sees of a thing that stands alone, cut out around it at one scale per scene."""
    small = kind.name in TABLE_CLASSES
    spec = _plain("koch_lift" if small else "bookshelf_duck", FIRST_SEED)
    item = ObjectSpec(kind.name, f"{kind.name}_0", _STAND_M[spec.scene], 2.3, 1.0, tint)
    alone = replace(spec, objects=(item,), target_present=kind.name == spec.task.target)
    robot.reset(replace(alone, home_rad=_STAND_RAD[spec.scene]))
    picture = Picture.fromarray(np.asarray(robot.get_observation().images["wrist"]))
    box = _box(robot, item.name, "wrist", (SHOT_PX, SHOT_PX))
    assert box is not None, f"{kind.name} stands before the camera"
    x, y = 0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3])
    half = _STAND_HALF_PX[spec.scene]
    cut = picture.crop((int(x - half), int(y - half), int(x + half), int(y + half)))
    return np.asarray(cut.resize((THING_PX, THING_PX), Picture.Resampling.LANCZOS))


# Where a thing stands to be portrayed, the arm's posture, and half the side of what is cut out.
_STAND_M = {"bookcase": (0.72, 0.0, 0.33), "koch": (0.19, 0.0, 0.0)}
_STAND_RAD = {"bookcase": PANDA_HOME_RAD, "koch": HOME_RAD}
_STAND_HALF_PX = {"bookcase": 235, "koch": 100}

SHEETS: dict[str, Callable[[], Sheet]] = {
    "objects": objects_sheet,
    "occlusion": occlusion_sheet,
    "randomization": randomization_sheet,
    "tasks": tasks_sheet,
    "variants": variants_sheet,
}


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
