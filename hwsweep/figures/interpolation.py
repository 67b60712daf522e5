"""From one test image to another along a straight line in latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import UInt8

from hwsweep.figures.drawing import pixels, show
from hwsweep.figures.reconstructions import chosen, on_device_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained
    from hwsweep.models.vae import VAE

PANELS = 1


class InterpolationInfo(NamedTuple):
    """Per pair of test images: the real ends and the decoder means on the way, both ends included."""

    title: str
    start: UInt8[np.ndarray, "pairs h w c"]
    steps: UInt8[np.ndarray, "pairs steps h w c"]
    end: UInt8[np.ndarray, "pairs h w c"]


def info(trained: Trained, n_pairs: int, n_steps: int) -> InterpolationInfo:
    """Decoder means at `n_steps` points from mu(A) to mu(B), for `n_pairs` pairs of test images."""
    import torch

    batch = chosen(trained.test, 2 * n_pairs)
    pairs = len(batch["image"]) // 2
    with torch.inference_mode():
        mu = trained.model.outputs(on_device_of(trained.model, batch))["mu"]
        start, end = mu[0 : 2 * pairs : 2, None], mu[1 : 2 * pairs : 2, None]
        way = torch.linspace(0, 1, n_steps, device=mu.device, dtype=mu.dtype)[None, :, None]
        decoded = cast("VAE", trained.model).decode(torch.lerp(start, end, way).flatten(0, 1))
    real, steps = pixels(batch["image"]), pixels(decoded)
    shape = (pairs, n_steps, *steps.shape[1:])
    return InterpolationInfo(trained.title, real[0 : 2 * pairs : 2], steps.reshape(shape), real[1 : 2 * pairs : 2])


def draw(info: InterpolationInfo, axes: Sequence[Axes]) -> None:
    """One row per pair; the first and the last column are the real images."""
    rows = np.concatenate([info.start[:, None], info.steps, info.end[:, None]], axis=1)
    title = f"real test images (outer columns) and the line between them in latent space, {info.title}"
    show(axes[0], rows.reshape(-1, *rows.shape[2:]), rows.shape[1], title)
