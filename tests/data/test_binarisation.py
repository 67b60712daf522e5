"""Binarised images against the intensities that they are drawn from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hwsweep.data import Splits
from hwsweep.data.binarisation import binarised

LEVELS = [0, 1, 51, 128, 254, 255]


def grey(n_train: int = 1500) -> Splits:
    """Images of 6 x 5 pixels whose rows have the intensities `LEVELS`."""
    rows = torch.tensor(LEVELS, dtype=torch.uint8)[:, None].expand(6, 5)
    train, valid, test = ({"image": rows.expand(n, 1, 6, 5).contiguous()} for n in (n_train, 1013, 997))
    return Splits(train, valid, test)


def images(splits: Splits) -> list[Tensor]:
    return [splits.train["image"], splits.valid["image"], splits.test["image"]]


@pytest.mark.parametrize("binarise", ["static", "dynamic"])
def test_each_pixel_is_white_as_often_as_its_intensity_says(binarise: str) -> None:
    for image in images(binarised(grey(), binarise, seed=0)):
        assert set(image.unique().tolist()) == {0, 255}
        assert image.dtype == torch.uint8
        white = (image == 255).double().mean((0, 1, 3))
        share = torch.tensor(LEVELS, dtype=torch.float64) / 255
        error = (share * (1 - share) / (5 * len(image))).sqrt()
        assert ((white - share).abs() <= 4 * error).all()  # by chance 1 in 15,000 for each; never and always are exact


def test_pixels_and_splits_are_drawn_independently() -> None:
    train, valid, test = (image[:900, 0, 3].double() for image in images(binarised(grey(), "static", seed=0)))
    columns = torch.cat([train, valid, test], 1).T  # 15 series of 900 coin tosses
    correlation = torch.corrcoef(columns) - torch.eye(15)
    assert correlation.abs().max() < 4.5 / 900**0.5  # 105 pairs, standard error 1/30: by chance 7 in 10,000


def test_the_draw_is_fixed_by_the_seed_and_changes_the_digest() -> None:
    drawn = [binarised(grey(), binarise, seed).digest() for binarise in ("static", "dynamic") for seed in (3, 4)]
    assert drawn[0] == binarised(grey(), "static", 3).digest()
    assert len({grey().digest(), *drawn}) == 5


def test_more_training_images_change_neither_earlier_ones_nor_other_splits() -> None:
    short, long = (images(binarised(grey(n), "static", seed=1)) for n in (1237, 2411))
    assert all(a.equal(b[: len(a)]) for a, b in zip(short, long, strict=True))


def test_static_and_dynamic_measure_the_same_images_and_dynamic_keeps_the_intensity_for_training() -> None:
    static, dynamic = (binarised(grey(), binarise, seed=0) for binarise in ("static", "dynamic"))
    assert all(a.equal(b) for a, b in zip(images(static), images(dynamic), strict=True))
    assert dynamic.train["intensity"].equal(grey().train["image"])
    assert "intensity" not in static.train | static.valid | dynamic.valid | dynamic.test


def test_without_binarisation_the_images_stay_grey() -> None:
    assert binarised(grey(), "none", seed=0).digest() == grey().digest()
