"""How well simple probes read labels and factors from latent codes: nearest neighbours and ridge regression.

Probes are fitted to the validation split and evaluated on the test split. The encoder is fitted to neither, so the
latent codes of both splits have one distribution; those of training images have another.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from hwsweep.analysis import PAIRS_AT_ONCE
from hwsweep.analysis.posterior import Posterior


def neighbour_accuracy(
    codes: Float[Tensor, "n latent"],
    labels: Int64[Tensor, " n"],
    test_codes: Float[Tensor, "m latent"],
    test_labels: Int64[Tensor, " m"],
    neighbours: int,
) -> float:
    """Share of test images, 0 to 1, whose label is the most frequent one of the nearest codes; ties: the lowest label.

    Nearest neighbours rather than a linear classifier: there is nothing to fit, and classes need not be linearly
    separable (ten classes in two latents are not). Distances are in units of the prior's standard deviation, in which
    latents near the prior count little.
    """
    n_classes = int(max(labels.max(), test_labels.max())) + 1
    votes = one_hot(labels, n_classes)
    correct = 0
    rows = max(1, PAIRS_AT_ONCE // len(codes))
    for some_codes, some_labels in zip(test_codes.split(rows), test_labels.split(rows), strict=True):
        distances = torch.cdist(some_codes.double(), codes.double())
        nearest = distances.topk(min(neighbours, len(codes)), largest=False).indices
        correct += int((votes[nearest].sum(1).argmax(1) == some_labels).sum())
    return correct / len(test_labels)


def factor_r2(
    posterior: Posterior,
    factors: Float[Tensor, "n factor"],
    test_mu: Float[Tensor, "m latent"],
    test_factors: Float[Tensor, "m factor"],
) -> Float[Tensor, " factor"]:
    """R^2 of each factor regressed on the posterior mean, at most 1; 0: no better than the mean; NaN: it is constant.

    The ridge penalty of a latent is its mean posterior variance. In expectation this is least squares on latent codes
    sampled from q(z | x), so differences far below the noise, which the decoder never sees, do not count.
    """
    mu, log_var = posterior.to(torch.float64)
    factors, test_factors = factors.double(), test_factors.double()
    centred = mu - mu.mean(0)
    noise = len(mu) * torch.exp(log_var).mean(0)
    weights = torch.linalg.solve(centred.T @ centred + torch.diag(noise), centred.T @ (factors - factors.mean(0)))
    predicted = factors.mean(0) + (test_mu.double() - mu.mean(0)) @ weights
    total = (test_factors - test_factors.mean(0)).square().sum(0)
    unexplained = (test_factors - predicted).square().sum(0)
    return torch.where(total > 0, 1 - unexplained / total, torch.nan)
