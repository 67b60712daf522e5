"""Real test images beside their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import UInt8

from hwsweep.figures.drawing import pixels, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.data import Examples
    from hwsweep.figures import Trained
    from hwsweep.models import Batch, Model

PANELS = 2


class ReconstructionsInfo(NamedTuple):
    """The same test images twice: as they are and as the decoder means at z = mu."""

    title: str
    real: UInt8[np.ndarray, "n h w c"]
    reconstructed: UInt8[np.ndarray, "n h w c"]
    columns: int


def info(trained: Trained, n_images: int, columns: int) -> ReconstructionsInfo:
    """At most `n_images` test images, labels in turn, and their reconstructions."""
    import torch

    batch = chosen(trained.test, n_images)
    with torch.inference_mode():
        outputs = trained.model.outputs(on_device_of(trained.model, batch))
    return ReconstructionsInfo(trained.title, pixels(batch["image"]), pixels(outputs["reconstruction"]), columns)


def draw(info: ReconstructionsInfo, axes: Sequence[Axes]) -> None:
    """Real on the left, reconstructed on the right, in the same order."""
    show(axes[0], info.real, info.columns, "real")
    show(axes[1], info.reconstructed, info.columns, f"reconstructed, {info.title}")


def chosen(examples: Examples, n_images: int) -> Batch:
    """The first example of each label, the second of each label, and so on; without labels the first ones.

    Depends on the data alone, so that every run of a study shows the same images.
    """
    order = np.arange(len(examples["image"]))
    if "label" in examples:
        labels = examples["label"].numpy()
        seen_before = np.empty_like(order)
        for label in np.unique(labels):
            seen_before[labels == label] = np.arange((labels == label).sum())
        order = np.lexsort((labels, seen_before))
    return {name: values[order[:n_images]] for name, values in examples.items()}


def on_device_of(model: Model, batch: Batch) -> Batch:
    """The batch on the device where the model's parameters are."""
    device = next(model.parameters()).device
    return {name: values.to(device) for name, values in batch.items()}
