"""The whole analysis on models with planted behaviour."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from hwsweep.analysis.bounds import exact_distortion, mean_image_distortion
from hwsweep.analysis.features import FeaturePlan, feature_network
from hwsweep.analysis.posterior import encode
from hwsweep.analysis.refinement import RefinementPlan
from hwsweep.analysis.vae_metrics import AnalysisPlan, VAEMetrics, compute_metrics
from hwsweep.data import Splits
from hwsweep.models.kl_terms import Constant
from hwsweep.models.likelihoods import Gaussian
from hwsweep.models.networks import fully_connected
from hwsweep.models.vae import VAE

LATENT = 5
PLAN = AnalysisPlan(
    seed=0,
    active_threshold=0.01,
    mixture_samples=100,
    importance_samples=3,
    probe_neighbours=5,
    ball_neighbours=3,
    set_images=53,
    sample_draws=2,
    price_images=31,
    spread_images=53,
    spread_codes=4,
)
REFINEMENT = RefinementPlan("auto", images=37, steps=100, learning_rate=0.1)
KEYS = [
    *("test/distortion", "test/rate", "test/neg_elbo", "test/active_units", "test/mutual_information"),
    *("test/aggregate_kl", "test/iw_bound", "test/permuted_distortion", "test/reconstruction_spread"),
    *("test/frechet_error", "test/precision_error", "test/recall_error", "test/density_error", "test/coverage_error"),
    *("test/active_latents", "test/mixed_latents", "test/passive_latents", "test/other_latents", "test/unpaid_latents"),
    *("test/probe_accuracy", "test/frechet", "test/precision", "test/recall", "test/density", "test/coverage"),
]


def examples(n: int, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % 3
    image = torch.randint(0, 60, (n, 1, 3, 7), generator=generator, dtype=torch.uint8)
    image[torch.arange(n), 0, label] += 180
    return {"image": image, "label": label, "factors": image[:, 0, 0, :2].float()}


SPLITS = Splits(examples(211, 0), examples(97, 1), examples(101, 2))


def planted(mu_scale: float, dead: list[int]) -> VAE:
    """A linear model that encodes a projection of the image, except in `dead` latents: encoder = prior, decoder 0."""
    torch.manual_seed(1)
    model = VAE(
        {"image": (1, 3, 7)},
        networks=partial(fully_connected, hidden=[], activation="relu"),
        latent=LATENT,
        likelihood="gaussian",
        sigma2=0.1,
        kl_weight=1.0,
        kl_term=Constant(),
        pixel_context=None,
        log_var_limit=10.0,
    )
    encoder, decoder = model.encoder[1], model.decoder[0]
    assert isinstance(encoder, nn.Linear) and isinstance(decoder, nn.Linear)
    with torch.no_grad():
        mixed = torch.linalg.qr(torch.randn(21, LATENT)).Q
        encoder.weight[:LATENT] = mu_scale * mixed.T
        encoder.bias[:LATENT] = -mu_scale * mixed.T @ (SPLITS.train["image"].flatten(1).float().mean(0) / 255)
        encoder.weight[LATENT:], encoder.bias[LATENT:] = 0, -2
        decoder.weight.copy_(mixed / mu_scale)
        decoder.weight[:, dead] = 0
        decoder.bias.copy_(SPLITS.train["image"].flatten(1).float().mean(0) / 255)
        for row in [*dead, *(LATENT + k for k in dead)]:
            encoder.weight[row], encoder.bias[row] = 0, 0
    return model.eval()


@pytest.fixture(scope="module")
def features() -> nn.Module:
    plan = FeaturePlan(n_features=4, n_steps=30, batch_size=50, learning_rate=1e-2, seed=0)
    return feature_network(SPLITS.train, plan, "digest")


@pytest.fixture(scope="module")
def found(features: nn.Module) -> dict[str, VAEMetrics]:
    models = {
        "some": planted(2.0, [0, 3]),
        "all": planted(2.0, list(range(LATENT))),
        "wide": planted(60.0, []),
        "faint": planted(1e-4, []),
    }
    return {name: compute_metrics(model, SPLITS, features, PLAN, REFINEMENT) for name, model in models.items()}


def test_planted_dead_latents_and_only_those_are_inactive(found: dict[str, VAEMetrics]) -> None:
    analysis = found["some"]
    assert (analysis.active_unit_statistic <= 0.01).nonzero().flatten().tolist() == [0, 3]
    assert (analysis.kl_per_latent == 0).nonzero().flatten().tolist() == [0, 3]
    assert analysis.metrics["test/active_units"] == 3
    assert analysis.metrics["test/passive_latents"] == 2
    assert (analysis.latents.rise == 0).nonzero()[0].tolist() == [0, 3]
    assert analysis.verdict.label == "partly collapsed (2 of 5 latents)"


def test_with_every_latent_dead_all_that_codes_could_tell_is_nothing(found: dict[str, VAEMetrics]) -> None:
    metrics = found["all"].metrics
    assert found["all"].verdict.label == "collapsed"
    for quantity in ("rate", "mutual_information", "aggregate_kl", "permuted_distortion", "reconstruction_spread"):
        assert metrics[f"test/{quantity}"] == pytest.approx(0, abs=1e-6)
    # the decoder does not see z: all weights are the same, and the bound is the negative ELBO
    assert metrics["test/iw_bound"] == pytest.approx(metrics["test/neg_elbo"], rel=1e-6)
    assert metrics["test/iw_effective_samples"] == pytest.approx(3, rel=1e-4)
    # 101 images of 3 labels by chance: standard deviation 0.047, four of them
    assert metrics["test/probe_accuracy_sampled"] == pytest.approx(1 / 3, abs=0.19)
    assert metrics["test/factor_r2"] <= 0


def test_codes_far_wider_than_the_prior_are_unregularised_and_at_the_cap(found: dict[str, VAEMetrics]) -> None:
    metrics = found["wide"].metrics
    assert found["wide"].verdict.label == "unregularised"
    assert metrics["test/mutual_information"] == pytest.approx(math.log(101), abs=1e-3)
    assert metrics["test/probe_accuracy"] == 1


def test_a_trace_below_the_noise_is_read_from_the_mean_of_a_code_but_not_from_a_sample(
    found: dict[str, VAEMetrics],
) -> None:
    metrics = found["faint"].metrics
    assert metrics["test/active_units"] == 0
    assert metrics["test/probe_accuracy"] == 1
    # by chance: see above
    assert metrics["test/probe_accuracy_sampled"] == pytest.approx(1 / 3, abs=0.19)
    assert metrics["test/factor_r2"] < 0.01


def test_every_metric_is_there_and_finite_and_the_parts_add_up(found: dict[str, VAEMetrics]) -> None:
    for analysis in found.values():
        metrics = analysis.metrics
        assert all(math.isfinite(value) for value in metrics.values())
        assert metrics["test/neg_elbo"] == metrics["test/distortion"] + metrics["test/rate"]
        assert metrics["test/rate"] == pytest.approx(metrics["test/mutual_information"] + metrics["test/aggregate_kl"])
        assert (
            metrics["test/gaussian_kl"] <= metrics["test/aggregate_kl"] + 4 * metrics["test/mutual_information_error"]
        )
        assert set(KEYS) <= metrics.keys()


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_mean_image_costs_what_a_model_of_it_costs(likelihood: str) -> None:
    train, test = (split["image"].flatten(1).double() / 255 for split in (SPLITS.train, SPLITS.test))
    mean = train.mean(0)
    normal = torch.distributions.Normal(mean, 0.1**0.5)
    constant = 21 / 2 * math.log(2 * math.pi * 0.1)
    surprise = -normal.log_prob(test).sum(1) - constant if likelihood == "gaussian" else cross_entropy(mean, test)
    model = VAE(
        {"image": (1, 3, 7)},
        networks=partial(fully_connected, hidden=[], activation="relu"),
        latent=LATENT,
        likelihood=likelihood,
        sigma2=0.1,
        kl_weight=1.0,
        kl_term=Constant(),
        pixel_context=None,
        log_var_limit=10.0,
    )
    assert mean_image_distortion(model, SPLITS) == pytest.approx(float(surprise.mean()), rel=1e-5)
    # a decoder that gives the image itself leaves the entropy of its grey pixels, or no squared error
    entropy = torch.distributions.Bernoulli(test).entropy().sum(1).mean() if likelihood == "bernoulli" else 0.0
    assert exact_distortion(model, SPLITS.test["image"]) == pytest.approx(float(entropy), rel=1e-4)


def cross_entropy(mean: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    return -(image * mean.log() + (1 - image) * (1 - mean).log()).sum(1)


def test_a_model_worse_than_the_mean_image_is_untrained(features: nn.Module) -> None:
    model = planted(2.0, [])
    with torch.no_grad():
        model.decoder[0].bias += 1
    assert compute_metrics(model, SPLITS, features, PLAN, REFINEMENT).verdict.label == "untrained"


@pytest.mark.parametrize("n", [2, 3])
def test_few_test_images_leave_out_what_needs_more_and_say_so(features: nn.Module, n: int) -> None:
    few = Splits(SPLITS.train, examples(1, 1), examples(n, 2))
    found = compute_metrics(planted(2.0, []), few, features, PLAN, REFINEMENT)
    assert not found.metrics.keys() & {"test/precision", "test/recall", "test/density", "test/coverage"}
    assert all(math.isfinite(value) for value in found.metrics.values())
    assert found.not_measured == (
        "precision, recall, density and coverage are not measured: they need more than 3 test images, "
        f"but there are {n}"
    )


def test_the_analysis_repeats_and_leaves_the_global_noise_alone() -> None:
    unlabelled = Splits(*({"image": split["image"]} for split in (SPLITS.train, SPLITS.valid, SPLITS.test)))
    network = feature_network(unlabelled.train, FeaturePlan(4, 1, 1, 0.1, 0), "digest")
    model = planted(2.0, [])
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = compute_metrics(model, unlabelled, network, PLAN, REFINEMENT)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert compute_metrics(model, unlabelled, network, PLAN, REFINEMENT).metrics == first.metrics
    assert not any("probe" in key or "factor" in key for key in first.metrics)


def planted_encoder(model: VAE, mu_scale: float, log_var: float) -> VAE:
    """The model with an encoder that gives mu_scale times its own mean, and this log-variance, for every image."""
    encoder = model.encoder[1]
    assert isinstance(encoder, nn.Linear)
    with torch.no_grad():
        encoder.weight[:LATENT] *= mu_scale
        encoder.bias[:LATENT] *= mu_scale
        encoder.weight[LATENT:], encoder.bias[LATENT:] = 0, log_var
    return model


def test_a_good_decoder_under_a_constant_encoder_is_lagging_and_refinement_finds_its_codes(features: nn.Module) -> None:
    model = planted_encoder(planted(3.0, []), 0.0, 0.0)
    model.likelihood = Gaussian(0.005)  # a sharp decoder: codes are worth many nats
    found = compute_metrics(model, SPLITS, features, PLAN, REFINEMENT)
    assert found.verdict.label == "lagging"
    assert found.metrics["test/amortisation_gap"] > 10 * found.metrics["test/amortisation_gap_error"]
    assert found.metrics["test/refined_mutual_information"] > 1


def test_a_decoder_without_weights_on_z_under_a_posterior_that_varies_is_disconnected(features: nn.Module) -> None:
    model = planted(2.0, [])
    with torch.no_grad():
        model.decoder[0].weight.zero_()
    found = compute_metrics(planted_encoder(model, 3.0, -3.0), SPLITS, features, PLAN, REFINEMENT)
    assert found.verdict.label == "disconnected"
    assert found.metrics["test/log_likelihood_spread"] == pytest.approx(0, abs=1e-5)
    assert found.metrics["test/decoder_spread"] == pytest.approx(0, abs=1e-6)


def test_a_random_decoder_under_the_prior_is_collapsed_and_does_not_ignore_z(features: nn.Module) -> None:
    model = planted_encoder(planted(2.0, []), 0.0, 0.0)
    with torch.no_grad():
        model.decoder[0].weight.copy_(0.02 * torch.randn(21, LATENT))
    found = compute_metrics(model, SPLITS, features, PLAN, REFINEMENT)
    assert found.verdict.label == "collapsed"
    assert "the decoder does not ignore z" in found.verdict.sentence


def test_latents_that_carry_a_hundredth_of_a_nat_each_are_nearly_collapsed(features: nn.Module) -> None:
    model = planted(2.0, [])
    spread = float(encode(model, SPLITS.test["image"]).mu.var(0).mean())
    model = planted_encoder(model, math.sqrt(0.025 / spread), 0.0)
    with torch.no_grad():
        model.decoder[0].weight *= 0.05  # what so faint codes tell: the mean image and little more
    found = compute_metrics(model, SPLITS, features, PLAN, REFINEMENT)
    assert found.verdict.label == "nearly collapsed", found.verdict


def test_one_test_image_leaves_out_what_compares_images_and_says_so(features: nn.Module) -> None:
    few = Splits(SPLITS.train, examples(1, 1), examples(1, 2))
    found = compute_metrics(planted(2.0, []), few, features, PLAN, REFINEMENT)
    assert all(math.isfinite(value) for value in found.metrics.values())
    assert found.verdict.label == "undecided"
    assert "test/active_units" not in found.metrics and "1 test image" in found.not_measured


def test_images_that_are_all_alike_have_no_spread_and_no_verdict(features: nn.Module) -> None:
    same = {name: values[:1].repeat_interleave(31, 0) for name, values in examples(1, 1).items()}
    found = compute_metrics(planted(2.0, []), Splits(same, same, same), features, PLAN, REFINEMENT)
    assert found.verdict.label == "undecided"
    assert "test/reconstruction_spread" not in found.metrics
    assert found.not_measured == "spreads are not measured: they need test images that differ"
