"""Trains a generalist on a recorded LeRobot dataset, by LeRobot's own update step, presets and checkpoints."""
