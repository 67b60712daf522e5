"""One VAE for every lambda in a range, from one training."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hwsweep.argument_checks import check_count, check_number, check_numbers
from hwsweep.data import Shapes
from hwsweep.models import Batch, Model
from hwsweep.models.kl_terms import Constant, KLTerm
from hwsweep.models.lambda_conditioning import LambdaConditioning, conditioned, fold
from hwsweep.models.likelihoods import Likelihood
from hwsweep.models.networks import ImageShape
from hwsweep.models.vae import VAE, Networks, kl_to_standard_normal, pixels

GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it, modulo 1, fill [0, 1] evenly, whatever their number."""


class AllLambdaVAE(Model):
    """A VAE whose layers are scaled and shifted by functions of ln lambda (Bae et al. 2023, arXiv:2212.03905).

    In training each example has its own lambda, drawn log-uniformly from the range and a margin around it; a share of
    the examples only from where the latents collapse, because these lambdas take the longest to learn.

    Args:
        shapes, networks, latent, likelihood, log_var_limit: as in `VAE`.
        sigma2: as in `VAE`, but not "learned": the variance would differ between lambdas.
        kl_weight: the reference lambda, within the range: that of `outputs`, `distortion`, `rate` and `neg_elbo`.
        kl_term: the constant one.
        pixel_context: None.
        lambda_range: the smallest and the largest lambda of `at`.
        lambda_margin: training draws lambda from range[0] / margin to range[1] * margin, >= 1.
        collapse_draws: share of the examples whose lambda lies between the smallest and the largest learned lambda of
            collapse, in [0, 1).
        conditioning_width: of the hidden layer of the network of ln lambda.
        conditioning_knots: lambdas, log-spaced, at which the layers beside the code have weights of their own.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self,
        shapes: Shapes,
        *,
        networks: Networks,
        latent: int,
        likelihood: str,
        sigma2: float | str,
        kl_weight: float,
        kl_term: KLTerm,
        pixel_context: None,
        log_var_limit: float,
        lambda_range: Sequence[float],
        lambda_margin: float,
        collapse_draws: float,
        conditioning_width: int,
        conditioning_knots: int,
    ) -> None:
        super().__init__()
        check_numbers("vae.lambda_range", lambda_range, 2, "(0, inf)")
        low, high = self.lambda_range = (float(lambda_range[0]), float(lambda_range[1]))
        if low >= high:
            raise ValueError(f"`vae.lambda_range` must be [low, high] with low < high, but got {list(lambda_range)}")
        check_number("vae.lambda_margin", lambda_margin, "[1, inf)")
        check_number("vae.collapse_draws", collapse_draws, "[0, 1)")
        check_count("vae.conditioning_width", conditioning_width)
        check_count("vae.conditioning_knots", conditioning_knots, least=2)
        _check_single_settings(kl_term, sigma2, pixel_context)
        check_number("vae.lambda", kl_weight, f"[{low:g}, {high:g}]", unit="in vae.lambda_range")
        self.kl_weight = kl_weight
        self._single = functools.partial(
            VAE,
            shapes,
            networks=networks,
            latent=latent,
            likelihood=likelihood,
            sigma2=sigma2,
            kl_term=kl_term,
            pixel_context=None,
            log_var_limit=log_var_limit,
        )
        self.vae = self._single(kl_weight=kl_weight)
        self.drawn_range = (low / lambda_margin, high * lambda_margin)
        self.collapse_draws = collapse_draws
        self.conditioning = LambdaConditioning(
            *_networks(self.vae), latent, self.drawn_range, conditioning_width, conditioning_knots, log_var_limit
        )

    @property
    def latent(self) -> int:
        """Number of latents."""
        return self.vae.latent

    @property
    def image_shape(self) -> ImageShape:
        """Channels, height and width."""
        channels, height, width = self.vae.image_shape
        return channels, height, width

    @property
    def likelihood(self) -> Likelihood:
        """p(x | z), the same at every lambda."""
        return self.vae.likelihood

    def at(self, kl_weight: float) -> VAE:
        """The VAE of one lambda, with weights of its own.

        Raises:
            ValueError: lambda is outside the trained range.
        """
        low, high = self.lambda_range
        if not low <= kl_weight <= high:
            raise ValueError(f"lambda must be in the trained range [{low:g}, {high:g}], but got {kl_weight!r}")
        with torch.random.fork_rng(devices=[]):
            single = self._single(kl_weight=kl_weight)
        single.to(next(self.parameters()).device)
        single.load_state_dict(self.vae.state_dict())
        with torch.no_grad():
            log_weight = torch.tensor([math.log(kl_weight)], device=next(self.parameters()).device)
            fold(*_networks(single), self.conditioning(log_weight))
        return single.train(self.training)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Nats per image, shape (n,), from one sample of the posterior each (noise of the global generator).

        `loss` is (distortion + lambda * rate) * `loss_weight` at a lambda of the image's own: drawn anew in training
        mode; from the image's place in its batch in evaluation mode, so that epochs compare. `distortion`, `rate` and
        `neg_elbo`, their sum: at that lambda in training mode, at the reference lambda in evaluation mode.
        """
        image = pixels(batch["image"])
        log_weight = (self._drawn if self.training else self._even)(len(image)).to(image.device)
        distortion, rate = self.distortion_and_rate(image, log_weight)
        weight = torch.exp(log_weight)
        losses = {"loss": loss_weight(weight) * (distortion + weight * rate)}
        if not self.training:
            reference = torch.full_like(log_weight, math.log(self.kl_weight))
            distortion, rate = self.distortion_and_rate(image, reference)
        return losses | {"distortion": distortion, "rate": rate, "neg_elbo": distortion + rate}

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Those of the VAE at the reference lambda."""
        return self.at(self.kl_weight).outputs(batch)

    @torch.no_grad()
    def _drawn(self, n: int) -> Float[Tensor, " n"]:
        """ln lambda of each example of a training batch."""
        low, high = (math.log(end) for end in self.drawn_range)
        log_tau = self.conditioning.log_tau().clamp(low, high)
        first, last = log_tau.min(), log_tau.max()
        n_near = round(self.collapse_draws * n)
        near, everywhere = (_drawn_shares(count, log_tau.device) for count in (n_near, n - n_near))
        return torch.cat([first + (last - first) * near, low + (high - low) * everywhere])

    def _even(self, n: int) -> Float[Tensor, " n"]:
        """ln lambda of each example in evaluation mode: the same each time, spread over the range."""
        low, high = (math.log(end) for end in self.lambda_range)
        return low + (high - low) * torch.arange(n).mul(GOLDEN).frac()

    def distortion_and_rate(
        self, image: Float[Tensor, "n c h w"], log_weight: Float[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Nats per image, each at its own ln lambda; images in [0, 1], one sample of the posterior each."""
        encoder, decoder = _networks(self.vae)
        conditions = self.conditioning(log_weight)
        mu, raw = conditioned(encoder, image, conditions.encoder).float().chunk(2, dim=1)
        log_var = self.vae.log_var_limit * torch.tanh(raw / self.vae.log_var_limit)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        output = conditioned(decoder, z * conditions.gate, conditions.decoder)
        return self.likelihood.distortion(output.float(), image), kl_to_standard_normal(mu, log_var).sum(1)


def loss_weight(kl_weight: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The factor of an example's loss, so that large lambdas, with large losses, do not outweigh the small ones."""
    return (1 + kl_weight).rsqrt()


def _drawn_shares(n: int, device: torch.device) -> Float[Tensor, " n"]:
    """Uniform in [0, 1), one in each of n intervals of equal length, in random order."""
    return (torch.randperm(n, device=device) + torch.rand(n, device=device)) / n


def _networks(vae: VAE) -> tuple[nn.Sequential, nn.Sequential]:
    assert isinstance(vae.encoder, nn.Sequential) and isinstance(vae.decoder, nn.Sequential)
    return vae.encoder, vae.decoder


def _check_single_settings(kl_term: KLTerm, sigma2: float | str, pixel_context: object) -> None:
    """Refuse what would make the loss of a lambda another one than distortion + lambda * rate."""
    if not isinstance(kl_term, Constant):
        raise ValueError("a VAE for every lambda needs `kl=constant`: the other terms change lambda or the rate")
    if sigma2 == "learned":
        raise ValueError("a VAE for every lambda needs a number as `vae.sigma2`: a learned one differs between lambdas")
    if pixel_context is not None:
        raise ValueError("a VAE for every lambda has a decoder that sees the code alone, so no `model.pixel_context`")
