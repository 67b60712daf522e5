"""The effective beta against gradients of the loss a user would write."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hwsweep.analysis.effective_beta import effective_beta


def test_a_summed_loss_in_nats_has_the_effective_beta_lambda() -> None:
    found = effective_beta(1.0, "sum", 784, "bernoulli", 1.0)
    assert found.beta == 1
    assert found.sentence == "lambda = 1 on a loss summed over 784 pixels, in nats: effective beta 1"


def test_a_mean_reduced_loss_is_the_summed_one_with_lambda_times_the_pixels() -> None:
    logits, image = torch.randn(1, 784, requires_grad=True), torch.rand(1, 784)
    log_var = torch.tensor(0.5, requires_grad=True)
    kl = 0.5 * (torch.exp(log_var) - 1 - log_var) + 0 * logits.sum()
    written = F.binary_cross_entropy_with_logits(logits, image) + 3.0 * kl
    found = effective_beta(3.0, "mean", 784, "bernoulli", 1.0)
    meant = F.binary_cross_entropy_with_logits(logits, image, reduction="sum") + found.beta * kl
    torch.testing.assert_close(written * 784, meant)
    assert found.sentence == (
        "lambda = 3 on a loss averaged over 784 pixels, in nats: effective beta 2352; "
        "lambda = 0.0038 would be effective beta 3"
    )


def test_a_gaussian_likelihood_names_the_variance_that_a_latent_must_explain() -> None:
    assert effective_beta(2.0, "sum", 784, "gaussian", 0.1).sentence == (
        "lambda = 2 on a loss summed over 784 pixels, in nats: effective beta 2; "
        "with sigma2 = 0.1 a latent pays where its direction's variance exceeds 0.2"
    )


def test_the_mean_squared_error_of_784_pixels_needs_variances_above_392() -> None:
    # |x - x_hat|^2 / 784 is |x - x_hat|^2 / (2 * 392)
    assert effective_beta(1.0, "mean", 784, "gaussian", 0.5).sentence.endswith("direction's variance exceeds 392")


def test_another_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="`reduction` must be sum or mean, but got 'none'"):
        effective_beta(1.0, "none", 784, "bernoulli", 1.0)
