"""The analysis of an untrained linear VAE: prediction, tags, and what a learned variance changes."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch

from hwsweep.analysis import Analysis
from hwsweep.analysis.features import FeaturePlan
from hwsweep.analysis.refinement import RefinementPlan
from hwsweep.analysis.vae import Likelihood, analyse, effective_beta, target_sentence
from hwsweep.analysis.vae_metrics import AnalysisPlan
from hwsweep.data import Splits
from hwsweep.models.kl_terms import Constant, FreeBits
from hwsweep.models.networks import fully_connected
from hwsweep.models.pixel_context import PixelContext
from hwsweep.models.target_rate import TargetRate
from hwsweep.models.vae import VAE


def examples(n: int, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"image": torch.randint(0, 256, (n, 1, 3, 7), generator=generator, dtype=torch.uint8)}


SPLITS = Splits(examples(211, 0), examples(97, 1), examples(101, 2))


def analysis_of(**changes: Any) -> Analysis:
    """Of an untrained linear VAE."""
    settings: dict[str, Any] = {
        "networks": partial(fully_connected, hidden=[], activation="relu"),
        "latent": 3,
        "likelihood": "gaussian",
        "sigma2": 0.05,
        "kl_weight": 1.0,
        "kl_term": Constant(),
        "pixel_context": None,
        "log_var_limit": 10.0,
    }
    torch.manual_seed(1)
    model = VAE({"image": (1, 3, 7)}, **(settings | changes))
    if changes.get("sigma2") == "learned":
        model.load_state_dict(model.state_dict() | {"likelihood.sigma2": torch.tensor(0.05)})
    plan = AnalysisPlan(0, 0.01, 50, 3, 5, 3, 53, 2, 31, 53, 4)
    features = FeaturePlan(n_features=4, n_steps=1, batch_size=50, learning_rate=1e-2, seed=0)
    refinement = RefinementPlan("auto", images=31, steps=3, learning_rate=0.1)
    return analyse(model.eval(), SPLITS, "digest", plan=plan, refinement=refinement, features=features, tolerance=0.01)


def test_an_untrained_model_is_called_under_trained_but_not_where_a_remedy_holds_the_loss_up() -> None:
    assert "under_trained" in analysis_of().tags
    assert "under_trained" not in analysis_of(kl_term=FreeBits(free_nats=0.1)).tags


def test_a_learned_variance_only_moves_distortions_by_its_log_term() -> None:
    fixed, learned = analysis_of(), analysis_of(sigma2="learned")
    log_term = 21 / 2 * math.log(0.05)
    moved = {"test/distortion", "test/neg_elbo", "test/iw_bound", "test/mean_image_distortion", "test/exact_distortion"}
    moved |= {"test/refined_distortion"}
    assert learned.metrics.keys() - fixed.metrics.keys() == {"predicted/sigma2"}
    for name, value in fixed.metrics.items():
        if name.startswith("test/"):  # the prediction is that of the optimal variance, not of the model's
            # single precision
            assert learned.metrics[name] == pytest.approx(value + log_term * (name in moved), rel=1e-5, abs=1e-5), name
    assert learned.tags["verdict"] == fixed.tags["verdict"]


@pytest.mark.parametrize("changes", [{}, {"sigma2": "learned"}])
def test_a_linear_model_says_what_training_left(changes: dict[str, Any]) -> None:
    found = analysis_of(**changes)
    predicted, sigma2 = found.metrics, found.metrics.get("predicted/sigma2", 0.05)
    log_term = 21 / 2 * math.log(sigma2) if changes else 0.0
    own_log_term = 21 / 2 * math.log(0.05) if changes else 0.0
    error = 0.05 * (found.metrics["test/distortion"] - own_log_term)
    gap = error / (sigma2 * (predicted["predicted/test_distortion"] - log_term)) - 1
    rate = found.metrics["test/rate"] / predicted["predicted/test_rate"] - 1
    assert f"squared error {gap:+.2%}, rate {rate:+.2%};" in found.tags["training_gap"]
    assert found.tags["training_gap"] in found.sentences


def test_a_nonlinear_model_has_no_closed_form_to_be_compared_with() -> None:
    assert "training_gap" not in analysis_of(networks=partial(fully_connected, hidden=[5], activation="relu")).tags
    assert "training_gap" not in analysis_of(likelihood="bernoulli").tags


def test_a_decoder_that_sees_pixels_has_no_prediction_and_its_spreads_are_those_of_z_alone() -> None:
    def blind_to_z(channels: int) -> PixelContext:
        part = PixelContext(channels, 2, 5)
        part.register_forward_pre_hook(lambda module, inputs: (0 * inputs[0], inputs[1]))
        draw = part.draw
        part.draw = lambda output, uniform: draw(0 * output, uniform)  # type: ignore[method-assign]
        return part

    found = analysis_of(likelihood="bernoulli", pixel_context=blind_to_z)
    assert not any(name.startswith("predicted/") for name in found.metrics)
    assert found.arrays["eigenvalues"].size == 0
    assert not {"under_trained", "training_gap"} & found.tags.keys()
    assert found.metrics["test/reconstruction_spread"] == found.metrics["test/decoder_spread"] == 0
    seeing = analysis_of(likelihood="bernoulli", pixel_context=lambda channels: PixelContext(channels, 2, 5))
    assert seeing.metrics["test/reconstruction_spread"] > 0


@pytest.mark.parametrize(
    ("likelihood", "end"),
    [
        (Likelihood("bernoulli", 1.0), ""),
        (Likelihood("gaussian", 0.1), "; with sigma2 = 0.1 a latent is active if its direction's variance exceeds 0.2"),
    ],
)
def test_the_effective_beta_of_a_summed_loss_is_lambda(likelihood: Likelihood, end: str) -> None:
    expected = "lambda = 2 on a loss summed over 784 pixels, in nats: effective beta 2"
    assert effective_beta(2.0, 784, likelihood) == expected + end


def planted_end(rate: float, log_change: float, n_steps: int = 500, log_factor: float = 1.0) -> TargetRate:
    """A target of 10 nats at the end of a training with these last steps."""
    term = TargetRate(rate=10.0, gain=0.05, factor=100.0)
    state = term.multiplier
    values = {"mean_rate": rate, "mean_log_factor": log_factor - log_change, "log_factor": log_factor, "steps": n_steps}
    state.load_state_dict({name: torch.tensor(float(value)) for name, value in values.items()})
    return term


@pytest.mark.parametrize(
    ("term", "kl_weight", "sentence"),
    [
        (planted_end(10.02, 0.001), 7.4, "the rate settled at 10.02 nats with lambda = 7.4"),
        (
            planted_end(9.83, math.log(1.04)),
            7.412,
            "the rate settled at 9.83 nats with lambda = 7.41; lambda still rises, by 4% in 100 steps: train longer",
        ),
        (
            planted_end(12.0, math.log(0.93), n_steps=8),
            1.0,
            "the rate did not settle at 10 nats: it was 12 nats in the last 8 steps of training, with lambda = 1; "
            "lambda still falls, by 7% in 8 steps",
        ),
        (
            planted_end(8.3, 0.0, log_factor=math.log(0.01)),
            0.01,
            "the rate did not reach 10 nats: it was 8.3 nats in the last 100 steps of training, at the smallest "
            "lambda, 0.01 (`kl.factor`)",
        ),
        (
            planted_end(11.5, 0.0, log_factor=math.log(100)),
            100.0,
            "the rate did not reach 10 nats: it was 11.5 nats in the last 100 steps of training, at the largest "
            "lambda, 100 (`kl.factor`)",
        ),
    ],
)
def test_the_end_of_a_target_rate_is_said_with_its_numbers(term: TargetRate, kl_weight: float, sentence: str) -> None:
    assert target_sentence(term, kl_weight) == sentence


def test_a_target_rate_is_analysed_with_the_lambda_that_it_has_reached() -> None:
    term = planted_end(10.0, 0.0, log_factor=math.log(4))
    found, given = analysis_of(kl_weight=2.0, kl_term=term), analysis_of(kl_weight=8.0)
    assert "lambda = 8 on a loss" in found.tags["effective_beta"]
    assert found.tags["target_rate"] == "the rate settled at 10 nats with lambda = 8"
    assert found.tags["training_gap"] == given.tags["training_gap"]
    lambda_of_10_nats = found.metrics.pop("predicted/kl_weight")
    assert found.metrics == pytest.approx(given.metrics, nan_ok=True)
    eigenvalues = found.arrays["eigenvalues"]  # of the linear VAE with 3 latents and sigma2 = 0.05
    assert 0.5 * math.log(math.prod(eigenvalues / (lambda_of_10_nats * 0.05))) == pytest.approx(10)


def test_a_rate_that_has_not_settled_stands_beside_the_verdict() -> None:
    far, near = (analysis_of(kl_term=planted_end(rate, 0.0)) for rate in (8.0, 9.9))
    assert far.tags["why"].endswith(f"; {far.tags['target_rate']}") and "did not settle" in far.tags["why"]
    assert near.tags["target_rate"] not in near.tags["why"]
