"""Samples from the prior: images decoded from random latent codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import UInt8

from hwsweep.figures.drawing import draw_grid, to_uint8

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained
    from hwsweep.models.vae import VAE

PANELS = 1


class SamplesInfo(NamedTuple):
    """Decoder means, or images drawn by a decoder that sees pixels, one per latent code."""

    title: str
    images: UInt8[np.ndarray, "n h w c"]
    columns: int


def info(trained: Trained, n_samples: int, columns: int, seed: int) -> SamplesInfo:
    """Images decoded from `n_samples` codes z ~ N(0, I), the same ones in every run with the same number of latents."""
    import torch

    model = cast("VAE", trained.model)
    # A generator of the CPU with its own seed: neither the device nor earlier random numbers change the codes.
    noise = torch.Generator().manual_seed(seed)
    z = torch.randn(n_samples, model.latent, generator=noise)
    with torch.inference_mode():
        images = model.decode(z.to(next(model.parameters()).device), model.draw_noise(n_samples, noise))
    return SamplesInfo(trained.title, to_uint8(images), columns)


def draw(info: SamplesInfo, axes: Sequence[Axes]) -> None:
    """One grid with all samples."""
    draw_grid(axes[0], info.images, info.columns, f"samples from the prior, {info.title}")
