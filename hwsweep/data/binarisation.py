"""Images of black and white pixels, drawn from grey ones: a pixel is white with the probability of its intensity.

Static: one draw for all epochs (Larochelle & Murray 2011). Dynamic: a new draw for each training batch (Burda et al.
2016, arXiv:1509.00519), while every measurement has the static draw, so that losses of epochs and runs compare.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from hwsweep.argument_checks import check_choice
from hwsweep.data import Examples, Splits

CHOICES = ("none", "static", "dynamic")
WHITE = 255
IMAGES_AT_ONCE = 1000


def check_binarisation(binarise: object) -> None:
    """Check conf's `dataset.binarise`.

    Raises:
        ValueError: it is none of `CHOICES`.
    """
    check_choice("dataset.binarise", binarise, CHOICES)


def binarised(splits: Splits, binarise: str, seed: int) -> Splits:
    """The splits with `image` 0 or 255, the same for the same seed; "none" leaves them as they are.

    Each channel of a pixel is a draw of its own. "dynamic" keeps the grey training images as `intensity`, from which
    training draws.
    """
    if binarise == "none":
        return splits
    train, valid, test = (
        _drawn(examples, np.random.default_rng([seed, split]))
        for split, examples in enumerate((splits.train, splits.valid, splits.test))
    )
    if binarise == "dynamic":
        train["intensity"] = splits.train["image"]
    return replace(splits, train=train, valid=valid, test=test)


def _drawn(examples: Examples, random: np.random.Generator) -> Examples:
    import torch

    intensity = examples["image"].numpy()
    image = np.empty_like(intensity)
    for start in range(0, len(image), IMAGES_AT_ONCE):  # bounds the memory of the noise
        rows = slice(start, start + IMAGES_AT_ONCE)
        image[rows] = _draw(intensity[rows], random)
    return {**examples, "image": torch.from_numpy(image)}


def _draw(intensity: UInt8[np.ndarray, "n c h w"], random: np.random.Generator) -> UInt8[np.ndarray, "n c h w"]:
    """White where a whole number from 0 to 254 is below the intensity: its probability is exactly intensity / 255."""
    noise = random.integers(0, WHITE, intensity.shape, dtype=np.uint8)
    return np.where(noise < intensity, np.uint8(WHITE), np.uint8(0))
