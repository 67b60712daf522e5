"""The analysis of a VAE whose lambda walked through a list: its path, and the VAE at the last lambda."""

from hwsweep.analysis.lambda_path.path import analyse

__all__ = ["analyse"]
