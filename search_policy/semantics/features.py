"""What an insight says about each candidate view, as the last features of `AgentState.views`."""

from __future__ import annotations

VIEW_FEATURES = ("expected", "likely", "time", "rate")
LIKELY, TIME = (VIEW_FEATURES.index(name) - len(VIEW_FEATURES) for name in ("likely", "time"))
TIME_S = 3.0  # unit of `time` [s]
