"""The simulated world: scene, tasks, rendering, differential inverse kinematics, in MuJoCo.

MuJoCo reads its graphics backend from the environment when it is first imported, and its own default needs a display;
so importing this package prefers an off-screen backend, unless `MUJOCO_GL` says otherwise.
"""

from contextlib import suppress

from robots.errors import GraphicsError
from robots.graphics import choose_backend

with suppress(GraphicsError):  # reported when something is rendered; planning and physics work without
    choose_backend()
