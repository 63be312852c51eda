"""Detectors: each finds the target in camera images and satisfies `handoff.interfaces.Detector`."""
