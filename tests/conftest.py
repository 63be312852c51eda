"""Settings that every test shares, made before anything heavy is imported."""

import os

from robots.graphics import choose_backend

choose_backend()
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
