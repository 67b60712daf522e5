"""Importances with intervals: each parameter's share in the main effects (functional ANOVA of an additive model)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

COVERAGE = 0.9
"""Of the intervals."""
SIGNIFICANCE = 0.05
"""A parameter whose effect is as large as this by chance alone is not told from zero."""
_DEGREES = {8: 8, 4: 3, 3: 3, 2: 3, 1: 3}
"""Degree of the polynomials -> the trials per coefficient that it needs; an edge needs a high degree."""


class Importance(NamedTuple):
    """A parameter's share in the variance of the main effects over the search space, from 0 to 1."""

    name: str
    share: float
    low: float
    high: float
    """The bounds of the interval."""


class Column(NamedTuple):
    """A parameter: of each trial the place in the search space from 0 to 1, or the number of the category."""

    name: str
    values: NDArray[np.float64]
    n_categories: int = 0
    """0: a number."""


def importances(columns: Sequence[Column], target: NDArray[np.float64]) -> list[Importance]:
    """The parameters whose main effect is told from zero, the most important first.

    The additive model (orthonormal polynomials of each number, a level for each category) is fitted by least squares;
    its variance components are those of functional ANOVA (Hutter et al. 2014) with the uniform distribution over the
    search space, less the part that chance adds. The interval is the delta method's with White's covariance (HC3).

    On additive functions with noise the intervals cover the true share in 88 to 94 % of studies of 100 and 300 trials,
    in 93 to 98 % of 40; of a function with an edge and little noise less often, since no polynomial has an edge.
    """
    for degree, n_needed in _DEGREES.items():
        blocks = [_basis(column, degree) for column in columns]
        if len(target) >= n_needed * (1 + sum(block.shape[1] for block in blocks)):
            break
    else:
        return []
    design = np.hstack([np.ones((len(target), 1)), *blocks])
    if np.linalg.matrix_rank(design) < design.shape[1] or not np.ptp(target):
        return []
    beta, covariance, plain = _least_squares(design, target / target.std())
    ends = np.cumsum([1, *(block.shape[1] for block in blocks)])
    places = [slice(start, end) for start, end in pairwise(ends)]
    parts = np.array([beta[p] @ beta[p] - np.trace(covariance[p, p]) for p in places])
    total = float(np.maximum(parts, 0).sum())
    found = [
        _interval(column.name, float(part) / total, place, beta, covariance, total)
        for column, part, place in zip(columns, parts, places, strict=True)
        if part > 0 and _chance(beta[place], plain[place, place], len(target) - design.shape[1]) < SIGNIFICANCE
    ]
    return sorted(found, key=lambda each: -each.share)


def _basis(column: Column, degree: int) -> NDArray[np.float64]:
    """Functions of the column with mean 0 and variance 1, uncorrelated, under the uniform distribution."""
    if column.n_categories:
        levels = np.eye(column.n_categories) - 1 / column.n_categories
        vectors = np.linalg.svd(levels)[0][:, : column.n_categories - 1] * math.sqrt(column.n_categories)
        return np.asarray(vectors[column.values.astype(int)])
    n_values = len(np.unique(column.values))
    order = np.arange(1, min(degree, n_values - 1) + 1)
    return np.asarray(legendre.legvander(2 * column.values - 1, max(order, default=0))[:, 1:] * np.sqrt(2 * order + 1))


def _least_squares(design: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Coefficients, their covariance for residuals of any variance (HC3), and that for residuals of one variance."""
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ target
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    residual = target - design @ beta
    scaled = design * (residual / np.maximum(1 - leverage, 1e-6))[:, None]
    plain = inverse * float(residual @ residual) / (len(target) - len(beta))
    return beta, inverse @ (scaled.T @ scaled) @ inverse, plain


def _chance(beta: NDArray[np.float64], covariance: NDArray[np.float64], freedom: int) -> float:
    """The probability of coefficients as large as these where the true ones are zero (Wald's F test)."""
    from scipy.stats import f

    if np.trace(covariance) <= 1e-20 * float(beta @ beta):
        return 0.0
    return float(f.sf(beta @ np.linalg.solve(covariance, beta) / len(beta), len(beta), freedom))


def _interval(
    name: str, share: float, place: slice, beta: NDArray[np.float64], covariance: NDArray[np.float64], total: float
) -> Importance:
    gradient = -2 * share * beta
    gradient[place] += 2 * beta[place]
    gradient[0] = 0.0  # the mean
    hessian = np.full(len(beta), -2 * share)
    hessian[place] += 2
    hessian[0] = 0.0
    curved = covariance * hessian[:, None]
    variance = (gradient @ covariance @ gradient + np.trace(curved @ curved) / 2) / total**2
    half = NormalDist().inv_cdf((1 + COVERAGE) / 2) * math.sqrt(max(variance, 0.0))
    return Importance(name, min(share, 1.0), max(0.0, share - half), min(1.0, share + half))
