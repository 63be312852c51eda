"""Asymmetric advantage-weighted regression: equations, networks, batches, training runs, checkpoints."""
