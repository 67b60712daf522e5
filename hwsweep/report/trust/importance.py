"""Importances with intervals: each parameter's share in the main effects (functional ANOVA of an additive model)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

COVERAGE = 0.9
"""Of the intervals."""
SIGNIFICANCE = 0.03
"""Level of the test whether an effect is told from zero: the choice of the degree makes it 2 to 5 % in effect."""
TOP, MIN_TOP = 0.1, 5
"""The share of the trials that counts as the best, and their number at least (PED-ANOVA needs five)."""
_DEGREES = (1, 2, 3, 4, 6, 8, 12)
_PER_COEFFICIENT = 2.5  # trials
_LEVERAGE_EXPONENT = 0.75  # between HC2 (0.5), too narrow, and HC3 (1), too wide: benchmarks/importance_coverage.py


class Importance(NamedTuple):
    """A parameter's share in the variance of the main effects over the search space, from 0 to 1."""

    name: str
    share: float
    low: float
    high: float
    """The bounds of the interval; `low` is 0 only where the effect is not told from zero."""


class Column(NamedTuple):
    """A parameter: of each trial the place in the search space from 0 to 1, or the number of the category."""

    name: str
    values: NDArray[np.float64]
    n_categories: int = 0
    """0: a number."""


class _Fit(NamedTuple):
    """The additive model by least squares."""

    beta: NDArray[np.float64]
    places: list[slice]
    """Of each column's coefficients; the first coefficient is the mean."""
    covariance: NDArray[np.float64]
    """Of the coefficients, for residuals of any variance."""
    strict: NDArray[np.float64]
    """The same by HC3, which tests of few trials need (Long & Ervin 2000)."""
    freedom: int
    press: float
    """Mean square of the residuals, each from a fit without its trial."""


def importances(columns: Sequence[Column], target: NDArray[np.float64]) -> list[Importance]:
    """The parameters whose main effect is told from zero, the most important first; see `intervals`."""
    return sorted((each for each in intervals(columns, target) if each.low > 0), key=lambda each: -each.share)


def intervals(columns: Sequence[Column], target: NDArray[np.float64]) -> list[Importance]:
    """The share of every parameter, in the order of the columns; empty with fewer trials than `n_needed`.

    The additive model (orthonormal polynomials of each number, a level for each category; the degree with the least
    cross-validated error) is fitted by least squares. Its variance components are those of functional ANOVA (Hutter et
    al. 2014) with the uniform distribution over the search space, less the part that chance adds. The interval is the
    delta method's on the logit scale, with White's covariance; docs/trust.md has its measured coverage.

    Of the indicator `best` the shares are those of PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255).
    """
    if len(target) < n_needed(columns) or not np.ptp(target):
        return []
    scaled = (target - target.mean()) / target.std()
    fits = [fit for degree in _DEGREES if (fit := _fitted(columns, scaled, degree)) is not None]
    if not fits:
        return []
    fit = min(fits, key=lambda fit: fit.press)
    parts = np.array([fit.beta[p] @ fit.beta[p] - np.trace(fit.covariance[p, p]) for p in fit.places])
    total = float(np.maximum(parts, 0).sum())
    if not total:
        return [Importance(column.name, 0.0, 0.0, 1.0) for column in columns]
    shares = np.maximum(parts, 0) / total
    return [
        _interval(column.name, float(share), place, fit, total)
        for column, share, place in zip(columns, shares, fit.places, strict=True)
    ]


def n_needed(columns: Sequence[Column]) -> int:
    """How many trials importances of these parameters need: 2.5 for each coefficient of the smallest model."""
    return math.ceil(_PER_COEFFICIENT * (1 + sum(max(column.n_categories - 1, 1) for column in columns)))


def best(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 for the best trials, a tenth but at least five, 0 for the others: those that the fewest others dominate.

    Args:
        values: a row for each trial, a column for each objective; lower is better.
    """
    n_better = [
        int(((values <= row).all(axis=1) & (values < row).any(axis=1)).sum()) for row in values
    ]  # Fonseca & Fleming 1993; a row at a time keeps the memory small
    n = min(max(math.ceil(TOP * len(values)), MIN_TOP), len(values))
    return np.asarray(np.array(n_better) <= np.sort(n_better)[n - 1], dtype=np.float64)


def _fitted(columns: Sequence[Column], target: NDArray[np.float64], degree: int) -> _Fit | None:
    """The model of this degree; None where the trials do not determine it."""
    blocks = [_basis(column, degree) for column in columns]
    n, size = len(target), 1 + sum(block.shape[1] for block in blocks)
    if n < _PER_COEFFICIENT * size:
        return None
    design = np.hstack([np.ones((n, 1)), *blocks])
    q, r = np.linalg.qr(design)
    diagonal = np.abs(np.diag(r))
    if diagonal.min() < 1e-8 * diagonal.max():
        return None
    inverse = np.linalg.inv(r)
    beta = inverse @ (q.T @ target)
    residual, spare = target - design @ beta, np.maximum(1 - (q * q).sum(axis=1), 1e-6)
    scores = design @ inverse @ inverse.T
    halfway, strict = (scores * (residual / spare**power)[:, None] for power in (_LEVERAGE_EXPONENT, 1.0))
    ends = np.cumsum([1, *(block.shape[1] for block in blocks)])
    places = [slice(start, end) for start, end in pairwise(ends)]
    press = float(np.mean((residual / spare) ** 2))
    return _Fit(beta, places, halfway.T @ halfway, strict.T @ strict, n - size, press)


def _basis(column: Column, degree: int) -> NDArray[np.float64]:
    """Functions of the column with mean 0 and variance 1, uncorrelated, under the uniform distribution."""
    if column.n_categories:
        levels = np.eye(column.n_categories) - 1 / column.n_categories
        vectors = np.linalg.svd(levels)[0][:, : column.n_categories - 1] * math.sqrt(column.n_categories)
        return np.asarray(vectors[column.values.astype(int)])
    n_values = len(np.unique(column.values))
    order = np.arange(1, min(degree, n_values - 1) + 1)
    return np.asarray(legendre.legvander(2 * column.values - 1, max(order, default=0))[:, 1:] * np.sqrt(2 * order + 1))


def _interval(name: str, share: float, place: slice, fit: _Fit, total: float) -> Importance:
    """The interval of a share; from 0 where the effect is not told from zero."""
    from scipy.special import expit, logit, stdtrit

    weights = np.full(len(fit.beta), -2 * share)
    weights[place] += 2
    weights[0] = 0.0  # the mean
    gradient, curved = weights * fit.beta, fit.covariance * weights[:, None]
    variance = (gradient @ fit.covariance @ gradient + np.trace(curved @ curved) / 2) / total**2
    half = stdtrit(fit.freedom, (1 + COVERAGE) / 2) * math.sqrt(max(float(variance), 0.0))
    if share == 0 or _chance(fit.beta[place], fit.strict[place, place], fit.freedom) >= SIGNIFICANCE:
        return Importance(name, share, 0.0, float(min(1.0, share + half)))
    inner = min(share, 1 - 1e-9)
    low, high = expit(logit(inner) + half / (inner * (1 - inner)) * np.array([-1.0, 1.0]))
    return Importance(name, share, float(low), float(high))


def _chance(beta: NDArray[np.float64], covariance: NDArray[np.float64], freedom: int) -> float:
    """The probability of coefficients as large as these where the true ones are zero (Wald's F test)."""
    from scipy.special import fdtrc

    if np.trace(covariance) <= 1e-20 * float(beta @ beta):
        return 0.0
    return float(fdtrc(len(beta), freedom, beta @ np.linalg.solve(covariance, beta) / len(beta)))
