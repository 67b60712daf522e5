"""Hyperparameter sweeps that show, name and check the posterior collapse of a VAE."""

__version__ = "0.1.0"
