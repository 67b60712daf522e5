"""What simple readers find in the codes of images they have not seen: labels by neighbours, factors by regression.

Readers are fitted to the validation split and judged on the test split: the encoder was fitted to neither, so that
codes of both come from one distribution, which codes of training images do not.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

PAIRS_AT_ONCE = 2_000_000
"""Distances held at a time: 16 MB."""


def neighbour_accuracy(
    codes: Float[Tensor, "n latent"],
    labels: Int64[Tensor, " n"],
    test_codes: Float[Tensor, "m latent"],
    test_labels: Int64[Tensor, " m"],
    neighbours: int,
) -> float:
    """Share of test images, 0 to 1, whose label is the most frequent one among the nearest codes; ties: the lowest.

    Neighbours rather than a linear classifier: there is nothing to fit, classes need no planes between them (ten
    in two latents have none), and distances are in the prior's unit, in which latents near the prior count little.
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
    mu: Float[Tensor, "n latent"],
    log_var: Float[Tensor, "n latent"],
    factors: Float[Tensor, "n factor"],
    test_mu: Float[Tensor, "m latent"],
    test_factors: Float[Tensor, "m factor"],
) -> Float[Tensor, " factor"]:
    """R^2 of each factor regressed on the posterior mean, at most 1; 0: no better than the mean; NaN: it is constant.

    The ridge penalty of a latent is its mean posterior variance: in expectation that is least squares on codes
    sampled from q(z | x), so that differences far below the noise, which the decoder never sees, are not read.
    """
    mu, factors, test_factors = mu.double(), factors.double(), test_factors.double()
    centred = mu - mu.mean(0)
    noise = len(mu) * torch.exp(log_var.double()).mean(0)
    weights = torch.linalg.solve(centred.T @ centred + torch.diag(noise), centred.T @ (factors - factors.mean(0)))
    predicted = factors.mean(0) + (test_mu.double() - mu.mean(0)) @ weights
    total = (test_factors - test_factors.mean(0)).square().sum(0)
    unexplained = (test_factors - predicted).square().sum(0)
    return torch.where(total > 0, 1 - unexplained / total, torch.nan)
