"""Decoded images along the straight line between two test images in latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jaxtyping import UInt8

from hwsweep.figures.drawing import draw_grid, to_uint8
from hwsweep.figures.examples import select_images, to_device_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsweep.figures import Trained
    from hwsweep.models.vae import VAE

PANELS = 1


class InterpolationInfo(NamedTuple):
    """Pairs of test images, and decoder means from the first to the second, both included."""

    title: str
    start: UInt8[np.ndarray, "pairs h w c"]
    steps: UInt8[np.ndarray, "pairs steps h w c"]
    end: UInt8[np.ndarray, "pairs h w c"]


def info(trained: Trained, n_pairs: int, n_steps: int) -> InterpolationInfo:
    """Decoder means at `n_steps` points from mu(A) to mu(B), for at most `n_pairs` pairs (A, B) of test images."""
    import torch

    batch = select_images(trained.test, 2 * min(n_pairs, len(trained.test["image"]) // 2))
    with torch.inference_mode():
        mu = trained.model.outputs(to_device_of(trained.model, batch))["mu"][:, None]
        weight = torch.linspace(0, 1, n_steps, device=mu.device, dtype=mu.dtype)[None, :, None]
        decoded = cast("VAE", trained.model).decode(torch.lerp(mu[0::2], mu[1::2], weight).flatten(0, 1))
    real, steps = to_uint8(batch["image"]), to_uint8(decoded)
    return InterpolationInfo(trained.title, real[0::2], steps.reshape(-1, n_steps, *steps.shape[1:]), real[1::2])


def draw(info: InterpolationInfo, axes: Sequence[Axes]) -> None:
    """One row per pair; the first and the last column show the real images."""
    rows = np.concatenate([info.start[:, None], info.steps, info.end[:, None]], axis=1)
    title = f"real test images (outer columns) and the line between them in latent space, {info.title}"
    draw_grid(axes[0], rows.reshape(-1, *rows.shape[2:]), rows.shape[1], title)
