"""Disjoint training, validation and test examples, drawn at random from the seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, Integer, UInt8

from hwsweep.argument_checks import MAX_COUNT
from hwsweep.data import DataError, Examples, Splits


class SplitRows(NamedTuple):
    """Row numbers of each split, in random order (files are often sorted by label)."""

    train: Int64[np.ndarray, " train"]
    valid: Int64[np.ndarray, " valid"]
    test: Int64[np.ndarray, " test"]


def check_share(name: str, share: int | float) -> None:
    """Check that the size of a split is a number of examples (at least 1) or a fraction of them (0 < fraction < 1).

    Raises:
        ValueError: it is neither.
    """
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if not (is_number and (0 < share < 1 or (isinstance(share, int) and 1 <= share <= MAX_COUNT))):
        raise ValueError(
            f"`dataset.{name}` must be a fraction between 0 and 1, such as 0.1, or a whole number of examples, "
            f"but got {share!r}"
        )


def random_rows(n_examples: int, valid: int | float, test: int | float, seed: int) -> SplitRows:
    """Row numbers of each split, the same for the same seed; `test` does not depend on `valid`.

    Raises:
        DataError: no example remains for training.
    """
    n_valid, n_test = (_count(share, n_examples) for share in (valid, test))
    if n_valid + n_test >= n_examples:
        raise DataError(
            f"`dataset.valid` and `dataset.test` must leave examples for training, but {valid} and {test} "
            f"take {n_valid} and {n_test} of {n_examples}"
        )
    order = np.random.default_rng(seed).permutation(n_examples)
    return SplitRows(train=order[n_test + n_valid :], valid=order[n_test : n_test + n_valid], test=order[:n_test])


def partition(
    images: UInt8[np.ndarray, "n c h w"],
    labels: Integer[np.ndarray, " n"] | None,
    valid: int | float,
    test: int | float,
    seed: int,
) -> Splits:
    """Random, disjoint splits of images and, unless None, labels. They are copies of the rows of `images`.

    Raises:
        DataError: no example remains for training, or the images for training or testing are all equal: then there is
            no variance to measure.
    """
    import torch

    rows = random_rows(len(images), valid, test, seed)
    for split, indices in (("training", rows.train), ("test", rows.test)):
        if len(indices) and not any((images[index] != images[indices[0]]).any() for index in indices):
            same = ", all the same" if len(indices) > 1 else ""
            raise DataError(
                f"the {split} split needs two different images, but it has {len(indices)} of {len(images)}{same}. Add "
                f"other images, or set dataset.valid and dataset.test (now {valid} and {test}) to numbers of images"
            )

    def examples(indices: Int64[np.ndarray, " m"]) -> Examples:
        image = {"image": torch.from_numpy(images[indices])}  # a copy, even of a memory map
        return image if labels is None else {**image, "label": torch.from_numpy(labels[indices])}

    return Splits(examples(rows.train), examples(rows.valid), examples(rows.test))


def _count(share: int | float, n_examples: int) -> int:
    return share if isinstance(share, int) else max(1, round(share * n_examples))
