"""Grasps of a named object from where a search leaves the arm: starts, an expert, attempts."""
