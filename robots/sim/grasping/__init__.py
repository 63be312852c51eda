"""Grasps of a named object from where a search leaves the arm: starts, a closed-loop expert, attempts and their outcome."""
