"""How near samples are to real images in a space of features: Fréchet distance, precision, recall, density, coverage.

Features come from `hwsweep.analysis.features`, not from Inception: the numbers compare runs on one data set with each
other, not with a published FID.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hwsweep.analysis import PAIRS_AT_ONCE


class Neighbourhoods(NamedTuple):
    """Shares of examples that lie in balls around other examples; each ball reaches to its k-th nearest neighbour."""

    precision: float
    """Share of samples within a real ball, 0 to 1: they look real (Kynkäänniemi et al. 2019, arXiv:1904.06991)."""
    recall: float
    """Share of real images within a sample's ball, 0 to 1: samples are as varied (Kynkäänniemi et al., eq. 1-2)."""
    density: float
    """Mean number of real balls around a sample, divided by k; near 1 if both sets are alike (Naeem et al. 2020)."""
    coverage: float
    """Share of real balls with a sample in them, 0 to 1 (Naeem et al. 2020, arXiv:2002.09797, eq. 3-4)."""


def frechet_distance(real: Float[Tensor, "n d"], sampled: Float[Tensor, "m d"]) -> float:
    """Squared Fréchet distance of the normals with the means and covariances of the two sets, >= 0.

    In units of features squared: if the features' variances on real images sum to 1, samples that all equal the mean
    real image have distance 1.
    |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^1/2) (Dowson & Landau 1982). Few examples make it larger.
    """
    mean_real, root_real = _moments(real)
    mean_sampled, root_sampled = _moments(sampled)
    # tr (C_1 C_2)^1/2 is the sum of singular values of C_1^1/2 C_2^1/2, which needs no root of an unsymmetric matrix
    shared = torch.linalg.svdvals(root_real @ root_sampled).sum()
    spread = root_real.square().sum() + root_sampled.square().sum() - 2 * shared
    return max(0.0, float((mean_real - mean_sampled).square().sum() + spread))


def neighbourhoods(real: Float[Tensor, "n d"], sampled: Float[Tensor, "m d"], neighbours: int) -> Neighbourhoods:
    """Precision, recall, density and coverage of samples, with balls that reach to the `neighbours`-th neighbour.

    Raises:
        ValueError: one side has no more examples than `neighbours`.
    """
    if min(len(real), len(sampled)) <= neighbours:
        raise ValueError(
            f"balls to the {neighbours}-th neighbour need more than {neighbours} examples on each side, "
            f"but there are {len(real)} real and {len(sampled)} sampled"
        )
    centre = real.double().mean(0)
    real = real.double() - centre
    return _compare(real, _radii(real, neighbours), sampled.double() - centre, neighbours)


def sample_metrics(
    real: Float[Tensor, "n d"], draws: Iterable[Float[Tensor, "m d"]], neighbours: int
) -> dict[str, float]:
    """Means over draws of samples by metric key, and as `..._error` their standard errors, from the draws' spread.

    The errors show the chance in the samples; the real images are the same for every draw. Without the measures that
    need more images than there are.

    Args:
        draws: at least 2.
    """
    centre = real.double().mean(0)
    centred = real.double() - centre
    radii = _radii(centred, neighbours) if len(real) > neighbours else None
    rows = []
    for sampled in draws:
        row = {"frechet": frechet_distance(real, sampled)}
        if radii is not None:
            row |= _compare(centred, radii, sampled.double() - centre, neighbours)._asdict()
        rows.append(row)
    metrics = {}
    for name in rows[0]:
        values = torch.tensor([row[name] for row in rows], dtype=torch.float64)
        metrics[f"test/{name}"] = float(values.mean())
        metrics[f"test/{name}_error"] = float(values.std()) / math.sqrt(len(values))
    return metrics


def _compare(
    real: Float[Tensor, "n d"], real_radii: Float[Tensor, " n"], sampled: Float[Tensor, "m d"], neighbours: int
) -> Neighbourhoods:
    """`neighbourhoods` of points from which the mean real one is subtracted, so that distances round less."""
    sampled_radii = _radii(sampled, neighbours)
    balls_around = torch.zeros(len(sampled), dtype=torch.int64)  # real balls around each sample
    recalled, covered = [], []
    rows = max(1, PAIRS_AT_ONCE // len(sampled))
    for some, radii in zip(real.split(rows), real_radii.split(rows), strict=True):
        distances = torch.cdist(some, sampled)
        inside = distances <= radii[:, None]
        balls_around += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distances <= sampled_radii).any(1))
    return Neighbourhoods(
        precision=float((balls_around > 0).double().mean()),
        recall=float(torch.cat(recalled).double().mean()),
        density=float(balls_around.double().mean()) / neighbours,
        coverage=float(torch.cat(covered).double().mean()),
    )


def _moments(features: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean and symmetric square root of the covariance."""
    values, vectors = torch.linalg.eigh(torch.cov(features.double().T).reshape(features.shape[1], -1))
    return features.double().mean(0), (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def _radii(points: Float[Tensor, "n d"], neighbours: int) -> Float[Tensor, " n"]:
    """Distance of each point to its `neighbours`-th nearest other point."""
    rows = max(1, PAIRS_AT_ONCE // len(points))
    radii = []
    for start in range(0, len(points), rows):
        distances = torch.cdist(points[start : start + rows], points)
        own = torch.arange(len(distances))
        distances[own, start + own] = torch.inf  # a point is not its own neighbour; a copy of it is
        radii.append(distances.topk(neighbours, dim=1, largest=False).values[:, -1])
    return torch.cat(radii)
