"""The answer in two sentences, on studies whose answer is known."""

from __future__ import annotations

from pathlib import Path

from planted_studies import failed, note, study, trial

from hwsweep.report.answer import answer, question


def test_a_lambda_sweep_is_answered_by_where_the_posterior_collapsed(tmp_path: Path) -> None:
    told = [(100, "collapsed", 330.0, 0.0, 0), (0, "unregularised", 400.0, 282.0, 20), (1, "healthy", 145.0, 31.5, 20)]
    trials = [
        note(trial(tmp_path, place, weight, values=[value]), verdict, rate=rate, active_units=units)
        for place, (weight, verdict, value, rate, units) in enumerate(told)
    ]
    assert answer(study(tmp_path, *trials), {}) == [
        "Between lambda = 1 and 100 the posterior collapsed: the rate falls from 31.50 to 0.00 nats and the active "
        "units from 20 to 0; lambda = 0 is unregularised; lambda = 1 is healthy.",
        "The best of 3 finished trials is lambda = 1 (trial 2): valid/neg_elbo = 145.",
    ]


def test_a_sweep_that_never_collapsed_says_so(tmp_path: Path) -> None:
    trials = [note(trial(tmp_path, place, place), "healthy", rate=3, active_units=20) for place in range(2)]
    first, _ = answer(study(tmp_path, *trials), {})
    assert first == "The posterior did not collapse totally at any lambda up to 1; lambda = 0, 1 are healthy."


def test_the_best_of_a_search_is_the_highest_value_where_more_is_better(tmp_path: Path) -> None:
    trials = [trial(tmp_path, place, place, values=[value]) for place, value in enumerate((0.5, 0.9, 0.8))]
    best, sure = answer(study(tmp_path, *trials, directions=["maximize"]), {"vae.lambda": 0.25, "seed": 0.75})
    assert "lambda = 1 (trial 1): valid/neg_elbo = 0.9." in best
    # 0.9, 0.8, 0.5: mean 2.2 / 3, standard deviation sqrt((0.1667² + 0.0667² + 0.2333²) / 2) = 0.208
    assert "0.1 worse and the best 3 spread by 0.208" in sure and "seed matters most (importance 75%)" in sure


def test_with_seeds_the_distance_to_the_next_point_is_told_in_standard_errors(tmp_path: Path) -> None:
    trials = [
        trial(tmp_path, place, place, values=[10.0 + place], errors=[error]) for place, error in ((0, 0.3), (1, 0.4))
    ]
    _, sure = answer(study(tmp_path, *trials), {})
    assert sure == "The next point is 1 worse, 2.0 standard errors."  # sqrt(0.3² + 0.4²) = 0.5


def test_of_equal_trials_none_is_called_the_best(tmp_path: Path) -> None:
    trials = [
        trial(tmp_path, place, place, values=[value], errors=[0.0]) for place, value in enumerate((0.75, 0.75, 0.8))
    ]
    _, sure = answer(study(tmp_path, *trials), {})
    assert sure == "2 trials share that value, so this study does not tell which of them is the best."


def test_the_pareto_front_is_counted(tmp_path: Path) -> None:
    values = [[1.0, 9.0], [2.0, 2.0], [3.0, 3.0], [9.0, 1.0]]
    trials = [trial(tmp_path, place, place, values=value) for place, value in enumerate(values)]
    (said,) = answer(study(tmp_path, *trials, directions=["minimize", "minimize"]), {})
    assert said.startswith("3 of 4 finished trials are on the Pareto front (trials 0, 1, 3)")


def test_a_study_in_which_all_failed_says_of_what(tmp_path: Path) -> None:
    trials = [failed(tmp_path, place, place, "diverged", "inf") for place in range(2)]
    assert answer(study(tmp_path, *trials), {}) == [
        "No trial has finished, so there is no answer yet (2 diverged).",
    ]


def test_the_question_names_what_was_swept_and_what_was_looked_at(tmp_path: Path) -> None:
    assert (
        question(study(tmp_path))
        == "What does vae.lambda (0, 1) do to valid/neg_elbo (lower is better) of vae on digits?"
    )
