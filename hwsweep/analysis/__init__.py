"""What a trained VAE did with its latents, measured and predicted: pure functions over tensors.

Rates, distances between distributions and bounds are in nats per image unless a docstring says otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Measured(NamedTuple):
    """What conf/analysis/*.yaml gives for a trained model; the contract between an analysis and a run."""

    metrics: dict[str, float]
    """By key, `test/...` or `predicted/...`."""
    arrays: dict[str, NDArray[np.float64]]
    """What figures of a whole study need, kept in analysis.npz."""
    tags: dict[str, str]
    """Words, by key without its prefix: `verdict`, ..."""
    sentences: list[str]
    """What the run says at its end."""
