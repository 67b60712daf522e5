"""Real test images and their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes

from hwsweep.figures import Trained
from hwsweep.figures.drawing import draw_grid, to_uint8
from hwsweep.figures.examples import select_images, to_device_of

PANELS = 2


class ReconstructionsInfo(NamedTuple):
    """The same test images twice: as they are, and decoded at z = mu."""

    title: str
    real: UInt8[np.ndarray, "n h w c"]
    reconstructed: UInt8[np.ndarray, "n h w c"]
    columns: int


def info(trained: Trained, n_images: int, columns: int) -> ReconstructionsInfo:
    """At most `n_images` test images, one of each label in turn, and their reconstructions."""
    import torch

    from hwsweep.models.vae import VAE

    batch = select_images(trained.test, n_images)
    with torch.inference_mode():
        outputs = trained.model.outputs(to_device_of(trained.model, batch))
    title = trained.title
    if isinstance(trained.model, VAE) and trained.model.pixel_context is not None:
        title += "\n(drawn at z = mu, all with the same noise)"
    return ReconstructionsInfo(title, to_uint8(batch["image"]), to_uint8(outputs["reconstruction"]), columns)


def draw(info: ReconstructionsInfo, axes: Sequence[Axes]) -> None:
    """Real images on the left, their reconstructions on the right, in the same order."""
    draw_grid(axes[0], info.real, info.columns, "real")
    draw_grid(axes[1], info.reconstructed, info.columns, f"reconstructed, {info.title}")
