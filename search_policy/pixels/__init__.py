"""Learning from pixels: augmentation, regularisation, frozen backbones and their cached features."""
