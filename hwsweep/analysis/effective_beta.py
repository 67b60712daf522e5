"""What a weight on the KL term means, whatever the loss is averaged over: the effective beta, in nats."""

from __future__ import annotations

from typing import NamedTuple


class EffectiveBeta(NamedTuple):
    """What a loss amounts to once both its terms are in nats."""

    beta: float
    """Weight of the KL against the log-likelihood (the beta of Higgins et al. 2017); 1 is the ELBO."""
    sentence: str


def effective_beta(kl_weight: float, reduction: str, n_pixels: int, likelihood: str, sigma2: float) -> EffectiveBeta:
    """The effective beta of lambda = `kl_weight`, and one sentence that states it.

    Args:
        reduction: "sum" adds the reconstruction term up over the pixels of an image, as this package does; "mean"
            averages it, as `F.mse_loss` and `F.binary_cross_entropy` do by default, and so divides it by `n_pixels`.
        n_pixels: channels times height times width.
        likelihood: "bernoulli" or "gaussian".
        sigma2: variance of a pixel, for the Gaussian likelihood: its term is |x - x_hat|^2 / (2 sigma2). `F.mse_loss`
            has no 2 there: it is sigma2 = 0.5, and its mean over 784 pixels with lambda = 1 is sigma2 = 392.

    Raises:
        ValueError: there is no such reduction.
    """
    if reduction not in ("sum", "mean"):
        raise ValueError(f"`reduction` must be sum or mean, but got {reduction!r}")
    averaged = reduction == "mean"
    beta = kl_weight * n_pixels if averaged else kl_weight
    how = "averaged" if averaged else "summed"
    text = f"lambda = {kl_weight:g} on a loss {how} over {n_pixels} pixels, in nats: effective beta {beta:g}"
    if averaged:
        text += f"; lambda = {kl_weight / n_pixels:.2g} would be effective beta {kl_weight:g}"
    if likelihood == "gaussian":
        text += f"; with sigma2 = {sigma2:g} a latent pays where its direction's variance exceeds {beta * sigma2:g}"
    return EffectiveBeta(beta, text)
