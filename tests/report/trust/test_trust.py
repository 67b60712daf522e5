"""Each number of the section against a planted study whose right value is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import Trial
from optuna_studies import searched, view_of
from PIL import Image
from scipy.stats import spearmanr

from hwsweep.report.trust import section
from hwsweep.report.trust.forest import Forest
from hwsweep.report.trust.importance import Column, importances
from hwsweep.report.trust.overtuning import overtuning, sentence
from hwsweep.report.trust.pruner import fairness
from hwsweep.report.trust.winner import winner
from hwsweep.sweep.study.view import StudyView


def test_overtuning_is_the_test_value_of_the_incumbent_above_that_of_the_best_incumbent() -> None:
    valid = np.array([5.0, 6.0, 4.0, 4.5, 3.5, 3.5])
    test = np.array([5.0, 1.0, 4.0, 0.0, 4.25, 0.0])  # trials that never led do not count
    result = overtuning(valid, test)
    assert result.incumbent.tolist() == [0, 0, 2, 2, 4, 4]
    assert result.excess.tolist() == [0, 0, 0, 0, 0.25, 0.25]
    assert sentence(valid, test, "test/loss").startswith("The last 3 trials improved validation by 0.5 and test by")
    assert "is 0.25 worse" in sentence(valid, test, "test/loss")
    assert "No overtuning" in sentence(valid, valid, "test/loss")


def test_an_early_order_that_holds_is_found_with_its_step() -> None:
    rng = np.random.default_rng(0)
    final = rng.permutation(40) / 40
    steps = {1: rng.random(40), 2: final + 0.05 * rng.random(40), 3: 2 * final, 4: final}
    finished = [({step: float(values[i]) for step, values in steps.items()}, float(final[i])) for i in range(40)]
    result = fairness(finished, [])
    assert result is not None and result.reliable_step == 2
    assert result.correlation == {step: pytest.approx(spearmanr(steps[step], final).statistic) for step in (1, 2, 3)}


def test_pruned_trials_that_would_have_been_in_the_top_tenth_are_counted() -> None:
    """The final value is twice the first one, so it is known of each pruned trial: the best 5 of 50 end at 0.08."""
    finished = [({1: i / 100, 2: i / 50}, i / 50) for i in range(40)]
    pruned = [{1: value} for value in (0.005, 0.015, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9, 0.9)]
    result = fairness(finished, pruned)
    assert result is not None and result.n_pruned == 10 and result.n_lost == 2
    assert fairness(finished[:9], pruned) is None


def test_the_expected_number_of_lost_trials_is_the_number_lost() -> None:
    """Trials that are pruned at random: their final values are known, and the estimate has no selection to fear."""
    rng = np.random.default_rng(1)
    first = rng.standard_normal(2000)
    final = first + rng.standard_normal(2000)
    finished = [({1: a, 2: b}, b) for a, b in zip(first[:1000], final[:1000], strict=True)]
    result = fairness(finished, [{1: a} for a in first[1000:]])
    assert result is not None
    # Binomial: of 1,000 trials a tenth, standard deviation 9.5; the threshold's own is as large; 4 sigma of both.
    assert abs(result.n_lost - 100) < 4 * 9.5 * math.sqrt(2)


def test_the_probability_that_the_winner_is_better_is_the_normal_one() -> None:
    result = winner([1.5, 1.0, 3.0, 9.0, 8.0, 7.0], [0.4, 0.3, 0.0, 9.0, 0.0, 0.0])
    assert result is not None and result.n == 5 and result.gap == 7.0
    assert result.probability == pytest.approx(0.841344746)  # the gap is one standard error: Phi(1)
    assert result.noise == pytest.approx(math.sqrt(0.25 / 5))
    assert winner([1.0, 2.0], [0.0, 0.0]) is None and winner([1.0], [0.5]) is None


def _planted(rng: np.random.Generator, n: int) -> tuple[list[Column], np.ndarray]:
    """Variances 16/12, 4/12, 0, and 1/3 of the categories (-a, 0, a with a² = 1/2); and noise."""
    x, category = rng.random((n, 3)), rng.integers(0, 3, n)
    y = 4 * x[:, 0] + 2 * x[:, 1] + math.sqrt(0.5) * (category - 1.0) + 0.5 * rng.standard_normal(n)
    return [*(Column(name, x[:, i]) for i, name in enumerate("abz")), Column("c", category * 1.0, 3)], y


def test_shares_of_an_additive_function_are_those_of_functional_anova() -> None:
    columns, y = _planted(np.random.default_rng(0), 4000)
    found = {each.name: each.share for each in importances(columns, y)}
    assert found == pytest.approx({"a": 2 / 3, "b": 1 / 6, "c": 1 / 6}, abs=0.02)


@pytest.mark.slow
def test_ninety_percent_intervals_cover_ninety_percent() -> None:
    """300 studies of 100 trials: a coverage of 0.9 has a standard deviation of 0.017, and 0.04 is what is allowed."""
    rng, shares = np.random.default_rng(0), {"a": 2 / 3, "b": 1 / 6, "c": 1 / 6}
    covered, shown = dict.fromkeys(shares, 0), 0
    for _ in range(300):
        found = {each.name: each for each in importances(*_planted(rng, 100))}
        shown += "z" in found
        for name, share in shares.items():
            covered[name] += found[name].low <= share <= found[name].high
    assert all(abs(n / 300 - 0.9) <= 0.04 for n in covered.values()), covered
    assert shown / 300 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)  # an irrelevant parameter is shown by chance alone


def test_nothing_is_important_where_the_target_is_chance_or_constant() -> None:
    columns, y = _planted(np.random.default_rng(3), 200)
    assert importances(columns, np.ones(200)) == [] and importances(columns, y[:1]) == []


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


def _slope(trial: Trial) -> float:
    lr, kind = trial.suggest_float("lr", 1e-4, 1, log=True), trial.suggest_categorical("kind", ["a", "b"])
    value = -math.log10(lr) + (kind == "b")
    trial.report(value + 1, 1)
    trial.report(value, 2)
    if trial.number >= 40 and value > 2:
        raise optuna.TrialPruned
    return value


def _view(tmp_path: Path, n_trials: int, direction: str = "minimize") -> StudyView:
    view = view_of(searched(_slope, n_trials, directions=[direction]), "valid/loss")
    view.config.update({"lr": 1e-3, "kind": "b", "seed": 0})
    trials = [
        trial._replace(
            metrics={"test/loss": 2 * trial.values[0]} if trial.values else {},
            command=["python", "-m", "program", f"lr={trial.params['lr']}", f"kind={trial.params['kind']}"],
        )
        for trial in view.trials
    ]
    return view._replace(directory=tmp_path, trials=trials)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_search_has_a_sentence_and_a_figure_for_each_question(direction: str, tmp_path: Path) -> None:
    view = _view(tmp_path, 60, direction)
    test_sentence, importance, early, lost, luck = section.sentences(view)
    assert test_sentence.startswith("No overtuning: of ")
    assert "): lr 84% (84% to 84%), kind 16% (16% to 16%)" in importance  # 16/12 and 1/4, without noise
    assert "at step 1 with the final value" in early and "is 1.00; from step 1" in early
    assert "pruned trials, an estimated" in lost
    best = view.best_trial
    assert best is not None
    assert f"`python -m program -m lr={best.params['lr']} kind={best.params['kind']} seed=0,1,2`" in luck
    rows = section.columns(view)
    assert rows[view.complete_trials[-1].number] == {
        "incumbent": best.number, "incumbent test/loss": 2 * best.values[0], "overtuning": 0.0
    }  # fmt: skip
    figures = list(section.draw_trust(view))
    assert [figure.path.stem for figure in figures] == [
        "trust_importances", "trust_partial_dependence", "trust_ablation"
    ]  # fmt: skip
    assert all(np.asarray(Image.open(figure.path)).shape[1] > 600 for figure in figures)


def test_few_trials_and_several_objectives_have_no_section(tmp_path: Path) -> None:
    few = _view(tmp_path, 19)
    assert section.sentences(few) == [] and section.columns(few) == {} and list(section.draw_trust(few)) == []
    two = view_of(searched(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), 30, directions=["minimize"] * 2))
    assert section.sentences(two) == [] and section.columns(two) == {} and section.importances(two) == []
