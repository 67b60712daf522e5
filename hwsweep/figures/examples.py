"""The test examples that figures of a run show. They depend on the data alone, so all runs of a study show the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

if TYPE_CHECKING:
    from hwsweep.data import Examples
    from hwsweep.models import Batch, Model


def select_images(test: Examples, n_images: int) -> Batch:
    """The first example of each label, then the second of each label, and so on; without labels the first examples."""
    same = np.zeros(len(test["image"]), dtype=np.int64)
    rows = rows_by_turn(test["label"].numpy() if "label" in test else same, same)[:n_images]
    return {name: values[rows] for name, values in test.items()}


def rows_by_turn(labels: Int64[np.ndarray, " n"], rank: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """All rows: one of each label, then another of each label, and so on; within a label by rank, then by row."""
    by_label = np.lexsort((np.arange(len(labels)), rank, labels))
    ordered = labels[by_label]
    turn = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return by_label[np.lexsort((ordered, turn))]


def to_device_of(model: Model, batch: Batch) -> Batch:
    """The batch on the device of the model's parameters."""
    device = next(model.parameters()).device
    return {name: values.to(device) for name, values in batch.items()}
