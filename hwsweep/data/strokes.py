"""Tibetan digits in handwriting, drawn from stroke skeletons: a data set that needs no download.

Cursive shapes, thickness of the pen and size of the digits resemble those of TibetanMNIST.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import SeedSequence

from hwsweep.argument_checks import check_count, check_number, most_in_memory
from hwsweep.data import Examples, Shapes, Splits
from hwsweep.data.binarisation import binarised, check_binarisation
from hwsweep.data.digit_skeletons import BOX
from hwsweep.data.stroke_drawing import FRAME, LIMIT, Factors, Hand, draw_digits, normal

FACTORS: Final = Factors._fields
"""Columns of `factors`: slant [degrees], thickness [pixels], scale [1], x, y [pixels], rotation [degrees]."""

RANGES: Final = {
    "thickness": (1, 6, "pixels"),
    "thickness_std": (0, 1, "pixels"),
    "slant_std": (0, 20, "degrees"),
    "scale_std": (0, 0.1, "of the digit's size"),
    "shift_std": (0, 3, "pixels"),
    "rotation_std": (0, 72, "degrees"),
    "tremor_std": (0, 0.2, "of the digit's size"),
    "pressure_std": (0, 0.3, "of the pen's diameter"),
}
"""Smallest and largest value of each argument, and its unit. The thickest pen is thinner than the smallest box."""


class TibetanStrokes:
    """Splits of `image` uint8 (n, 1, 28, 28), white on black, `label` 0-9 in turn, `factors` float32 (n, 6).

    Args:
        n_train, n_valid, n_test: images of each split; digits 0-9 in turn.
        thickness: mean diameter of the pen, pixels.
        thickness_std, slant_std, scale_std, shift_std, rotation_std: spread of each factor, in its unit.
        tremor_std, pressure_std: see `Hand`.
        binarise: none, static or dynamic; see `hwsweep.data.binarisation`.
    """

    name: str = "tibetan_strokes"
    source: str = "hwsweep.data.strokes"

    def __init__(
        self,
        n_train: int,
        n_valid: int,
        n_test: int,
        thickness: float,
        thickness_std: float,
        slant_std: float,
        scale_std: float,
        shift_std: float,
        rotation_std: float,
        tremor_std: float,
        pressure_std: float,
        binarise: str,
    ) -> None:
        arguments = locals()
        check_binarisation(binarise)
        for name in ("n_train", "n_valid", "n_test"):
            least = 1 if name == "n_valid" else 2  # training and testing measure variances
            most = most_in_memory(FRAME * FRAME)
            check_count(f"dataset.{name}", arguments[name], least=least, most=most, unit="images that fit in memory")
        for name, (low, high, unit) in RANGES.items():
            check_number(f"dataset.{name}", arguments[name], f"[{low}, {high}]", unit=unit)
        if thickness - LIMIT * thickness_std < 1:
            raise ValueError(
                f"`dataset.thickness` - {LIMIT} * `dataset.thickness_std`, the thinnest pen, must be at least 1 pixel, "
                f"but got {thickness} and {thickness_std}; use a spread of at most {(thickness - 1) / LIMIT:.2g}"
            )
        self.sizes = (n_train, n_valid, n_test)
        self.mean = np.array([0, thickness, 1, 0, 0, 0], np.float32)
        self.std = np.array([slant_std, thickness_std, scale_std, shift_std, shift_std, rotation_std], np.float32)
        self.tremor_std, self.pressure_std, self.binarise = tremor_std, pressure_std, binarise

    @property
    def shapes(self) -> Shapes:
        return {"image": (1, FRAME, FRAME), "label": (), "factors": (len(FACTORS),)}

    def splits(self, seed: int) -> Splits:
        """Three independent draws, the same for the same seed; a longer split begins with a shorter one."""
        streams = SeedSequence(seed).spawn(len(self.sizes))
        train, valid, test = (self._examples(n, stream) for n, stream in zip(self.sizes, streams, strict=True))
        return binarised(Splits(train, valid, test), self.binarise, seed)

    def _examples(self, n: int, stream: SeedSequence) -> Examples:
        import torch

        for_factors, for_hand = stream.spawn(2)
        label = np.arange(n, dtype=np.int64) % len(BOX)
        factors = self.mean + self.std * normal(for_factors, n, len(FACTORS))
        image = draw_digits(label, Factors(*factors.T), Hand(for_hand, self.tremor_std, self.pressure_std))
        arrays = {"image": image, "label": label, "factors": factors}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
