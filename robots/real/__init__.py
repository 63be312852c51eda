"""What every real arm shares: profiles, safety limits, camera liveness, kinematics, and the ladder from dry run up.

An adapter adds a `Link`: how one driver reads the arm and writes a target. `RealArm` makes it a `robots.robot.Robot`.
"""

from robots.real.arm import RealArm
from robots.real.link import Link, Reading
from robots.real.profile import Profile, load_profile

__all__ = ["Link", "Profile", "Reading", "RealArm", "load_profile"]
