"""How different from one another the reconstructions are: at collapse all are the same image."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def reconstruction_spread(image: Float[Tensor, "n c h w"], reconstruction: Float[Tensor, "n c h w"]) -> float:
    """Mean Euclidean distance of two reconstructions over that of two images, >= 0.

    0: all reconstructions are alike; 1: as different as the images; the latents' best linear use lies between.
    """
    return mean_distance(reconstruction.flatten(1)) / mean_distance(image.flatten(1))


def mean_distance(points: Float[Tensor, "n d"]) -> float:
    """Mean Euclidean distance over all pairs of different points, in their unit."""
    n_points, centred = len(points), points - points.mean(0)  # squares of nearly equal points would cancel
    distances = torch.cdist(centred, centred).fill_diagonal_(0)
    return float(distances.sum(dtype=torch.float64)) / (n_points * (n_points - 1))
