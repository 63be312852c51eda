"""Settings that every test shares, made before anything heavy is imported."""

import os
import tempfile

from robots.graphics import choose_backend

choose_backend()
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# LeRobot makes a calibration folder for every robot that is built.
os.environ.setdefault("HF_LEROBOT_HOME", tempfile.mkdtemp(prefix="baton-lerobot-"))
