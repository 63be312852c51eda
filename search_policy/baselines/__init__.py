"""Asymmetric actor-critic baselines from scratch in simulation: PPO and SAC whose critics see privileged values."""
