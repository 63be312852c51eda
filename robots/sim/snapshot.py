"""Saves and restores the dynamic state of a scene so that another process continues it bit by bit.

MuJoCo's own state vector leaves out which trees are asleep. Without it a restored scene wakes everything, objects
settle by micrometres again, and two copies drift apart.
"""

from __future__ import annotations

import mujoco
import numpy as np

from robots.errors import SpecError

State = dict[str, list[float]]

_VECTOR = mujoco.mjtState.mjSTATE_INTEGRATION
_SLEEP_ARRAYS = ("tree_asleep", "tree_awake", "body_awake", "body_awake_ind", "parent_awake_ind", "dof_awake_ind")
_SLEEP_COUNTS = ("ntree_awake", "nbody_awake", "nparent_awake", "nv_awake")


def save(model: mujoco.MjModel, data: mujoco.MjData) -> State:
    """Return the dynamic state as plain numbers."""
    vector = np.empty(mujoco.mj_stateSize(model, _VECTOR))
    mujoco.mj_getState(model, data, vector, _VECTOR)
    arrays = {name: np.asarray(getattr(data, name), dtype=float).tolist() for name in _SLEEP_ARRAYS}
    return {"physics": vector.tolist(), **arrays, "awake": [float(getattr(data, name)) for name in _SLEEP_COUNTS]}


def restore(model: mujoco.MjModel, data: mujoco.MjData, state: State) -> None:
    """Continue from a saved state of the same episode.

    Raises:
        SpecError: The state does not fit the scene or is not finite.
    """
    vector = np.array(state.get("physics", []), dtype=float)
    if vector.shape != (mujoco.mj_stateSize(model, _VECTOR),) or not np.isfinite(vector).all():
        raise SpecError("state.physics: does not fit this scene.")
    if any(len(state.get(name, [])) != len(getattr(data, name)) for name in _SLEEP_ARRAYS):
        raise SpecError("state: the sleep arrays do not fit this scene.")
    mujoco.mj_setState(model, data, vector, _VECTOR)
    # The poses of sleeping bodies are not computed any more: compute them once while everything is awake.
    mujoco.mj_forward(model, data)
    for name in _SLEEP_ARRAYS:
        getattr(data, name)[:] = state[name]
    for name, value in zip(_SLEEP_COUNTS, state["awake"], strict=True):
        setattr(data, name, int(value))
    mujoco.mj_setState(model, data, vector, _VECTOR)
    mujoco.mj_forward(model, data)
