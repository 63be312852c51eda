"""The checks of `baton doctor`, one file per part of a set-up. Each returns findings and raises nothing deliberate."""
