"""The closed form against a numerical optimum, scikit-learn's eigenvalues and the real data's known numbers."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize, minimize_scalar
from sklearn.decomposition import PCA

from hwsweep.analysis.linear_vae import (
    Prediction,
    kl_weight_of_rate,
    predict,
    predict_learned_variance,
    prediction_metrics,
    sentence,
    training_gap,
    under_trained,
)
from hwsweep.analysis.spectrum import Spectrum, cached_spectrum, spectrum
from hwsweep.data import Splits

EIGENVALUES = torch.tensor([4.0, 1.5, 0.6, 0.1], dtype=torch.float64)
SPECTRUM = Spectrum(EIGENVALUES, 6.2, True, EIGENVALUES, 6.2)  # the test images vary as the training images do
DATA = os.environ.get("HWSWEEP_DATA")  # read at import: a fixture points the variable elsewhere
TIBETAN_MNIST = Path(DATA or "absent") / "tibetan_mnist" / "TibetanMNIST.npz"


def images(n: int, *shape: int) -> torch.Tensor:
    """Noise whose pixels share a few directions of falling strength, so that eigenvalues differ."""
    generator = torch.Generator().manual_seed(0)
    n_pixels = math.prod(shape)
    strength = 0.7 ** torch.arange(40)
    mix = torch.linalg.qr(torch.randn(n_pixels, 40, generator=generator)).Q * strength * n_pixels**0.5
    points = (
        128 + 30 * (torch.randn(n, 40, generator=generator) @ mix.T) + torch.randn(n, n_pixels, generator=generator)
    )
    return points.clamp(0, 255).to(torch.uint8).reshape(n, *shape)


def closed(kl_weight: float, sigma2: float, latent: int) -> Prediction:
    return predict(SPECTRUM, kl_weight, sigma2, latent)


@pytest.mark.parametrize(("kl_weight", "sigma2"), [(1.0, 1.0), (0.5, 0.4), (2.5, 1.0), (30.0, 0.2)])
def test_no_linear_vae_found_by_a_numerical_optimiser_is_better_and_the_best_is_as_predicted(
    kl_weight: float, sigma2: float
) -> None:
    covariance, latent = EIGENVALUES.numpy(), 3  # diagonal: any other is a rotation of it

    def parts(parameters: np.ndarray) -> tuple[float, float, np.ndarray]:
        w, a = parameters[:12].reshape(4, 3), parameters[12:24].reshape(3, 4)
        log_var = parameters[24:]
        left = np.eye(4) - w @ a
        error = (left**2 * covariance).sum() + (np.exp(log_var) * (w**2).sum(0)).sum()
        statistic = (a**2 * covariance).sum(1)
        return error, 0.5 * (statistic + np.exp(log_var) - 1 - log_var).sum(), statistic

    def loss(parameters: np.ndarray) -> float:
        error, rate, _ = parts(parameters)
        return float(error / (2 * sigma2) + kl_weight * rate)

    start = np.random.default_rng(0).normal(size=27)
    optimum = minimize(loss, start, method="BFGS", options={"gtol": 1e-7, "maxiter": 5000})
    error, rate, statistic = parts(optimum.x)
    found = closed(kl_weight, sigma2, latent)
    assert found.objective == pytest.approx(optimum.fun, abs=1e-5)
    assert (found.distortion * 2 * sigma2, found.rate) == pytest.approx((error, rate), abs=2e-3)
    np.testing.assert_allclose(found.statistic, sorted(statistic, reverse=True), atol=2e-3)
    assert found.active_units == (statistic > 0.01).sum()


@pytest.mark.parametrize("exact_pixels", [1024, 50])  # 50: by subspace iteration
@pytest.mark.parametrize(("kl_weight", "sigma2"), [(1.0, 0.1), (0.25, 0.2), (0.3, 0.04)])
def test_the_prediction_for_other_images_is_that_of_probabilistic_pca(
    exact_pixels: int, kl_weight: float, sigma2: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoder and decoder written out (Tipping & Bishop 1999, eqs. 6 and 7), applied to images they are not made of."""
    monkeypatch.setattr("hwsweep.analysis.spectrum.EXACT_PIXELS", exact_pixels)
    train, test = images(701, 1, 11, 7), images(131, 1, 11, 7).flip(3)
    x, y = (image.flatten(1).double() / 255 for image in (train, test))
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    values, vectors, noise = values.flip(0)[:5], vectors.flip(1)[:, :5], kl_weight * sigma2
    keep = values > noise
    assert keep.any()
    e, u = values[keep], vectors[:, keep]
    mu = (y - x.mean(0)) @ u * (e - noise).sqrt() / e
    posterior = torch.distributions.Normal(mu, (noise / e).sqrt().expand_as(mu))
    rate = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    decoder = u * (e - noise).sqrt()
    error = (y - x.mean(0) - mu @ decoder.T).square().sum(1).mean() + (decoder.square().sum(0) * noise / e).sum()
    found = predict(spectrum(train, test, 5, "gaussian"), kl_weight, sigma2, 5)
    assert found.test_rate == pytest.approx(float(rate), rel=5e-3)
    assert found.test_distortion == pytest.approx(float(error) / (2 * sigma2), rel=1e-3)
    assert found.test_objective == pytest.approx(found.test_distortion + kl_weight * found.test_rate)


@pytest.mark.parametrize("kl_weight", [0.0, 0.25, 1.0, 20.0])
def test_a_learned_variance_is_the_one_with_the_lowest_objective(kl_weight: float) -> None:
    def objective(log_sigma2: float) -> float:
        return predict(SPECTRUM, kl_weight, math.exp(log_sigma2), 3).objective + 11 / 2 * log_sigma2

    best = minimize_scalar(objective, bounds=(-7, 2), method="bounded", options={"xatol": 1e-9})
    found = predict_learned_variance(SPECTRUM, kl_weight, 3, 11)
    assert found.sigma2 == pytest.approx(math.exp(best.x), rel=1e-4)
    assert found.objective == pytest.approx(best.fun, abs=1e-8)
    assert prediction_metrics(found)["predicted/sigma2"] == found.sigma2


@pytest.mark.parametrize("rate", [0.01, 1.0, 5.0, 40.0])
@pytest.mark.parametrize("sigma2", [1.0, 0.3])
def test_the_lambda_of_a_rate_is_where_the_eigenvalues_give_that_rate(rate: float, sigma2: float) -> None:
    found = kl_weight_of_rate(rate, lambda kl_weight: closed(kl_weight, sigma2, 3))
    ratios = SPECTRUM.leading[:3].numpy() / (found * sigma2)
    assert 0.5 * np.log(np.maximum(ratios, 1)).sum() == pytest.approx(rate, rel=1e-9)
    one = kl_weight_of_rate(rate, lambda kl_weight: closed(kl_weight, sigma2, 1))
    assert one == pytest.approx(float(SPECTRUM.leading[0]) / sigma2 * math.exp(-2 * rate), rel=1e-9)


def test_with_a_learned_variance_the_lambda_of_a_rate_is_that_of_its_own_variance() -> None:
    found = kl_weight_of_rate(2.0, lambda kl_weight: predict_learned_variance(SPECTRUM, kl_weight, 3, 11))
    noise = found * predict_learned_variance(SPECTRUM, found, 3, 11).sigma2
    assert 0.5 * np.log(np.maximum(SPECTRUM.leading[:3].numpy() / noise, 1)).sum() == pytest.approx(2.0)


def test_images_that_are_all_alike_have_a_prediction() -> None:
    none = torch.zeros(3, dtype=torch.float64)
    found = predict_learned_variance(Spectrum(none, 0.0, True, none, 0.0), 1.0, 3, 11)
    assert (found.active_units, found.rate, found.test_rate, found.collapse_lambda) == (0, 0, 0, 0)
    assert "all images are alike" in training_gap(0.0, 0.0, found)
    alike = Spectrum(none, 0.0, True, none, 0.0)
    assert math.isnan(kl_weight_of_rate(1.0, lambda kl_weight: predict(alike, kl_weight, 1.0, 3)))


def test_with_a_learned_variance_total_collapse_comes_at_its_own_lambda() -> None:
    limit = predict_learned_variance(SPECTRUM, 1.0, 3, 11).collapse_lambda
    assert predict_learned_variance(SPECTRUM, 0.999 * limit, 3, 11).active_units > 0
    assert predict_learned_variance(SPECTRUM, 1.001 * limit, 3, 11).active_units == 0


def test_total_collapse_comes_where_the_weight_reaches_the_largest_eigenvalue() -> None:
    assert closed(0.99 * 4 / 0.3, 0.3, 3).active_units == 1
    beyond = closed(1.01 * 4 / 0.3, 0.3, 3)
    assert (beyond.active_units, beyond.rate) == (0, 0)
    assert beyond.distortion == pytest.approx(6.2 / 0.6)
    assert beyond.collapse_lambda == pytest.approx(4 / 0.3)


def test_lambda_zero_is_pca_with_an_infinite_rate() -> None:
    found = closed(0.0, 2.0, 3)
    assert found.rate == math.inf
    assert found.objective == found.distortion == pytest.approx(0.1 / 4)
    assert found.active_units == 3
    assert "predicted/rate" not in prediction_metrics(found)


def test_more_latents_than_directions_stay_inactive() -> None:
    found = closed(1.0, 1.0, 7)
    assert found.statistic.tolist() == pytest.approx([0.75, 1 / 3, 0, 0, 0, 0, 0])
    assert closed(0.0, 1.0, 7).active_units == 4


@pytest.mark.parametrize("shape", [(1, 11, 7), (3, 23, 29)])
def test_eigenvalues_are_those_of_scikit_learn(shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwsweep.analysis.spectrum.IMAGES_AT_ONCE", 97)
    image = images(401, *shape)
    points = image.flatten(1).double().numpy() / 255
    expected = PCA(13, svd_solver="full").fit(points).explained_variance_ * 400 / 401
    found = spectrum(image, image, 13, "gaussian")
    # the larger shape goes by subspace iteration: below TOLERANCE a pass is left
    np.testing.assert_allclose(found.leading, expected, rtol=1e-5 if math.prod(shape) < 1024 else 2e-4)
    assert found.collapsed_error == pytest.approx(points.var(0).sum(), rel=1e-5)


def test_near_collapse_a_bernoulli_latent_lowers_the_loss_below_the_largest_eigenvalue_and_not_above() -> None:
    """The Bernoulli loss of one weak latent along the leading direction, integrated over its noise."""
    image = images(211, 1, 6, 7)
    x = image.flatten(1).double() / 255
    p = x.mean(0)
    whitened = (x - p) / (p * (1 - p)).sqrt()
    values, vectors = np.linalg.eigh(np.cov(whitened.numpy().T, ddof=0))
    found = spectrum(image, image, 2, "bernoulli")
    assert found.leading.tolist() == pytest.approx(values[:-3:-1], rel=1e-5)
    direction = torch.from_numpy(vectors[:, -1].copy())
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)

    def loss(kl_weight: float, strength: float) -> float:
        # encoder: the best for a loss that is quadratic in z
        mu = strength / (kl_weight + strength**2) * whitened @ direction
        variance = kl_weight / (kl_weight + strength**2)
        total = kl_weight * 0.5 * float((mu.square() + variance - 1 - math.log(variance)).mean())
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            z = mu + math.sqrt(variance) * float(node)
            logits = torch.logit(p) + strength * z[:, None] * direction / (p * (1 - p)).sqrt()
            cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
            total += float(weight) * float(cross_entropy.mean())
        return total

    largest = predict(found, 1.0, 7.0, 2).collapse_lambda  # sigma2 is no part of a Bernoulli likelihood
    # smaller by a margin of order strength^2 = 4e-4 times the 10 % that the weight is off; beyond it is of order 1e-7
    assert loss(0.9 * largest, 0.02) < loss(0.9 * largest, 0.0)
    assert loss(1.1 * largest, 0.02) > loss(1.1 * largest, 0.0)
    assert found.collapsed_error == pytest.approx(2 * loss(1.0, 0.0), rel=1e-6)
    assert not found.exact


@pytest.mark.skipif(not TIBETAN_MNIST.exists(), reason="needs TibetanMNIST: set HWSWEEP_DATA or fetch it")
def test_on_tibetan_mnist_the_numbers_are_the_known_ones() -> None:
    image = torch.from_numpy(np.load(TIBETAN_MNIST)["image"])[:, None]
    found = spectrum(image, image, 32, "gaussian")
    assert found.leading[:2].tolist() == pytest.approx([11.512, 7.745], abs=1e-3)
    assert found.collapsed_error == pytest.approx(90.70, abs=0.01)
    at_one = predict(found, 1.0, 1.0, 32)
    assert at_one.active_units == 20
    assert at_one.rate == pytest.approx(8.79, abs=0.005)
    assert at_one.distortion * 2 == pytest.approx(48.44, abs=0.01)
    # a loss averaged over 784 pixels is one with sigma2 = 392
    assert predict(found, 1.0, 392.0, 32).active_units == 0


@pytest.mark.parametrize(
    ("kl_weight", "sigma2", "text"),
    [
        (100.0, 1.0, "lambda=100: total collapse predicted for a linear model, e_1 = 4 < 100"),
        (100.0, 0.1, "lambda=100: total collapse predicted for a linear model, e_1 / sigma2 = 40 < 100"),
        (4.0, 1.0, "lambda=4: total collapse predicted for a linear model, e_1 = 4 = 4"),
        (
            1.0,
            1.0,
            (
                "lambda=1: 2 of 3 latents active predicted for a linear model, rate 0.90 and distortion 1.35 nats "
                "(test images: 0.90 and 1.35); "
                "total collapse from e_1 = 4 on"
            ),
        ),
        (
            0.0,
            1.0,
            "lambda=0: no collapse and no finite rate predicted for a linear model: the loss does not contain the rate",
        ),
    ],
)
def test_the_sentence_says_what_to_expect(kl_weight: float, sigma2: float, text: str) -> None:
    assert sentence(closed(kl_weight, sigma2, 3), kl_weight) == text


def test_the_sentence_calls_a_bernoulli_prediction_a_linear_approximation() -> None:
    found = predict(SPECTRUM._replace(exact=False), 5.0, 0.1, 3)
    assert sentence(found, 5.0) == (
        "lambda=5: total collapse predicted by a linear approximation (Bernoulli), e_1 = 4 < 5"
    )


def test_a_loss_above_the_linear_optimum_is_under_trained() -> None:
    optimum = closed(1.0, 1.0, 3)
    for rate in (None, optimum.test_rate):
        assert under_trained(optimum.test_objective * 1.02, rate, optimum, 0.01).startswith("under-trained: ")
        assert under_trained(optimum.test_objective * 1.005, rate, optimum, 0.01) == ""


def test_a_rate_far_from_the_linear_optimum_is_under_trained_also_where_the_loss_hides_it() -> None:
    optimum = predict_learned_variance(SPECTRUM, 0.25, 3, 784)
    for share in (1.11, 0.89):  # a learned variance makes the squared error D/2 nats, so lambda * rate weighs little
        rate = share * optimum.test_rate
        objective = optimum.test_objective + 0.25 * abs(rate - optimum.test_rate)
        assert under_trained(objective, None, optimum, 0.01) == ""  # of a nonlinear model the best rate is unknown
        assert f"rate is {rate:.2f} nats" in under_trained(objective, rate, optimum, 0.01)
    assert under_trained(optimum.test_objective, 1.005 * optimum.test_rate, optimum, 0.01) == ""


def test_a_rate_far_below_a_nat_is_compared_in_nats_and_an_infinite_one_not_at_all() -> None:
    collapsed = closed(100.0, 1.0, 3)
    assert under_trained(collapsed.test_objective, 0.005, collapsed, 0.01) == ""
    assert under_trained(collapsed.test_objective, 0.02, collapsed, 0.01) != ""
    unregularised = closed(0.0, 1.0, 3)
    assert under_trained(unregularised.test_objective, 300.0, unregularised, 0.01) == ""


@pytest.mark.parametrize(
    ("kl_weight", "text"),
    [
        (100.0, "squared error +1.00%, rate 0.0012 nats where 0 is predicted;"),
        (0.0, "squared error +1.00%, no finite rate predicted;"),
    ],
)
def test_the_gap_of_a_rate_without_a_share_is_said_in_words(kl_weight: float, text: str) -> None:
    found = closed(kl_weight, 1.0, 3)
    assert text in training_gap(0.0012, 1.01 * 2 * found.test_distortion, found)


def test_a_cached_spectrum_is_read_back_for_the_same_data_number_and_likelihood_only() -> None:
    image, other = images(101, 1, 5, 11), images(103, 1, 11, 5)
    splits, others = (Splits({"image": training}, {}, {"image": training[:50]}) for training in (image, other))
    for n_leading, likelihood in [(3, "gaussian"), (3, "bernoulli"), (5, "gaussian")]:
        expected = spectrum(image, image[:50], n_leading, likelihood)
        for given in (splits, others):  # the second time the file answers, whatever the images
            found = cached_spectrum(given, "digest", n_leading, likelihood)
            torch.testing.assert_close(found, expected, rtol=0, atol=0)
    found, expected = (
        cached_spectrum(others, "another digest", 3, "gaussian"),
        spectrum(other, other[:50], 3, "gaussian"),
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
