"""The stops of a planted model, whose VAE at each lambda is the closed-form optimum of a linear one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from planted_all_lambda import LATENT, PlantedModel, eigen, planted_splits

from hwsweep.analysis import Analysis
from hwsweep.analysis.all_lambda.curve import analyse
from hwsweep.analysis.all_lambda.sentences import collapse_lambda, curve_sentence, linear_sentence
from hwsweep.analysis.all_lambda.stops import Stop, StopsPlan, measure_stops, stops_of
from hwsweep.analysis.features import FeaturePlan
from hwsweep.analysis.refinement import RefinementPlan
from hwsweep.analysis.vae_metrics import AnalysisPlan
from hwsweep.data import Splits

PLAN = AnalysisPlan(0, 0.01, 50, 3, 5, 3, 53, 2, 31, 53, 4)
STOPS = StopsPlan(number=9, images=60, spread_images=20, spread_codes=2)
SPLITS = planted_splits()
SIGMA2 = 0.5


def stops_from(low: float, high: float, splits: Splits = SPLITS, **changes: int) -> list[Stop]:
    plan = StopsPlan(**({"number": 9, "images": 60, "spread_images": 20, "spread_codes": 2} | changes))
    return measure_stops(PlantedModel(splits, (low, high), SIGMA2, low), splits, "digest", PLAN, plan)


def by_hand(kl_weight: float) -> Mapping[str, float]:
    """Rate, distortion and active units on the test images, from NumPy alone (DESIGN, section 4)."""
    mean, values, vectors = eigen(SPLITS)
    centred = SPLITS.test["image"].flatten(1).numpy() / 255 - mean
    t = kl_weight * SIGMA2
    active = values[:LATENT] > t
    e, codes = values[:LATENT][active], (centred @ vectors[:, :LATENT])[:, active]
    v = (codes**2).mean(0)
    a = 1 - t / e
    error = (centred**2).sum(1).mean() - (2 * a * v).sum() + (a**2 * v).sum() + (a * t).sum()
    statistic = (codes * np.sqrt(e - t) / e).var(0, ddof=1)
    return {
        "test/rate": 0.5 * (t / e + (e - t) * v / e**2 - 1 + np.log(e / t)).sum(),
        "test/distortion": error / (2 * SIGMA2),
        "test/active_units": float((statistic > 0.01).sum()),
    }


def test_each_stop_is_measured_as_the_closed_form_says() -> None:
    curve = stops_from(1e-3, 1.0)
    weights = [stop.point.kl_weight for stop in curve]
    assert (weights[0], weights[-1]) == (1e-3, 1.0)
    assert np.diff(np.log(weights)) == pytest.approx(np.full(8, math.log(1000) / 8))
    for stop in curve:
        expected = by_hand(stop.point.kl_weight)
        assert stop.metrics["test/rate"] == pytest.approx(expected["test/rate"], rel=1e-4, abs=1e-6)
        assert stop.metrics["test/active_units"] == expected["test/active_units"]
        # one latent code for each of 200 images: 3 standard errors
        assert stop.metrics["test/distortion"] == pytest.approx(expected["test/distortion"], rel=0.15)


def test_the_verdict_falls_from_healthy_to_collapsed_and_the_sentence_names_where() -> None:
    curve = stops_from(1e-3, 1.0)
    largest = eigen(SPLITS)[1][0] / SIGMA2
    weight = collapse_lambda(curve)
    weights = [stop.point.kl_weight for stop in curve]
    assert weight == min(each for each in weights if each > largest)
    assert (curve[0].verdict.label, curve[-1].verdict.label) == ("healthy", "collapsed")
    expected = f"of 9 lambdas no latent is active from {weight:.3g} on; total collapse predicted for a linear VAE from "
    assert linear_sentence(curve).startswith(f"{expected}lambda = {largest:.3g} on")
    assert "active units 3 and 0" in curve_sentence(curve)


def test_sentences_of_a_range_without_collapse_and_of_one_beyond_it() -> None:
    assert linear_sentence(stops_from(1e-3, 1e-2, number=2)).startswith("a latent is active at the largest lambda;")
    beyond = stops_from(1.0, 10.0, number=2)
    assert linear_sentence(beyond).startswith("no latent is active at any of 2 lambdas;")
    assert collapse_lambda(beyond) == 1.0


def test_one_test_image_has_rate_and_distortion_but_no_active_units() -> None:
    one = Splits(SPLITS.train, SPLITS.valid, {"image": SPLITS.test["image"][:1]})
    curve = stops_from(1e-3, 1.0, one, number=2)
    assert "test/active_units" not in curve[0].metrics and "active units" not in curve_sentence(curve)
    assert curve[0].metrics["test/rate"] > 1 and collapse_lambda(curve) is None


def analysis(kl_weight: float, wrong: float = 1.0) -> Analysis:
    features = FeaturePlan(n_features=4, n_steps=1, batch_size=50, learning_rate=1e-2, seed=0)
    refinement = RefinementPlan("never", images=31, steps=3, learning_rate=0.1)
    model = PlantedModel(SPLITS, (1e-3, 1.0), SIGMA2, kl_weight, wrong).eval()
    return analyse(
        model, SPLITS, "digest", plan=PLAN, refinement=refinement, features=features, tolerance=0.2, stops=STOPS
    )


def test_the_analysis_has_the_curve_and_the_metrics_at_the_reference_lambda() -> None:
    found = analysis(0.01)
    assert found.metrics["test/rate"] == pytest.approx(by_hand(0.01)["test/rate"], rel=1e-4)
    assert found.tags["verdict"] == "healthy" and found.tags["why"].startswith("at lambda = 0.01 healthy: ")
    assert found.series["stops/lambda"] == stops_of((1e-3, 1.0), 9)
    assert found.series["stops/rate"] == found.arrays["stop_test_rate"].tolist()
    t = 1e-3 * SIGMA2  # training images: 1/2 sum ln(e_i / t)
    linear = 0.5 * np.log(eigen(SPLITS)[1][:LATENT] / t).sum()
    assert found.series["stops/linear_rate"][0] == pytest.approx(linear, rel=1e-6)
    assert found.sentences[:2] == [found.tags["curve"], found.tags["linear"]]
    assert "under_trained" not in found.tags


def test_a_model_that_is_worse_than_the_linear_optimum_is_called_under_trained() -> None:
    text = analysis(0.01, wrong=1e4).tags["under_trained"]  # collapsed everywhere
    collapsed = by_hand(1e4)["test/distortion"]
    optima = {w: (hand := by_hand(w))["test/distortion"] + w * hand["test/rate"] for w in stops_of((1e-3, 1.0), 9)}
    n_worse = sum(collapsed > 1.2 * optimum for optimum in optima.values())
    assert text.startswith(
        f"under-trained at {n_worse} of 9 lambdas; at lambda = 0.001: on the test images the loss is"
    )


@pytest.mark.parametrize(("name", "value"), [("number", 1), ("images", 9), ("spread_images", 1), ("spread_codes", 1)])
def test_a_plan_that_measures_too_little_is_refused(name: str, value: int) -> None:
    fields = {"number": 9, "images": 60, "spread_images": 20, "spread_codes": 2}
    with pytest.raises(ValueError, match=rf"`analysis.stops.{name}` must be .* got {value}"):
        StopsPlan(**(fields | {name: value}))
