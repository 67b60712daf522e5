"""What the decoder makes of noise: means at draws from the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import UInt8

from hwsweep.figures.drawing import pixels, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained
    from hwsweep.models.vae import VAE

PANELS = 1


class SamplesInfo(NamedTuple):
    """Decoder means, one per draw from the prior."""

    title: str
    images: UInt8[np.ndarray, "n h w c"]
    columns: int


def info(trained: Trained, n_samples: int, columns: int, seed: int) -> SamplesInfo:
    """Decoder means at `n_samples` draws z ~ N(0, I): the same noise in every run of the same latent size."""
    import torch

    model = cast("VAE", trained.model)
    # On the CPU with a seed of its own: neither the device nor what the run drew before changes the noise.
    noise = torch.randn(n_samples, model.latent, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        images = model.decode(noise.to(next(model.parameters()).device))
    return SamplesInfo(trained.title, pixels(images), columns)


def draw(info: SamplesInfo, axes: Sequence[Axes]) -> None:
    """One grid of all samples."""
    show(axes[0], info.images, info.columns, f"samples from the prior, {info.title}")
