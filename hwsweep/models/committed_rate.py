"""The delta-VAE: posteriors that cannot become the prior."""

from __future__ import annotations

import math

import torch

from hwsweep.argument_checks import check_number
from hwsweep.models.kl_terms import GivenWeight, Latents, PerImage


class Delta(GivenWeight):
    """The rate of posteriors with at least `delta` nats per latent (Razavi et al. 2019, arXiv:1901.03416).

    This is the paper's independent delta-VAE, whose prior stays N(0, 1), not the one with an autoregressive prior:

        sigma = sigma_l + (sigma_u - sigma_l) logistic(log_var of the encoder),
        mu = sqrt(2 delta + 1 + ln sigma^2 - sigma^2) + max(0, mu of the encoder),

    where sigma_l and sigma_u are the two values at which the root is 0. Then KL(q || N(0, 1)) >= delta for every input.
    Means are positive, so the aggregate posterior differs from the prior, and samples from the prior are worse. (The
    paper fits an auxiliary prior to the latent codes; this class does not.)
    A committed rate is not committed information: an encoder that ignores x still pays delta per latent.

    Args:
        delta: nats per latent, > 0.
    """

    def __init__(self, *, delta: float) -> None:
        super().__init__()
        # beyond 100 exp(-2 delta) leaves single precision
        check_number("kl.delta", delta, "(0, 100]", unit="nats; `kl=constant` commits no rate")
        self.delta = delta
        self.sigma_l, self.sigma_u = (math.exp(log_var / 2) for log_var in committed_log_variances(delta))

    def penalty(self, kl: Latents) -> PerImage:
        return kl.sum(1)

    def unfinished(self) -> str:
        return ""

    def posterior(self, mu: Latents, log_var: Latents) -> tuple[Latents, Latents]:
        sigma = self.sigma_l + (self.sigma_u - self.sigma_l) * torch.sigmoid(log_var)
        committed_log_var = 2 * torch.log(sigma)
        # at both ends of sigma's range the square is 0, where the root has no finite gradient
        min_mu_squared = (2 * self.delta + 1 + committed_log_var - sigma.square()).clamp(min=1e-12)
        return min_mu_squared.sqrt() + torch.relu(mu), committed_log_var


def committed_log_variances(delta: float) -> tuple[float, float]:
    """The lower (< 0) and the upper (> 0) solution u = ln sigma^2 of u - e^u + 2 delta + 1 = 0, by bisection."""

    def root(outside: float, inside: float) -> float:
        for _ in range(100):
            middle = (outside + inside) / 2
            if middle - math.exp(middle) + 2 * delta + 1 < 0:
                outside = middle
            else:
                inside = middle
        return inside

    # the left side is 2 delta at u = 0 and negative at both far ends: e^u > 0, and e^u >= 1 + u + u^2 / 2 for u >= 0
    return root(-(2 * delta + 1), 0.0), root(2 * math.sqrt(delta), 0.0)
