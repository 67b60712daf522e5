"""Figures of a search against Optuna's own, and cases worked by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import optuna
import pytest
from matplotlib.figure import Figure
from optuna_studies import searched, view_of

from hwsweep.figures import drawing
from hwsweep.figures.search import contour, history, importances, intermediate, parallel, pareto, slices, timeline

FIGURES = [contour, history, importances, intermediate, parallel, pareto, slices, timeline]


def bowl(trial: optuna.Trial) -> float:
    """Least at lr = 0.01, width = 8, model a; trial 3 fails, and slow ones are pruned."""
    lr = trial.suggest_float("optimizer.lr", 1e-4, 1, log=True)
    width, model = trial.suggest_int("vae.width", 2, 13), trial.suggest_categorical("model", ["a", "b", "c$^"])
    if trial.number == 3:
        raise ValueError
    value = (math.log10(lr) + 2) ** 2 + abs(width - 8) / 10 + {"a": 0, "b": 1}.get(model, 2)
    for epoch in (1, 2, 5):
        trial.report(value + 1 / epoch, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    return searched(bowl, 60, pruner=optuna.pruners.MedianPruner(n_startup_trials=30))


@pytest.mark.parametrize("figure", FIGURES)
def test_a_study_of_one_trial_has_no_figure_and_nor_has_one_without_any(figure):
    for n_trials in (0, 1):
        assert figure.info(view_of(searched(bowl, n_trials))) is None


@pytest.mark.parametrize("figure", FIGURES)
def test_a_study_in_which_all_failed_has_no_figure(figure):
    def fails(trial):
        raise ValueError(trial.suggest_float("x", 0, 1))

    assert figure.info(view_of(searched(fails, 5))) is None


@pytest.mark.parametrize("figure", FIGURES)
def test_what_is_drawn_can_be_saved_for_every_kind_of_parameter(figure, study, tmp_path):
    times = [[(10.0 * n, 10.0 * n + 9)] for n in range(60)]
    info = figure.info(view_of(study, "valid/loss $x^", times))
    if info is not None:
        drawing.save(figure, info, tmp_path / "figure.png")
    assert (info is None) == (figure in (contour, pareto))


def test_the_best_so_far_is_the_one_that_optuna_draws(study):
    info = history.info(view_of(study, "valid/loss"))
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        optunas = optuna.visualization.matplotlib.plot_optimization_history(study)
    points, line = optunas.collections[0].get_offsets(), optunas.lines[0]
    np.testing.assert_array_equal(np.stack([info.number, info.value], axis=1), points)
    np.testing.assert_array_equal(info.best, np.asarray(line.get_ydata())[info.number])
    assert info.objective == "valid/loss" and info.failed_number.tolist() == [3]
    pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    assert pruned and info.pruned_value.tolist() == [trial.value for trial in pruned]


def test_the_best_of_a_maximised_objective_grows():
    values = [3.0, 1.0, 4.0, 1.5, 5.0]
    study = searched(lambda trial: values[trial.number], 5, directions=["maximize"])
    assert history.info(view_of(study)).best.tolist() == [3, 3, 4, 4, 5]


def test_importances_are_optunas_by_ped_anova(study):
    info = importances.info(view_of(study))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    expected = optuna.importance.get_param_importances(study, evaluator=evaluator)
    last_parts = {"optimizer.lr": "lr", "vae.width": "width", "model": "model"}
    assert info.names.tolist() == [last_parts[key] for key in expected]
    np.testing.assert_allclose(info.share, list(expected.values()))


def test_too_few_trials_and_equal_values_rank_nothing():
    def coin(trial):
        return float(trial.suggest_int("x", 0, 9) + trial.suggest_int("y", 0, 9) > 100)

    assert importances.info(view_of(searched(bowl, 12))) is None
    assert importances.info(view_of(searched(coin, 40))) is None


def test_a_logarithmic_parameter_stands_by_its_logarithm_and_a_listed_one_at_equal_distances():
    points = [{"lr": lr, "vae.lambda": weight} for lr, weight in [(0.001, 100), (0.1, 0), (0.01, 1), (0.1, 100)]]

    def objective(trial):
        return trial.suggest_float("lr", 1e-4, 1, log=True) + trial.suggest_categorical("vae.lambda", [100, 0, 1])

    info = slices.info(view_of(searched(objective, 4, points=points)))
    lr, weight = info.scales
    assert info.names == ["lr", "lambda"]
    np.testing.assert_allclose(lr.positions, [-3, -1, -2, -1])
    np.testing.assert_allclose(10**lr.ticks, [float(label) for label in lr.labels])
    assert (weight.positions.tolist(), weight.labels.tolist()) == ([2, 0, 1, 2], ["0", "1", "100"])
    np.testing.assert_allclose(info.values, [[100.001, 0.1, 1.01, 100.1]])


def test_keys_that_end_alike_keep_their_whole_names():
    def objective(trial):
        return trial.suggest_float("model.lr", 0, 1) + trial.suggest_float("optimizer.lr", 0, 1)

    assert slices.info(view_of(searched(objective, 3))).names == ["model.lr", "optimizer.lr"]


def test_a_parameter_that_never_varies_is_not_shown():
    def objective(trial):
        return trial.suggest_float("x", 0, 1) + trial.suggest_categorical("same", [7])

    assert slices.info(view_of(searched(objective, 3))).names == ["x"]


def test_each_cell_of_two_lists_is_the_mean_of_its_trials():
    pairs = [("a", False), ("b", True), ("a", True), ("a", True)]
    points = [{"letter": letter, "flag": flag} for letter, flag in pairs]

    def objective(trial):
        trial.suggest_categorical("letter", ["a", "b"])
        trial.suggest_categorical("flag", [False, True])
        return [2.0, 3.0, 5.0, 6.0][trial.number]

    info = contour.info(view_of(searched(objective, 4, points=points)))
    np.testing.assert_array_equal(info.cells, [[2, np.nan], [5.5, 3]])  # rows: false, true; columns: a, b
    assert info.scales[1].labels.tolist() == ["false", "true"]


def test_lines_end_at_the_value_of_their_trial_and_the_best_is_drawn_last(study):
    info = parallel.info(view_of(study, "valid/loss"))
    values = sorted((trial.value for trial in study.trials if trial.state.name == "COMPLETE"), reverse=True)
    np.testing.assert_allclose(info.height[:, -1], (np.array(values) - values[-1]) / (values[0] - values[-1]))
    np.testing.assert_allclose(info.height[-1, 0], _height_of(study, "optimizer.lr"))
    assert (info.names[-1], info.rank[0], info.rank[-1]) == ("valid/loss", 0, 1)


def _height_of(study: optuna.Study, key: str) -> float:
    logs = [math.log(trial.params[key]) for trial in study.trials if trial.state.name == "COMPLETE"]
    return (math.log(study.best_params[key]) - min(logs)) / (max(logs) - min(logs))


def test_the_pareto_front_is_optunas_for_mixed_directions_and_ties():
    rng = random.Random(0)

    def objective(trial):
        return float(rng.randint(0, 9)), float(rng.randint(0, 9)), float(rng.randint(0, 2))

    for directions in (["minimize", "minimize", "minimize"], ["minimize", "maximize", "maximize"]):
        study = searched(objective, 150, directions=directions)
        info = pareto.info(view_of(study, ["error", "accuracy", "cost"]))
        assert info.number[info.front].tolist() == sorted(trial.number for trial in study.best_trials)
        assert info.minimised.tolist() == [direction == "minimize" for direction in directions]


def test_the_edge_of_the_front_passes_below_what_it_beats():
    points = [(1.0, 5.0), (2.0, 2.0), (4.0, 1.0), (3.0, 3.0)]
    study = searched(lambda trial: points[trial.number], 4, directions=["minimize", "minimize"])
    (page,) = axes = [Figure().subplots()]
    pareto.draw(pareto.info(view_of(study)), axes)
    (edge,) = page.child_axes[0].lines
    assert (edge.get_xydata().tolist(), edge.get_drawstyle()) == ([[1, 5], [2, 2], [4, 1]], "steps-post")


def test_curves_are_what_was_reported_and_the_best_is_known(study):
    info = intermediate.info(view_of(study))
    for number, row in zip(info.number, info.value, strict=True):
        reported = study.trials[number].intermediate_values
        np.testing.assert_array_equal(row, [reported.get(step, np.nan) for step in (1, 2, 5)])
    assert 3 not in info.number and info.number[info.best] == study.best_trial.number


def test_the_idle_share_is_what_slots_did_not_run():
    # slot 1: 0-4, 5-9; slot 2: 1-3, 3-7 with a start at the very end of another; 10 s in all were not used, of 20
    times = [[(100.0, 104.0)], [(101.0, 103.0)], [(103.0, 107.0)], [(105.0, 110.0)]]
    info = timeline.info(view_of(searched(lambda trial: 1.0, 4), times=times))
    assert info.slot.tolist() == [0, 1, 1, 0]
    assert (info.start.tolist(), info.end.tolist()) == ([0, 1, 3, 5], [4, 3, 7, 10])
    assert info.idle == pytest.approx(1 - (4 + 2 + 4 + 5) / 20)


def test_a_night_between_two_sittings_is_no_idle_time():
    times = [[(0.0, 50.0)], [(0.0, 30.0)], [(4050.0, 4090.0)], [(4060.0, 4100.0)]]
    info = timeline.info(view_of(searched(lambda trial: 1.0, 4), times=times))
    assert info.pauses.tolist() == [[50, 4000]]
    assert (info.start.tolist(), info.end.tolist()) == ([0, 0, 50, 60], [30, 50, 90, 100])
    assert info.idle == pytest.approx(1 - (50 + 30 + 40 + 40) / 200)


def test_the_seeds_of_a_trial_are_bars_of_their_own():
    times = [[(0.0, 5.0), (0.0, 6.0)], [(5.0, 9.0)]]
    info = timeline.info(view_of(searched(lambda trial: 1.0, 2), times=times))
    assert (info.trial.tolist(), info.slot.tolist()) == ([0, 0, 1], [0, 1, 0])
