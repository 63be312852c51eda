"""Which contacts of the arm count as collisions, and which are its work.

The target may be touched by every part of the arm, and the handle of a door or drawer by the fingers that pull it;
everything else that arm or hand touches is a collision.
"""

from __future__ import annotations

import mujoco
import numpy as np

from robots.sim.arm_model import ArmModel

HANDLE = "_handle"  # geoms of a part's handle are named `<part>_handle...`

_ARM, _FINGER, _SCENE, _TARGET, _GRIP = range(5)
_COUNTS = np.zeros((5, 5), dtype=bool)
for _first, _second in ((_ARM, _SCENE), (_FINGER, _SCENE), (_ARM, _GRIP)):
    _COUNTS[_first, _second] = _COUNTS[_second, _first] = True


class TouchJudge:
    """Judges the contacts of one compiled scene.

    Args:
        model: The compiled scene.
        arm: The arm in it.
    """

    def __init__(self, model: mujoco.MjModel, arm: ArmModel) -> None:
        self._bodies = model.geom_bodyid.copy()
        self._fixed = np.full(model.ngeom, _SCENE)
        grips = [geom for geom in range(model.ngeom) if HANDLE in model.geom(geom).name]
        self._fixed[grips] = _GRIP
        for names, part in ((arm.bodies, _ARM), (arm.fingers, _FINGER)):
            self._fixed[np.isin(self._bodies, [model.body(name).id for name in names])] = part
        self._part = self._fixed.copy()

    def allow(self, body: int | None) -> None:
        """Make a body the target, which may be touched; None for no target."""
        self._part = self._fixed.copy()
        if body is not None:
            self._part[self._bodies == body] = _TARGET

    def collides(self, data: mujoco.MjData) -> bool:
        """Return whether arm, hand or fingers touch something that they have no business with."""
        parts = self._part[data.contact.geom[: data.ncon]]
        return bool(_COUNTS[parts[:, 0], parts[:, 1]].any())
