from __future__ import annotations

import numpy as np
import pytest
import torch
from planted_runs import EIGENVALUES, OPTIMUM, SIGMA2, planted

from hwsweep.analysis.linear_vae import predict
from hwsweep.analysis.spectrum import Spectrum
from hwsweep.figures.study.linear_models import curve, linear_models


@pytest.mark.parametrize("kl_weight", OPTIMUM)
def test_every_run_of_a_study_gives_the_same_model(kl_weight):
    (model,) = linear_models([planted(kl_weight)])
    assert model.active_below.tolist() == [4, 2, 0.5]
    assert model.collapsed_distortion == pytest.approx(4)
    assert model.exact


@pytest.mark.parametrize("kl_weight", [0.25, 1, 3])
def test_the_curve_passes_through_optima_worked_out_by_hand_and_those_of_the_analysis(kl_weight):
    _, rate, distortion = OPTIMUM[kl_weight]
    line = curve(linear_models([planted(100)])[0], max_rate=4, points=2000)
    # between points 0.3 % of lambda apart a straight line is at most 1e-5 nats off
    assert np.interp(rate, *line) == pytest.approx(distortion, abs=1e-4)
    eigenvalues = torch.tensor(EIGENVALUES).double()
    found = predict(Spectrum(eigenvalues, 16, True, eigenvalues, 16), kl_weight, SIGMA2, 3)
    assert np.interp(found.rate, *line) == pytest.approx(found.distortion, abs=1e-4)


def test_the_curve_goes_from_total_collapse_to_the_rate_that_was_asked_for():
    line = curve(linear_models([planted(1)])[0], max_rate=50, points=100)
    assert line[:, 0] == pytest.approx([0, 4])
    assert line[0, -1] == pytest.approx(50)
    assert (np.diff(line[0]) > 0).all() and (np.diff(line[1]) < 0).all()


def test_a_rate_beyond_every_lambda_ends_the_curve_early():
    line = curve(linear_models([planted(1)])[0], max_rate=2e33, points=100)
    assert np.isfinite(line).all() and (np.diff(line[0]) > 0).all()


def test_only_as_many_directions_count_as_there_are_latents_and_none_without_variance():
    run = planted(1)
    (narrow,) = linear_models([run._replace(kl_per_latent=np.ones(2))])
    (flat,) = linear_models([run._replace(eigenvalues=np.array([8.0, 4.0, 0.0]))])
    assert narrow.active_below.tolist() == flat.active_below.tolist() == [4, 2]


def test_a_bernoulli_model_is_an_approximation_in_nats_and_ignores_sigma2():
    (model,) = linear_models([planted(100, likelihood="bernoulli")])
    assert (model.active_below.tolist(), model.exact) == ([8, 4, 1], False)


def test_each_distinct_model_is_listed_once():
    other = planted(1)._replace(sigma2=1.0)
    assert [model.active_below[0] for model in linear_models([planted(0), planted(1), other, planted(3)])] == [4, 8]


def test_a_run_without_a_prediction_leaves_it_to_another():
    silent = planted(1)._replace(metrics={})
    (model,) = linear_models([silent, planted(3)])
    assert model.collapsed_distortion == pytest.approx(4)
    assert linear_models([silent._replace(eigenvalues=np.array([]))]) == []


def test_a_learned_variance_has_no_curve():
    """Its variance differs from lambda to lambda, so no curve with one variance is its optimum."""
    assert linear_models([planted(kl_weight)._replace(sigma2=None) for kl_weight in (0, 1, 100)]) == []
