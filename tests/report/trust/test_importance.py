"""Importances and the forest's figures against planted functions whose right values are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna_studies import searched

from hwsweep.report.trust.forest import Forest
from hwsweep.report.trust.importance import Column, best, importances, intervals, n_needed

TWO = ["minimize", "minimize"]


def _planted(rng: np.random.Generator, n: int) -> tuple[list[Column], np.ndarray]:
    """Variances 16/12, 4/12, 0, and 1/3 of the categories (-a, 0, a with a² = 1/2); and noise."""
    x, category = rng.random((n, 3)), rng.integers(0, 3, n)
    y = 4 * x[:, 0] + 2 * x[:, 1] + math.sqrt(0.5) * (category - 1.0) + 0.5 * rng.standard_normal(n)
    return [*(Column(name, x[:, i]) for i, name in enumerate("abz")), Column("c", category * 1.0, 3)], y


def test_shares_of_an_additive_function_are_those_of_functional_anova() -> None:
    columns, y = _planted(np.random.default_rng(0), 4000)
    found = {each.name: each.share for each in importances(columns, y)}
    assert found == pytest.approx({"a": 2 / 3, "b": 1 / 6, "c": 1 / 6}, abs=0.02)


def test_shares_in_being_among_the_best_are_those_of_ped_anova() -> None:
    """The best tenth of max(a, b/2) is a < q, b < 2q with 2q² = 0.1: an indicator whose main effects are exact."""
    rng = np.random.default_rng(0)
    columns = [Column(name, rng.random(4000)) for name in "abz"]
    y = np.maximum(columns[0].values, columns[1].values / 2)
    q = math.sqrt(0.05)
    variances = {"a": (2 * q) ** 2 * q * (1 - q), "b": q**2 * 2 * q * (1 - 2 * q)}
    found = {each.name: each.share for each in importances(columns, best(y[:, None]))}
    assert found == pytest.approx({key: v / sum(variances.values()) for key, v in variances.items()}, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100])
def test_ninety_percent_intervals_cover_ninety_percent(n: int) -> None:
    """Of 500 searches; 0.04 is what is allowed, and the coverage of three parameters has a standard error below 0.01.

    benchmarks/importance_coverage.py has more functions.
    """
    rng, shares = np.random.default_rng(0), np.array([2 / 3, 1 / 6, 0.0, 1 / 6])
    covered, n_false = [], 0
    while len(covered) < 500:
        columns, y = _planted(rng, n)
        if len(np.unique(columns[3].values)) == 3:
            found = intervals(columns, y)
            n_false += found[2].low > 0
            covered.append([each.low <= share <= each.high for each, share in zip(found, shares, strict=True)])
    assert abs(np.mean(covered, axis=0)[shares > 0].mean() - 0.9) <= 0.04
    assert n_false / 500 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 500)  # an irrelevant parameter is shown by chance alone


def test_the_best_are_a_tenth_but_at_least_five_and_of_several_objectives_the_front() -> None:
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    assert (np.flatnonzero(best(values[:, None])) == np.sort(np.argsort(values)[:10])).all()
    assert best(values[:20, None]).sum() == 5 and best(np.zeros((7, 1))).sum() == 7
    study = searched(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)), 60, directions=TWO)
    found = np.flatnonzero(best(np.array([trial.values for trial in study.trials])))
    assert len(found) >= 6 and {trial.number for trial in study.best_trials} <= set(found.tolist())


def test_nothing_is_important_where_the_target_is_chance_or_constant() -> None:
    columns, y = _planted(np.random.default_rng(3), 200)
    assert importances(columns, np.ones(200)) == [] and importances(columns, y[:1]) == []
    chance = np.random.default_rng(4).standard_normal(200)
    assert importances(columns, chance) == [] and all(each.low == 0 for each in intervals(columns, chance))


def test_parameters_need_trials_for_their_coefficients() -> None:
    """Mean, three slopes and two levels are six coefficients: 15 trials."""
    columns, y = _planted(np.random.default_rng(0), 15)
    assert n_needed(columns) == 15 and len(intervals(columns, y)) == 4
    assert intervals([column._replace(values=column.values[:14]) for column in columns], y[:14]) == []


@pytest.mark.slow
def test_partial_dependence_and_the_ablation_path_follow_the_function() -> None:
    columns, _ = _planted(np.random.default_rng(0), 600)
    y = 4 * columns[0].values - 2 * columns[1].values + (columns[3].values == 2)
    forest = Forest(columns, y)
    rising, falling, category = (forest.dependence(index) for index in (0, 1, 3))
    assert rising.mean[-1] - rising.mean[0] == pytest.approx(4, abs=0.6)
    assert falling.mean[-1] - falling.mean[0] == pytest.approx(-2, abs=0.5)
    assert category.mean[2] - category.mean[0] == pytest.approx(1, abs=0.25)
    assert (rising.low <= rising.mean).all() and (rising.mean <= rising.high).all()
    first, steps = forest.ablation(np.array([1.0, 0.0, 0.5, 2.0]), np.array([0.0, 1.0, 0.5, 0.0]))
    assert [step.column for step in steps] == [0, 1, 3]
    assert first == pytest.approx(5, abs=0.8) and steps[-1].prediction == pytest.approx(-2, abs=0.8)
