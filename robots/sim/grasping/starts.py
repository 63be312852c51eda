"""Handoff starts: postures from which the wrist camera sees the named object in a way that a bin prescribes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from robots.errors import UsageError
from robots.sim.episode import EpisodeSpec, ObjectSpec
from robots.sim.grasping.occluders import with_occluder
from robots.sim.grasping.views import Span, ViewRange, draw_camera, gripper_pose
from robots.sim.grasping.world import GraspWorld, Sight, is_graspable
from robots.sim.objects import find_class
from robots.types import Float

TRIES = 40  # drawn cameras per start
OTHERS = 3  # other named objects in view that a start should have
PATIENCE = 3  # starts among which one with as many is looked for
OTHER_PX = 12  # of a segmentation of 96 x 96 pixels: an object is in view
TURNED_RAD = 1.7  # largest turn of the joints that turn the arm to the side: a search does not twist it further
NEAR_M = 0.5  # of the named object: a random other one that the view is centred on


@dataclass(frozen=True, slots=True)
class Bin:
    """What a start must look like.

    Attributes:
        name: What it is called.
        view: Where the camera is drawn.
        hidden: Share of the named object that other things hide; from a lower end above 0 on, one more thing is put
            before it, and the camera looks past that.
        on_other: Whether the view is centred on a random other object.
        in_view: Whether the named object is in the image at all.
    """

    name: str
    view: ViewRange
    hidden: Span = (0.0, 0.15)
    on_other: bool = False
    in_view: bool = True


_MIDDLE = (0.30, 0.45)
_BEHIND = ViewRange(_MIDDLE, (0.0, 0.4), yaw_rad=0.95, pitch_rad=(-0.12, 0.25))
BINS: dict[str, Bin] = {
    entry.name: entry
    for entry in (
        Bin("centred", ViewRange(_MIDDLE, (0.0, 0.12))),
        Bin("close", ViewRange((0.22, 0.30), (0.0, 0.25))),
        Bin("off_centre", ViewRange(_MIDDLE, (0.25, 0.55))),
        Bin("edge", ViewRange(_MIDDLE, (0.65, 0.95)), hidden=(0.0, 0.6)),
        Bin("far", ViewRange((0.50, 0.60), (0.0, 0.30))),
        Bin("occluded_30", _BEHIND, hidden=(0.18, 0.42)),
        Bin("occluded_60", _BEHIND, hidden=(0.48, 0.72)),
        Bin("occluded_90", _BEHIND, hidden=(0.80, 0.98)),
        Bin("out_of_view", ViewRange((0.30, 0.55), (0.0, 0.2)), on_other=True, in_view=False),
        Bin("random_centred", ViewRange((0.28, 0.52), (0.0, 0.15)), hidden=(0.0, 0.4), on_other=True),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a grasp starts.

    Attributes:
        bin: Name of the bin.
        spec: The layout, with the arm's posture as its start.
        distance_m: From the camera to the middle of the named object.
        center: Its place in the image, from -1 to 1; (0, 0) out of view.
        hidden: Share of it that is hidden, 1 out of view.
        others: Names of the other graspable objects in view.
    """

    bin: str
    spec: EpisodeSpec
    distance_m: float
    center: tuple[float, float]
    hidden: float
    others: tuple[str, ...]


def find_bin(name: str) -> Bin:
    """Return a bin by its name.

    Raises:
        UsageError: There is no such bin.
    """
    if name not in BINS:
        raise UsageError.unknown("bin", name, BINS)
    return BINS[name]


def draw_start(
    world: GraspWorld, spec: EpisodeSpec, name: str, *, others: int = OTHERS, tries: int = TRIES
) -> Start | None:
    """Return a start of a bin for a layout, drawn from its seed, or None when none was found. Leaves the world in it.

    Args:
        world: The world; it is reset to the layout.
        spec: The layout, with the named object in it.
        name: The bin.
        others: Among the first starts, one with this many other graspable objects in view is preferred.
        tries: Drawn cameras after which the layout is given up.

    Raises:
        UsageError: There is no such bin.
    """
    wanted = find_bin(name)
    rng = np.random.default_rng([spec.seed, zlib.crc32(name.encode()), zlib.crc32(spec.task.target.encode())])
    hider = None
    if wanted.hidden[0] > 0.0:
        hiding = with_occluder(spec, rng)
        if hiding is None:
            return None
        spec, hider = hiding
    world.reset(spec)
    drawing = _Drawing(world, spec, wanted, rng, hider)
    found: list[Start] = []
    for _ in range(tries):
        start = drawing.start()
        if start is None:
            continue
        found.append(start)
        if len(start.others) >= others or len(found) >= PATIENCE:
            break
    if not found:
        return None
    best = max(found, key=lambda start: len(start.others))
    world.reset(best.spec)
    return best


class _Drawing:
    """Draws cameras for one layout and bin."""

    def __init__(
        self,
        world: GraspWorld,
        spec: EpisodeSpec,
        wanted: Bin,
        rng: np.random.Generator,
        hider: ObjectSpec | None,
    ) -> None:
        self._world, self._spec, self._bin, self._rng, self._hider = world, spec, wanted, rng, hider
        self._checker = world.checker(None)
        self._named = None if world.target is None else middle_of(world.target)
        self._aims = self._candidates()

    def start(self) -> Start | None:
        """Return a start that fits the bin, or None."""
        if not self._aims:
            return None
        aim = self._aims[int(self._rng.integers(len(self._aims)))]
        camera = draw_camera(self._rng, aim, self._bin.view, self._spec.region.front_x_m, self._yaw())
        if camera is None:
            return None
        world = self._world
        pose = gripper_pose(camera, world.kinematics)
        q = world.kinematics.solve(pose, [np.array(world.robot.arm.home_rad)], self._rng, restarts=0)
        if q is None or np.abs(q[::2]).max() > TURNED_RAD or not self._checker.free(q):
            return None
        placed = replace(self._spec, home_rad=tuple(map(float, q)))
        world.reset(placed)
        return self._judged(placed, camera)

    def _yaw(self) -> float | None:
        """Return the turn of a line of sight to the named object past the one that hides it, if any does."""
        if self._hider is None or self._named is None:
            return None
        offset = self._named - np.array(self._hider.position_m)
        distance = float(np.hypot(*offset[:2]))
        aside = float(self._rng.uniform(-1.0, 1.0)) * 2.0 * find_class(self._hider.kind).radius_m / distance
        return float(np.arctan2(offset[1], offset[0])) + aside

    def _candidates(self) -> list[Float]:
        """Return the points that the camera may be aimed at."""
        if self._named is None or self._bin.on_other:
            named = self._named
            points = [middle_of(item) for item in self._spec.objects if item.name != self._spec.target_name]
            return [p for p in points if named is None or np.linalg.norm(p - named) < NEAR_M or not self._bin.in_view]
        return [self._named]

    def _judged(self, placed: EpisodeSpec, camera: Float) -> Start | None:
        sights = self._world.sights()
        named = sights.get(self._spec.target_name or "", Sight(0))
        alone = self._world.alone_px()
        hidden = 1.0 - named.pixels / alone if alone and named.pixels else 1.0
        if not self._fits(named, alone, hidden):
            return None
        distance = 0.0 if self._named is None else float(np.linalg.norm(camera[:3, 3] - self._named))
        others = tuple(
            item.name
            for item in self._spec.objects
            if item.name != self._spec.target_name and is_graspable(item) and sights[item.name].pixels >= OTHER_PX
        )
        return Start(self._bin.name, placed, distance, named.center, max(hidden, 0.0), others)

    def _fits(self, named: Sight, alone: int, hidden: float) -> bool:
        if self._named is None:
            return True
        if not self._bin.in_view:
            return named.pixels == 0
        low, high = self._bin.hidden
        return alone >= OTHER_PX and named.pixels > 0 and low <= hidden <= high


def middle_of(item: ObjectSpec) -> Float:
    """Return the middle of a standing object, (3,) [m]."""
    return np.array(item.position_m) + np.array([0.0, 0.0, 0.5 * item.scale * find_class(item.kind).height_m])
