from __future__ import annotations

import json

import numpy as np
import pytest
from planted_runs import planted

from hwsweep.figures.study import sweep_runs


@pytest.fixture
def folder(tmp_path):
    """What a run leaves."""
    (tmp_path / "result.json").write_text(
        json.dumps({"run_id": "abc", "metrics": {"test/rate": 2, "predicted/rate": 1.5}, "verdict": "healthy"})
    )
    arrays = {"kl_per_latent": [2.0, 0.0], "active_unit_statistic": [0.9, 0.0], "eigenvalues": [7.0, 3.0]}
    np.savez(tmp_path / "analysis.npz", **{name: np.array(values, np.float32) for name, values in arrays.items()})
    return tmp_path


def test_a_run_is_read_from_its_two_files(folder):
    run = sweep_runs.read(folder, "lambda = 3", 3.0, "gaussian", 0.5)
    assert run[:6] == ("lambda = 3", 3.0, "gaussian", 0.5, {"test/rate": 2.0, "predicted/rate": 1.5}, "healthy")
    assert [values.tolist() for values in run[6:9]] == [[2, 0], [pytest.approx(0.9), 0], [7, 3]]
    assert all(values.dtype == np.float64 for values in run[6:9])


@pytest.mark.parametrize("name", ["result.json", "analysis.npz"])
def test_a_run_that_was_not_analysed_is_refused_by_its_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        sweep_runs.read(folder, "lambda = 3", 3.0, "gaussian", 0.5)


def test_runs_are_ordered_by_lambda_as_a_number_and_equal_ones_stay():
    runs = [planted(100), planted(3, title="b"), planted(0), planted(3, title="a"), planted(20)]
    assert [run.title for run in sweep_runs.sort_by_lambda(runs)] == [
        "lambda = 0",
        "b",
        "a",
        "lambda = 20",
        "lambda = 100",
    ]


def test_a_figure_of_no_run_is_refused():
    with pytest.raises(ValueError, match="needs an analysed run"):
        sweep_runs.sort_by_lambda([])


def test_a_metric_that_a_run_does_not_have_is_nan():
    np.testing.assert_array_equal(sweep_runs.metric([planted(0), planted(100)], "predicted/rate"), [np.nan, 0])
