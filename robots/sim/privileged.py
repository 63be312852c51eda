"""Ground truth of the simulation: for training, judging and stand-in experts, never for an actor."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from robots.errors import UsageError
from robots.sim.frustum import may_hide, may_show
from robots.sim.furniture import Part, PartKind, find_furniture
from robots.sim.mujoco_robot import MujocoRobot
from robots.sim.snapshot import State
from robots.types import Float, Privileged

LIFT_M = 0.05  # a grasp counts once the target is this far above where it stood


@dataclass(frozen=True, slots=True)
class Visibility:
    """How much of the target one camera sees.

    Attributes:
        visible_px: Target pixels in the image.
        alone_px: Pixels the target would cover with nothing in front; 0 means out of view, not occluded.
    """

    visible_px: int
    alone_px: int

    @property
    def fraction(self) -> float:
        """Visible share of the target, 0 when it is out of view."""
        return self.visible_px / self.alone_px if self.alone_px else 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of the target.

    Attributes:
        success: Lifted and held.
        lifted_m: Height of the target above where it stood; 0 when absent.
        held: Both fingers touch it.
        collision_steps: Control periods in which arm or hand touched what they should not, see `robots.sim.touch`.
    """

    success: bool
    lifted_m: float
    held: bool
    collision_steps: int


class PrivilegedView:
    """Reads the truth out of a simulated robot; valid across its resets."""

    def __init__(self, robot: MujocoRobot) -> None:
        self._robot = robot
        model = robot.model
        self._wrist = robot.arm.wrist_camera
        self._parts = find_furniture(robot.config.scene).parts
        fingers = [model.body(name).id for name in robot.arm.fingers]
        self._finger_geoms = [frozenset(np.flatnonzero(model.geom_bodyid == body).tolist()) for body in fingers]

    def target_position(self) -> Float | None:
        """Return the centre of mass of the target in the world frame (3,) [m], or None when it is absent."""
        body = self._target_body()
        return None if body is None else self._robot.data.xipos[body].copy()

    def target_mask(self, camera: str | None = None) -> NDArray[np.bool_]:
        """Return where the camera's image shows the target, (h, w); the wrist camera's when None."""
        camera = camera or self._wrist
        size = self._size(camera)
        body = self._target_body()
        model, data = self._robot.model, self._robot.data
        if body is None or not may_show(model, data, camera, body, size[0] / size[1]):
            return np.zeros((size[1], size[0]), dtype=bool)
        ids = self._robot.renderer.geom_ids(data, camera, size, may_hide(model, data, camera, body))
        return (ids >= 0) & (model.geom_bodyid[ids] == body)

    def target_box(self, camera: str | None = None) -> tuple[float, float, float, float] | None:
        """Return the box around the visible target, `xyxy` [px], or None when it is not seen."""
        return box_of(self.target_mask(camera))

    def visibility(self, camera: str | None = None) -> Visibility:
        """Return how much of the target the camera sees."""
        return self._visibility_of(self.target_mask(camera), camera or self._wrist)

    def part_positions(self) -> dict[str, float]:
        """Return where every door, drawer and screen stands now, as `PartState.value` does."""
        robot = self._robot
        return {part.name: part_position(robot.model, robot.data, part) for part in self._parts}

    def opened(self, part: str) -> bool:
        """Return whether a door or drawer is open by at least half of its travel.

        Raises:
            UsageError: The scene has no such part, or the part is a screen.
        """
        found = find_furniture(self._robot.config.scene).part(part)
        if found.kind is PartKind.SCREEN:
            raise UsageError(f"{part} is a screen, which neither opens nor closes.")
        return found.is_open(self.part_positions()[part])

    def observe(self, camera: str | None = None) -> Privileged:
        """Return everything at once from one segmentation.

        Keys: `target_present` (1,), `target_position_m` (3,), `target_visible_fraction` (1,), `target_visible_px` (1,),
        `target_alone_px` (1,), `target_box_xyxy_px` (4,), `target_mask` (h, w), `qpos` (nq,), `qvel` (nv,).
        What does not exist is zero. Scenes with doors, drawers or screens add `part_positions` (p,), in the
        furniture's order.
        """
        mask = self.target_mask(camera)
        seen = self._visibility_of(mask, camera or self._wrist)
        position = self.target_position()
        data = self._robot.data
        parts = {"part_positions": np.array(list(self.part_positions().values()))} if self._parts else {}
        return Privileged(
            {
                "target_present": np.array([float(position is not None)]),
                "target_position_m": np.zeros(3) if position is None else position,
                "target_visible_fraction": np.array([seen.fraction]),
                "target_visible_px": np.array([float(seen.visible_px)]),
                "target_alone_px": np.array([float(seen.alone_px)]),
                "target_box_xyxy_px": np.array(box_of(mask) or (0.0, 0.0, 0.0, 0.0)),
                "target_mask": mask.astype(np.float32),
                "qpos": data.qpos.copy(),
                "qvel": data.qvel.copy(),
                **parts,
            }
        )

    def judge(self) -> Judgement:
        """Return whether the target is lifted by at least `LIFT_M` and held between the fingers."""
        robot, body = self._robot, self._target_body()
        if robot.spec is None or body is None:
            return Judgement(success=False, lifted_m=0.0, held=False, collision_steps=robot.collision_steps)
        stood = next(item.position_m[2] for item in robot.spec.objects if item.name == robot.spec.target_name)
        lifted = float(robot.data.xpos[body][2]) - stood
        held = self._held(body)
        return Judgement(
            success=held and lifted >= LIFT_M, lifted_m=lifted, held=held, collision_steps=robot.collision_steps
        )

    def state(self) -> State:
        """Return the dynamic state; see `MujocoRobot.state`."""
        return self._robot.state()

    def load_state(self, state: State) -> None:
        """Continue from a state; see `MujocoRobot.load_state`."""
        self._robot.load_state(state)

    def _held(self, body: int) -> bool:
        owner = self._robot.model.geom_bodyid
        pairs = self._robot.data.contact.geom[: self._robot.data.ncon]
        touching = {int(a if owner[b] == body else b) for a, b in pairs if body in (owner[a], owner[b])}
        return all(geoms & touching for geoms in self._finger_geoms)

    def _visibility_of(self, mask: NDArray[np.bool_], camera: str) -> Visibility:
        if self._target_body() is None:
            return Visibility(0, 0)
        alone = self._robot.renderer.target_alone_px(self._robot.data, camera, self._size(camera))
        return Visibility(int(mask.sum()), alone)

    def _target_body(self) -> int | None:
        spec = self._robot.spec
        if spec is None or spec.target_name is None:
            return None
        return int(self._robot.model.body(spec.target_name).id)

    def _size(self, camera: str) -> tuple[int, int]:
        if camera == self._wrist:
            return self._robot.config.wrist_px
        return self._robot.config.third_person_px or (480, 360)


def target_visibility(robot: MujocoRobot, camera: str | None = None) -> Visibility:
    """Return how much of the target a camera of `robot` sees; see `PrivilegedView.visibility`."""
    return PrivilegedView(robot).visibility(camera)


def part_position(model: mujoco.MjModel, data: mujoco.MjData, part: Part) -> float:
    """Return where a part stands: the angle [rad] of a door, the length [m] of a drawer, a screen's y [m]."""
    if part.kind is PartKind.SCREEN:
        return float(data.xpos[model.body(part.name).id][1])
    return float(data.qpos[model.joint(part.name).qposadr[0]])


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """Return the tightest box around the true pixels of a mask (h, w), right and bottom edges exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
