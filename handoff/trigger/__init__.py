"""The trigger: when is the target found? Calibrated scores, sequential tests and fixation guards."""

from handoff.trigger.trigger import SequentialTrigger, TriggerConfig

__all__ = ["SequentialTrigger", "TriggerConfig"]
