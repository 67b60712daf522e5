"""The answer to a study's question, on studies whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from planted_studies import failed, study, trial, with_verdict

from hwsweep.report.answer import answer, question
from hwsweep.report.classifier import ClassifierStudy, attribution_tables, draw_accuracy
from hwsweep.report.model_study import ANSWER
from hwsweep.report.posterior_collapse import PosteriorCollapse
from hwsweep.report.posterior_collapse.trials import kl_weight
from hwsweep.sweep.study.optuna_study import optuna_study, pareto_front
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView


def answer_about_collapse(view: StudyView) -> list[str]:
    return PosteriorCollapse().answer(view, answer(view, {}))


def test_a_lambda_sweep_is_answered_by_where_the_posterior_collapsed(tmp_path: Path) -> None:
    runs = [(100, "collapsed", 330.0, 0.0, 0), (0, "unregularised", 400.0, 282.0, 20), (1, "healthy", 145.0, 31.5, 20)]
    trials = [
        with_verdict(trial(tmp_path, number, weight, values=[value]), verdict, rate=rate, active_units=units)
        for number, (weight, verdict, value, rate, units) in enumerate(runs)
    ]
    assert answer_about_collapse(study(tmp_path, *trials)) == [
        "Between lambda = 1 and 100 the posterior collapsed: the rate falls from 31.50 to 0.00 nats and the active "
        "units from 20 to 0; lambda = 0 is unregularised; lambda = 1 is healthy.",
        "The best of 3 finished trials is lambda = 1 (trial 2): valid/neg_elbo = 145.",
    ]


def held(folder: Path, number: int, rate: float, reached: float, kl_weight: float, name: str) -> TrialView:
    """A run that holds a rate, with the rate and the lambda that it has reached."""
    one = trial(folder, number, 1.0, params={"kl.rate": rate})
    return with_verdict(one, name, rate=reached, kl_weight=kl_weight)


def test_a_sweep_over_the_rate_is_answered_by_the_lambda_that_each_rate_led_to(tmp_path: Path) -> None:
    trials = [held(tmp_path, 0, 10, 9.96, 6.0713, "healthy"), held(tmp_path, 1, 0.5, 0.494, 35.2, "nearly collapsed")]
    view = study(tmp_path, *trials, axes={"kl.rate": (10, 0.5)})
    assert answer_about_collapse(view)[0] == (
        "Asked for rates of 0.5 and 10 nats, the models have, on the test images, 0.49 nats with lambda = 35.2 (nearly "
        "collapsed) and 9.96 nats with lambda = 6.07 (healthy)."
    )


def test_a_run_is_ordered_and_coloured_by_the_lambda_that_it_has_reached(tmp_path: Path) -> None:
    view = study(tmp_path, trial(tmp_path, 0, 3.0), held(tmp_path, 1, 10, 9.96, 6.07, "healthy"))
    assert [kl_weight(each, view) for each in view.trials] == [3.0, 6.07]


def test_a_sweep_without_collapse_is_answered_by_the_largest_lambda(tmp_path: Path) -> None:
    trials = [with_verdict(trial(tmp_path, n, n), "healthy", rate=3, active_units=20) for n in range(2)]
    first, _ = answer_about_collapse(study(tmp_path, *trials))
    assert first == "The posterior did not collapse totally at any lambda up to 1; lambda = 0, 1 are healthy."


def test_of_several_swept_keys_the_answer_compares_only_trials_that_differ_in_lambda(tmp_path: Path) -> None:
    points = [
        (1, 5, "healthy"),
        (100, 5, "collapsed"),
        (1, 9, "partly collapsed"),
        (100, 9, "healthy"),
    ]
    trials = [
        with_verdict(
            trial(tmp_path, n, weight, params={"vae.lambda": weight, "vae.latent": latent}, values=[n]), verdict, rate=n
        )
        for n, (weight, latent, verdict) in enumerate(points)
    ]
    view = study(tmp_path, *trials, axes={"vae.lambda": (1, 100), "vae.latent": (5, 9)})
    first, _ = answer_about_collapse(view)
    assert first.startswith("With latent = 5, between lambda = 1 and 100 the posterior collapsed")
    assert "partly" not in first


def test_the_answer_about_classifiers_ends_with_the_verdict_on_the_best_one(tmp_path: Path) -> None:
    trials = [with_verdict(trial(tmp_path, n, n, values=[2.0 - n]), "above baseline") for n in range(2)]
    view = study(tmp_path, *trials)
    general = answer(view, {})
    sentence = "The verdict on the best trial is above baseline: an example."
    assert ClassifierStudy().answer(view, general) == [*general, sentence]
    none_finished = study(tmp_path / "none", failed(tmp_path / "none", 0, 0, "error", "no"))
    assert ClassifierStudy().answer(none_finished, general) == general


@pytest.mark.parametrize(
    ("verdicts", "accuracies", "sentence"),
    [
        (["chance", "chance"], [0.24, 0.27], "No trial beats chance: test accuracy 24.0% to 27.0%, "),
        (
            ["chance", "below baseline"],
            [0.25, 0.5],
            "No trial beats the baseline, and 1 of 2 beats chance: test accuracy 25.0% to 50.0%, ",
        ),
        (["at baseline"], [0.69], "No trial beats the baseline, and 1 of 1 beats chance: test accuracy 69.0%, "),
        (
            ["above baseline", "at baseline"],
            [0.9, 0.7],
            "1 of 2 finished trials beats the baseline, and 2 of 2 beat chance: test accuracy 70.0% to 90.0%, ",
        ),
        (
            ["above baseline", "above baseline", "chance"],
            [0.9, 0.7, 0.25],
            "2 of 3 finished trials beat the baseline, and 2 of 3 beat chance: test accuracy 25.0% to 90.0%, ",
        ),
        (
            ["above baseline"],
            [0.9],
            "1 of 1 finished trial beats the baseline, and 1 of 1 beats chance: test accuracy 90.0%, ",
        ),
    ],
)
def test_the_first_sentence_about_classifiers_is_whether_any_beats_chance_and_the_baseline(
    verdicts: list[str], accuracies: list[float], sentence: str, tmp_path: Path
) -> None:
    trials = []
    for n, (name, accuracy) in enumerate(zip(verdicts, accuracies, strict=True)):
        each = with_verdict(trial(tmp_path, n, n), name, accuracy=accuracy)
        levels = {"accuracy": 0.6, "bigram_accuracy": 0.69, "majority_accuracy": 0.254}
        trials.append(each._replace(metrics=each.metrics | {f"baseline/{key}": level for key, level in levels.items()}))
    view = study(tmp_path, *trials)
    first, *others = ClassifierStudy().answer(view, answer(view, {}))
    assert first == sentence + ("logistic regression on TF-IDF 69.0%, chance (always the most frequent class) 25.4%.")
    assert others[:2] == answer(view, {})


def test_the_question_names_the_bounds_of_an_interval(tmp_path: Path) -> None:
    record = optuna.trial.create_trial(
        value=1.0,
        params={"lr": 1e-3, "layers": 2},
        distributions={
            "lr": optuna.distributions.FloatDistribution(1e-4, 0.1, log=True),
            "layers": optuna.distributions.IntDistribution(1, 6),
        },
    )
    view = study(
        tmp_path, trial(tmp_path, 0, 0, record=record), axes={"lr": None, "layers": None}, log_keys=frozenset({"lr"})
    )
    assert "lr (interval 0.0001 to 0.1, log) and layers (interval 1 to 6) do to" in question(view)


def test_the_best_of_a_search_is_the_highest_value_where_more_is_better(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, n, values=[value]) for n, value in enumerate((0.5, 0.9, 0.8))]
    best, certainty = answer(study(tmp_path, *trials, directions=["maximize"]), {"vae.lambda": 0.25, "seed": 0.75})
    assert "lambda = 1 (trial 1): valid/neg_elbo = 0.9." in best
    # 0.9, 0.8, 0.5: mean 2.2 / 3, standard deviation sqrt((0.1667² + 0.0667² + 0.2333²) / 2) = 0.208
    assert "0.1 worse, and the standard deviation of the best 3 is 0.208" in certainty
    assert "seed matters most (75% of the main effects)" in certainty


def test_with_seeds_the_distance_to_the_next_point_is_in_standard_errors(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, n, values=[10.0 + n], errors=[error]) for n, error in ((0, 0.3), (1, 0.4))]
    _, certainty = answer(study(tmp_path, *trials), {})
    assert certainty == "The next point is 1 worse, 2.0 standard errors."  # sqrt(0.3² + 0.4²) = 0.5


def test_of_equal_trials_none_is_called_the_best(tmp_path: Path) -> None:
    trials = [trial(tmp_path, n, n, values=[value], errors=[0.0]) for n, value in enumerate((0.75, 0.75, 0.8))]
    _, certainty = answer(study(tmp_path, *trials), {})
    assert certainty == "2 trials share that value, so this study does not tell which of them is the best."


def test_the_pareto_front_is_counted(tmp_path: Path) -> None:
    values = [[1.0, 9.0], [2.0, 2.0], [3.0, 3.0], [9.0, 1.0]]
    trials = [trial(tmp_path, n, n, values=value) for n, value in enumerate(values)]
    view = study(tmp_path, *trials, directions=["minimize", "minimize"])
    (sentence,) = answer(view, {})
    assert sentence.startswith("3 of 4 finished trials are on the Pareto front (trials 0, 1, 3)")
    assert answer_about_collapse(view) == [sentence]


@pytest.mark.parametrize("directions", [["minimize", "minimize"], ["minimize", "maximize", "minimize"]])
def test_the_pareto_front_is_optunas(directions: list[str], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 6, (40, len(directions))).astype(float)  # with ties and equal points
    values[7] = [float("inf"), *values[7, 1:]]
    records = [optuna.trial.create_trial(values=list(row)) for row in values]
    trials = [trial(tmp_path, n, n, values=list(row), record=records[n]) for n, row in enumerate(values)]
    view = study(tmp_path, *trials, directions=directions)
    expected = [each.number for each in optuna_study(view).best_trials]
    assert 1 < len(expected) < 40
    assert [each.number for each in pareto_front(view)] == expected


def test_the_answer_of_a_study_without_a_finished_trial_is_why_the_trials_failed(tmp_path: Path) -> None:
    trials = [failed(tmp_path, n, n, "diverged", "inf") for n in range(2)]
    assert answer_about_collapse(study(tmp_path, *trials)) == [
        "No trial has finished, so there is no answer yet (2 diverged).",
    ]


def test_the_question_names_the_swept_keys_and_the_objective(tmp_path: Path) -> None:
    assert (
        question(study(tmp_path))
        == "What does vae.lambda (0, 1) do to valid/neg_elbo (lower is better) of vae on digits?"
    )


def test_runs_that_are_not_trained_tell_nothing_about_collapse(tmp_path: Path) -> None:
    trials = [with_verdict(trial(tmp_path, n, 100 * n, values=[n]), "untrained") for n in range(2)]
    first, _ = answer_about_collapse(study(tmp_path, *trials))
    assert first == "No run tells whether the posterior collapses; lambda = 0, 100 are untrained."


def contexts(tmp_path: Path, *runs: tuple[int, str, float, float, int]) -> list[str]:
    """The answer about runs of these contexts, verdicts, rates [nats], mutual informations and active units."""
    trials = [
        with_verdict(
            trial(tmp_path, n, 1, params={"vae.context": context}, values=[n]),
            name,
            rate=rate,
            mutual_information=information,
            active_units=units,
        )
        for n, (context, name, rate, information, units) in enumerate(runs)
    ]
    return answer_about_collapse(study(tmp_path, *trials, axes={"vae.context": tuple(run[0] for run in runs)}))


def test_a_sweep_over_the_context_is_answered_by_what_the_posterior_loses(tmp_path: Path) -> None:
    first, _ = contexts(
        tmp_path, (5, "healthy", 3.1, 2.9, 12), (0, "healthy", 30.25, 6.9, 20), (1, "healthy", 9, 6, 20)
    )
    assert first == (
        "From context = 0 to 5, at the same lambda = 1, the rate falls from 30.25 to 3.10 nats, the mutual information "
        "falls from 6.90 to 2.90 nats and the number of active units falls from 20 to 12."
    )


def test_a_sweep_over_the_context_claims_no_fall_that_is_none(tmp_path: Path) -> None:
    first, _ = contexts(tmp_path, (0, "healthy", 3, 2, 20), (3, "healthy", 3.001, 2.5, 20))
    assert first.endswith(
        "the rate stays 3.00 nats, the mutual information rises from 2.00 to 2.50 nats and the number of active units "
        "stays 20."
    )


def test_runs_that_are_not_trained_tell_nothing_about_the_context(tmp_path: Path) -> None:
    first, _ = contexts(tmp_path, (0, "healthy", 3, 2, 20), (3, "untrained", 1, 1, 20))
    assert first == "Runs that are untrained or undecided tell nothing about the context: context = 3."


def test_the_accuracies_of_a_search_are_shown_beside_their_baseline(tmp_path: Path) -> None:
    trials = [
        trial(tmp_path, n, n)._replace(metrics={"test/accuracy": 0.3 + 0.1 * n, "baseline/accuracy": 0.69})
        for n in range(3)
    ]
    (figure,) = draw_accuracy(study(tmp_path, *trials))
    assert figure.section == ANSWER and figure.path.exists()
    assert figure.alt.endswith("3 trials from 30.0% to 50.0%.")
    assert list(draw_accuracy(study(tmp_path, trials[0]))) == []


def test_the_attributions_of_all_trials_are_tables_with_a_column_per_method(tmp_path: Path) -> None:
    measured = {"test/sufficiency/leave_one_out": 0.25, "test/sufficiency/attention": 0.5}
    measured |= {"test/sufficiency_error/attention": 0.125, "test/normalised_aopc/attention": 0.75}
    trials = [
        trial(tmp_path, 0, 0)._replace(metrics=measured),
        trial(tmp_path, 1, 1)._replace(metrics={"test/accuracy": 0.5}),
    ]
    normalised, sufficiency = attribution_tables(study(tmp_path, *trials))
    assert normalised.columns == ["trial", "attention"]
    assert sufficiency.columns == ["trial", "leave one out", "attention"]
    assert [[cell.text for cell in row[1:]] for row in sufficiency.rows] == [["0.2500", "0.5000"], ["–", "–"]]
    assert attribution_tables(study(tmp_path, trials[1])) == []
