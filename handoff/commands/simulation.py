"""Placeholder until the rooms are there."""
