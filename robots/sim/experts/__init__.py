"""Scripted experts that see the simulator's state: stand-ins, references and sources of demonstrations."""
