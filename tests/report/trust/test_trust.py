"""Each number of the section against a planted study whose right value is known."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import Trial
from optuna_studies import searched, view_of
from PIL import Image
from scipy.stats import spearmanr, ttest_ind

from hwsweep.report.trust import estimates, section
from hwsweep.report.trust.numbers import columns, numbers
from hwsweep.report.trust.overtuning import overtuning, sentence
from hwsweep.report.trust.pictures import draw_trust
from hwsweep.report.trust.pruner import fairness
from hwsweep.report.trust.winner import repeated_winner, winner
from hwsweep.report.write import results_csv, trust_csv
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


def test_the_probability_by_further_seeds_is_students() -> None:
    first, second = [1.0, 2.0, 3.0], [2.5, 4.0]
    result = repeated_winner([first, second])
    assert result is not None and result.n_further == 5 and result.gap == pytest.approx(1.25)
    assert result.noise == pytest.approx(math.sqrt((2 + 1.125) / 3))  # pooled
    assert result.probability == pytest.approx(1 - ttest_ind(second, first, alternative="greater").pvalue)
    assert repeated_winner([first, []]) is None and repeated_winner([[1.0], [2.0]]) is None


def _slope(trial: Trial) -> float:
    lr, kind = trial.suggest_float("lr", 1e-4, 1, log=True), trial.suggest_categorical("kind", ["a", "b"])
    value = -math.log10(lr) + (kind == "b")
    trial.report(value + 1, 1)
    trial.report(value, 2)
    if trial.number >= 40 and value > 2:
        raise optuna.TrialPruned
    return value


def _view(tmp_path: Path, n_trials: int, direction: str = "minimize", lr: float = 1e-3) -> StudyView:
    view = view_of(searched(_slope, n_trials, directions=[direction]), "valid/loss")
    view.config.update({"lr": lr, "kind": "b", "seed": 0, "hydra": {"sweeper": {"seed_key": "seed"}}})
    trials = [
        trial._replace(metrics={"test/loss": 2 * trial.values[0]} if trial.values else {}) for trial in view.trials
    ]
    return view._replace(directory=tmp_path, trials=trials)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_search_has_a_sentence_and_a_figure_for_each_question(direction: str, tmp_path: Path) -> None:
    view = _view(tmp_path, 60, direction)
    test_sentence, importance, top, early, lost, luck = section.sentences(view)
    assert test_sentence.startswith("No overtuning: of ")
    assert "the objective (share of the main effects, 90% interval): lr 84% (84% to 84%), kind 16% (16% to 16%)" in (
        importance
    )  # 16/12 and 1/4, without noise
    assert top.startswith("Importance for being among the best tenth (") and "With fewer than 100 trials" in top
    assert "at step 1 with the final value" in early and "is 1.00; from step 1" in early
    assert "pruned trials, an estimated" in lost
    assert "`python -m hwsweep.study planted replicate --top 5 --seeds 3`" in luck
    figures = list(draw_trust(view))
    assert [figure.path.stem for figure in figures] == [
        "trust_importances", "trust_partial_dependence", "trust_ablation"
    ]  # fmt: skip
    assert all(np.asarray(Image.open(figure.path)).shape[1] > 600 for figure in figures)
    assert "outside" not in figures[-1].caption


def test_the_tables_have_the_numbers_of_every_question(tmp_path: Path) -> None:
    view = _view(tmp_path, 60)
    found = {(each.subject, each.name): each for each in numbers(view)}
    assert found["overtuning", "test/loss"].value == 0
    assert found["importance, objective", "lr"].value == pytest.approx(16 / 19, abs=1e-6)
    assert found["importance, objective", "kind"].low == pytest.approx(3 / 19, abs=1e-6)
    assert ("importance, best tenth", "lr") in found
    assert found["rank correlation with the final value", "step 1"].value == pytest.approx(1)
    assert found["pruned trials", "estimated in the top 10%"].value == pytest.approx(0, abs=1e-9)
    # 4 and 1, flattened by a forest of few trials; test_importance.py compares one of many trials.
    assert 2.5 < found["partial dependence, range", "lr"].value < 4
    assert 0.3 < found["partial dependence, range", "kind"].value < 1
    path = {name: each.value for (subject, name), each in found.items() if subject == "ablation path"}
    best, rows = view.best_trial, columns(view)
    assert best is not None and next(iter(path)) == "defaults" and path["defaults"] == pytest.approx(4, abs=1)
    assert list(path.values())[-1] == pytest.approx(best.values[0], abs=1) and len(path) == 3
    assert rows[view.complete_trials[-1].number] == {
        "incumbent": best.number, "incumbent test/loss": 2 * best.values[0], "overtuning": 0.0
    }  # fmt: skip
    pruned = [trial for trial in view.trials if trial.state == "pruned"]
    written = list(csv.DictReader(trust_csv(view).splitlines()))
    assert [float(row["value"]) for row in written] == [each.value for each in found.values()]
    table = {row["trial"]: row for row in csv.DictReader(results_csv(view).splitlines())}
    assert table["0"]["overtuning"] == "0.0" and table[str(pruned[0].number)]["chance of the top 10%"] == "0.0"
    assert pruned and all(rows[trial.number] == {"chance of the top 10%": pytest.approx(0)} for trial in pruned)


def test_a_default_outside_of_the_searched_interval_is_named(tmp_path: Path) -> None:
    *_, figure = draw_trust(_view(tmp_path, 60, lr=30.0))
    assert "The default lr = 30 lies outside of the searched interval 0.0001 to 1; the path begins at" in figure.caption


def test_trials_that_repeat_the_best_with_further_seeds_judge_the_winner_and_nothing_else(tmp_path: Path) -> None:
    view = _view(tmp_path, 60)
    before = list(numbers(view))
    best, second = view.ranked_trials[:2]
    for trial, values in ((best, (0.5, 0.7)), (second, (0.6, 0.8))):
        for value in values:
            added = {"by": "replicate", "of": trial.number, "overrides": ["seed=1"]}
            view.trials.append(trial._replace(number=len(view.trials), values=[value], added=added, reported={}))
    result = estimates.best_trials(view)
    assert result is not None and result.n == 2 and result.n_further == 4
    assert result.probability == pytest.approx(1 - ttest_ind([0.6, 0.8], [0.5, 0.7], alternative="greater").pvalue)
    assert (
        "By 4 runs with further seeds alone, the means of the best 2 trials differ by 0.1"
        in (section.sentences(view)[-1])
    )
    assert [each for each in numbers(view) if each.subject != "best trials"] == before


def test_few_trials_and_several_objectives_have_no_section(tmp_path: Path) -> None:
    few = _view(tmp_path, 19)
    assert section.sentences(few) == [] and columns(few) == {} and list(draw_trust(few)) == [] == list(numbers(few))
    two = view_of(searched(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), 30, directions=["minimize"] * 2))
    assert section.sentences(two) == [] and columns(two) == {} and estimates.importances(two) == []
    assert list(draw_trust(two)) == [] == list(numbers(two))
