"""Hyperparameter sweeps that show, name and check the posterior collapse of a VAE."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"


def conf_path() -> Path:
    """The folder conf/: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
