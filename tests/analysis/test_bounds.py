"""The bounds on a linear Gaussian model, whose likelihood and posterior are known, and on hand-worked decoders."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn

from hwsweep.analysis import bounds
from hwsweep.analysis.bounds import bound_sentence, importance_weighted, permute_codes
from hwsweep.analysis.posterior import Posterior
from hwsweep.models.kl_terms import Constant
from hwsweep.models.networks import fully_connected
from hwsweep.models.vae import VAE

SIGMA2 = 0.05
SHAPE = (1, 3, 2)
CONSTANT = 6 / 2 * math.log(2 * math.pi * SIGMA2)


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (23, *SHAPE), generator=noise(1), dtype=torch.uint8)


@pytest.fixture
def model() -> VAE:
    networks = partial(fully_connected, hidden=[], activation="relu")
    model = VAE(
        {"image": SHAPE},
        networks=networks,
        latent=2,
        likelihood="gaussian",
        sigma2=SIGMA2,
        kl_weight=1.0,
        kl_term=Constant(),
        pixel_context=None,
        log_var_limit=10.0,
    )
    linear = model.decoder[0]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        # orthogonal columns: the exact posterior is diagonal, as the model's is
        linear.weight.copy_(torch.tensor([[0.3, 0, 0.2, 0, 0.1, 0], [0, 0.4, 0, -0.1, 0, 0.2]]).T)
        linear.bias.fill_(0.5)
    return model.eval()


def exact_posterior(model: VAE, images: torch.Tensor) -> Posterior:
    """Textbook: covariance (I + W'W / s2)^-1, mean covariance W'(x - b) / s2."""
    w = next(model.decoder.parameters()).detach()
    covariance = torch.linalg.inv(torch.eye(2) + w.T @ w / SIGMA2)
    mu = (images.flatten(1) / 255 - 0.5) @ w @ covariance / SIGMA2
    return Posterior(mu, covariance.diagonal().log().expand_as(mu))


def true_negative_log_likelihood(model: VAE, images: torch.Tensor) -> float:
    w = next(model.decoder.parameters()).detach().double()
    x = multivariate_normal([0.5] * 6, (w @ w.T + SIGMA2 * torch.eye(6)).numpy())
    return float(-x.logpdf(images.flatten(1).double().numpy() / 255).mean()) - CONSTANT


def test_with_the_exact_posterior_the_bound_is_the_likelihood_itself(model: VAE, images: torch.Tensor) -> None:
    found = importance_weighted(model, images, exact_posterior(model, images), 3, noise())
    assert found.iw_bound == pytest.approx(true_negative_log_likelihood(model, images), abs=1e-4)
    assert found.iw_effective_samples == pytest.approx(3, abs=1e-4)
    assert not found.iw_bound_loose


def test_with_another_posterior_the_bound_lies_above_the_likelihood_and_falls_with_k(
    model: VAE, images: torch.Tensor
) -> None:
    mu, log_var = exact_posterior(model, images)
    truth = true_negative_log_likelihood(model, images)
    few, many = (importance_weighted(model, images, Posterior(mu + 0.3, log_var + 0.7), k, noise()) for k in (2, 2000))
    # 2,000 samples leave a gap of about (relative variance of a weight = 3) / 4,000 < 0.001 nats and noise of
    # sqrt(3 / 2000 / 23) = 0.008: 4 of these; the gap at k = 2 is far larger
    assert many.iw_bound == pytest.approx(truth, abs=0.032)
    assert few.iw_bound > truth + 0.05
    assert few.iw_bound_loose and not many.iw_bound_loose


def test_with_many_samples_the_bound_with_its_constant_is_ln_p_of_x_of_a_linear_vae(
    model: VAE, images: torch.Tensor
) -> None:
    with torch.no_grad():  # columns that are not orthogonal: the exact posterior is not one of a VAE's
        next(model.decoder.parameters())[0] = torch.tensor([0.3, 0.2])
    w = next(model.decoder.parameters()).detach().double()
    x = images.flatten(1).double().numpy() / 255
    exact = multivariate_normal([0.5] * 6, (w @ w.T + SIGMA2 * torch.eye(6)).numpy()).logpdf(x)  # N(b, W W' + s2 I)
    mu, log_var = exact_posterior(model, images)
    found = importance_weighted(model, images, Posterior(mu, log_var + 0.5), 2000, noise())
    # the effective samples say how far a mean over images of ln(mean weight) strays: 4 standard errors
    abs_error = 4 * math.sqrt(1 / found.iw_effective_samples / 23)
    assert abs_error < 0.04
    assert -found.iw_bound - CONSTANT == pytest.approx(exact.mean(), abs=abs_error)
    assert found.iw_bound_error == pytest.approx(exact.std() / math.sqrt(23), rel=0.02)


def test_sums_sample_by_sample_are_those_over_all_weights_at_once(model: VAE, images: torch.Tensor) -> None:
    mu, log_var = exact_posterior(model, images)
    posterior, again = Posterior(mu + 0.3, log_var + 0.7), noise()
    found = importance_weighted(model, images, posterior, 7, noise())
    normal = torch.distributions.Normal(posterior.mu.double(), torch.exp(posterior.log_var.double() / 2))
    z = torch.stack([normal.loc + normal.scale * torch.randn(mu.shape, generator=again).double() for _ in range(7)])
    with torch.no_grad():
        mean = model.decode(z.float().flatten(0, 1)).double().view(7, 23, 6)
    distortion = (mean - images.flatten(1).double() / 255).square().sum(2) / (2 * SIGMA2)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(2)
    weight = torch.softmax(prior - normal.log_prob(z).sum(2) - distortion, 0)
    bound = -torch.logsumexp(prior - normal.log_prob(z).sum(2) - distortion, 0) + math.log(7)
    assert found.distortion == pytest.approx(float(distortion.mean()), rel=1e-5)
    assert found.iw_bound == pytest.approx(float(bound.mean()), abs=1e-4)
    assert found.iw_effective_samples == pytest.approx(float((1 / weight.square().sum(0)).mean()), rel=1e-4)


@pytest.mark.parametrize(("n_samples", "lines"), [(99, 0), (100, 2)])
def test_only_many_samples_show_their_progress(
    model: VAE, images: torch.Tensor, capsys: pytest.CaptureFixture[str], n_samples: int, lines: int
) -> None:
    importance_weighted(model, images, exact_posterior(model, images), n_samples, noise())
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == lines
    assert not lines or shown[-1] == "importance-weighted bound: 2,300 of 2,300 samples"


def test_the_sentence_calls_a_bound_loose_in_one_word() -> None:
    tight = {"test/iw_bound": 97.123, "test/iw_effective_samples": 345.6, "test/iw_bound_loose": 0.0}
    assert (
        bound_sentence(tight, 5000) == "importance-weighted bound 97.12 nats (346 of 5000 samples effective on average)"
    )
    loose = {"test/iw_bound": 97.123, "test/iw_effective_samples": 1.76, "test/iw_bound_loose": 1.0}
    assert bound_sentence(loose, 8) == (
        "importance-weighted bound 97.12 nats (1.76 of 8 samples effective on average; loose, a "
        "larger `analysis.plan.importance_samples` lowers it)"
    )


def test_the_bound_lies_below_the_negative_elbo(model: VAE, images: torch.Tensor) -> None:
    mu, log_var = exact_posterior(model, images)
    found = importance_weighted(model, images, Posterior(mu + 0.3, log_var + 0.7), 2000, noise())
    rate = torch.distributions.kl_divergence(
        torch.distributions.Normal(mu + 0.3, torch.exp((log_var + 0.7) / 2)), torch.distributions.Normal(0.0, 1.0)
    )
    neg_elbo = found.distortion + float(rate.sum(1).mean())
    # closed form of the gap for k = infinity: KL(q || exact posterior)
    exact = torch.distributions.Normal(mu, torch.exp(log_var / 2))
    sampled = torch.distributions.Normal(mu + 0.3, torch.exp((log_var + 0.7) / 2))
    gap = float(torch.distributions.kl_divergence(sampled, exact).sum(1).mean())
    # the distortion's noise: 23 x 2,000 draws with a deviation below 3 nats, 4 of 0.014; the bound's: see above
    assert neg_elbo - found.iw_bound == pytest.approx(gap, abs=0.088)


def test_distortion_is_the_mean_over_codes_of_the_squared_error(model: VAE, images: torch.Tensor) -> None:
    mu, log_var = exact_posterior(model, images)
    found = importance_weighted(model, images, Posterior(mu, log_var), 2000, noise())
    w = next(model.decoder.parameters()).detach()
    error = images.flatten(1) / 255 - 0.5 - mu @ w.T
    # E|x - W z - b|^2 = |x - W mu - b|^2 + sum of variance times squared length of the column
    expected = error.square().sum(1) + log_var.exp() @ w.square().sum(0)
    assert found.distortion == pytest.approx(float(expected.mean()) / (2 * SIGMA2), rel=0.01)


def test_a_posterior_far_off_is_flagged_as_loose(model: VAE, images: torch.Tensor) -> None:
    mu, log_var = exact_posterior(model, images)
    found = importance_weighted(model, images, Posterior(mu + 4, log_var), 50, noise())
    assert found.iw_bound_loose
    assert found.iw_effective_samples < 10


def test_one_sample_is_refused(model: VAE, images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="at least 2 samples, but got 1"):
        importance_weighted(model, images, exact_posterior(model, images), 1, noise())


def test_each_chunk_pairs_images_with_their_own_codes(
    model: VAE, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (model, images, exact_posterior(model, images))
    whole = importance_weighted(*arguments, 7, noise()), permute_codes(*arguments, noise())
    monkeypatch.setattr(bounds, "IMAGES_AT_ONCE", 21)
    # with the exact posterior the bound does not depend on the noise
    assert importance_weighted(*arguments, 7, noise()).iw_bound == pytest.approx(whole[0].iw_bound, abs=1e-4)
    assert permute_codes(*arguments, noise()) == pytest.approx(whole[1], rel=1e-5)


def test_a_decoder_that_ignores_its_code_does_not_care_whose_it_is(model: VAE, images: torch.Tensor) -> None:
    with torch.no_grad():
        next(model.decoder.parameters()).zero_()
    assert permute_codes(model, images, exact_posterior(model, images), noise()) == (0, 0)


def test_permuting_two_images_swaps_their_codes(model: VAE) -> None:
    images = torch.zeros(2, *SHAPE, dtype=torch.uint8)
    images[1] = 255
    w, b = torch.tensor([[1.0, 0]] * 6), torch.zeros(6)
    model.decoder[0].weight.data, model.decoder[0].bias.data = w, b  # type: ignore[index, union-attr]
    mu = torch.tensor([[0.0, 0], [1.0, 0]])
    found = permute_codes(model, images, Posterior(mu, torch.full((2, 2), -40.0)), noise())
    # each of 6 pixels is wrong by 1 with the other's code and right with its own
    assert found.permuted_distortion == pytest.approx(6 / (2 * SIGMA2), rel=1e-6)


def test_permuting_leaves_no_image_its_own_code_on_average(model: VAE, images: torch.Tensor) -> None:
    mu, _ = exact_posterior(model, images)
    found = permute_codes(model, images, Posterior(mu, torch.full_like(mu, -40.0)), noise())
    w = next(model.decoder.parameters()).detach()
    mean = 0.5 + mu @ w.T
    distances = torch.cdist(images.flatten(1) / 255, mean, compute_mode="donot_use_mm_for_euclid_dist").square()
    own = distances.diagonal()
    expected = (distances.sum(1) - own) / 22 - own  # over all others
    # one other image each: standard error of the mean over images, 4 of them
    assert found.permuted_distortion == pytest.approx(
        float(expected.mean()) / (2 * SIGMA2), abs=4 * found.permuted_distortion_error
    )
    assert found.permuted_distortion > 4 * found.permuted_distortion_error
