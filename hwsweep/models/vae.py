"""The variational autoencoder (Kingma & Welling 2014, arXiv:1312.6114) with a weight on its KL term."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from hwsweep.argument_checks import check_choice, check_count, check_number
from hwsweep.data import Shapes
from hwsweep.models import Batch, Model
from hwsweep.models.kl_terms import KLTerm, Weight
from hwsweep.models.likelihoods import Bernoulli, Gaussian, Likelihood, OptimalGaussian
from hwsweep.models.networks import ImageShape
from hwsweep.models.pixel_context import PixelContext
from hwsweep.training.noise import normal_like

Networks = Callable[[ImageShape, int], tuple[nn.Module, nn.Module]]


class VAE(Model):
    """A Gaussian encoder, a standard normal prior and a decoder; loss = distortion + kl_weight * penalty, in nats.

    Args:
        shapes: must have "image": (channels, height, width).
        networks: builds encoder and decoder from the image shape and the number of latents.
        likelihood: "bernoulli" or "gaussian".
        sigma2: variance of a pixel given the code, for the Gaussian likelihood (intensity squared), or "learned".
        kl_weight: lambda (the beta of Higgins et al. 2017), >= 0; 1 makes the loss the negative ELBO.
        kl_term: the penalty: the rate itself, or a remedy against posterior collapse.
        pixel_context: builds the part of the decoder that sees pixels from the number of channels; None without one.
        log_var_limit: the posterior's log-variance stays in (-limit, limit); at lambda = 0 nothing else bounds it.

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
        pixel_context: Callable[[int], PixelContext | None] | None,
        log_var_limit: float,
    ) -> None:
        super().__init__()
        check_number("vae.log_var_limit", log_var_limit, "(0, 50]")
        check_count("vae.latent", latent)
        check_number("vae.lambda", kl_weight, kl_term.LAMBDAS, unit=kl_term.LAMBDAS_NOTE)
        if "image" not in shapes:
            raise ValueError(f"a VAE needs a data set of images, but this one has {sorted(shapes)}")
        self.latent = latent
        self.given_kl_weight: Weight = kl_weight
        self.kl_term = kl_term
        self.log_var_limit = log_var_limit
        self.likelihood = _likelihood(likelihood, sigma2)
        channels, height, width = self.image_shape = shapes["image"]
        self.encoder, self.decoder = networks((channels, height, width), latent)
        self.pixel_context = None if pixel_context is None else pixel_context(channels)

    @property
    def kl_weight(self) -> float:
        """Lambda: the one that conf gives, or that the KL term has reached."""
        return float(self.kl_term.weight(self.given_kl_weight))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Nats per image, shape (n,), from one sample of the posterior each (noise of the global generator).

        `loss` = `distortion` + kl_weight * penalty, where the penalty is the rate unless a remedy changes it;
        `neg_elbo` = `distortion` + `rate`, the same scale at every weight. `sigma2`, if it is learned;
        `kl_weight`, if it changes.
        """
        image = pixels(batch["image"])
        mu, log_var = self.encode(image)
        z = mu + torch.exp(0.5 * log_var) * normal_like(mu)
        distortion = self.distortion(z, image)
        kl = kl_to_standard_normal(mu, log_var)
        rate = kl.sum(1)
        kl_weight = self.kl_term.weight(self.given_kl_weight)
        losses = {
            "loss": distortion + kl_weight * self.kl_term.penalty(kl),
            "distortion": distortion,
            "rate": rate,
            "neg_elbo": distortion + rate,
        }
        if isinstance(self.likelihood, OptimalGaussian):
            losses["sigma2"] = self.likelihood.sigma2.repeat(len(image))
        if isinstance(kl_weight, Tensor) and kl_weight is not self.given_kl_weight:
            losses["kl_weight"] = kl_weight.repeat(len(image))
        return losses

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """`mu` and `log_var` of q(z | x), (n, latent), and `reconstruction`: `decode` at z = mu."""
        mu, log_var = self.encode(pixels(batch["image"]))
        return {"mu": mu, "log_var": log_var, "reconstruction": self.decode(mu)}

    def numbers(self) -> dict[str, list[tuple[nn.Module, str]]]:
        of_kl_term: dict[str, list[tuple[nn.Module, str]]] = {
            f"kl.{name}": [(self.kl_term, name)] for name in self.kl_term.NUMBERS
        }
        return {"vae.lambda": [(self, "given_kl_weight")], **of_kl_term}

    def encode(self, image: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"]]:
        """Mean and log-variance of q(z | x) for images in [0, 1]."""
        mu, raw = self.encoder(image).float().chunk(2, dim=1)  # float32 also under autocast: small differences follow
        return self.kl_term.posterior(mu, self.log_var_limit * torch.tanh(raw / self.log_var_limit))

    def distortion(self, z: Float[Tensor, "n latent"], image: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """-ln p(x | z) in nats per image, up to the likelihood's constant, of images in [0, 1]."""
        output = self.decoder(z)
        if self.pixel_context is not None:
            output = self.pixel_context(output, image)
        return self.likelihood.distortion(output.float(), image)

    def decode(
        self, z: Float[Tensor, "n latent"], uniform: Float[Tensor, "n c h w"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """E[x | z] in units of intensity: 0 is black, 1 is white; drawn from p(x | z) if the decoder sees pixels.

        Args:
            uniform: numbers in [0, 1) for the draws. Without them all images are drawn with the same fixed numbers:
                they differ by z alone.
        """
        output = self.decoder(z)
        if self.pixel_context is None:
            return self.likelihood.mean(output)
        if uniform is None:
            uniform = torch.rand(output.shape[1:], generator=torch.Generator().manual_seed(0)).expand_as(output)
        return self.pixel_context.draw(output, uniform.to(output.device))

    def draw_noise(self, n_images: int, noise: torch.Generator) -> Float[Tensor, "n c h w"] | None:
        """Numbers in [0, 1) with which `decode` draws images; None if it draws none.

        Args:
            noise: a generator of the CPU.
        """
        return None if self.pixel_context is None else torch.rand((n_images, *self.image_shape), generator=noise)


def pixels(image: Num[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Intensities in [0, 1] from bytes; floats stay as they are."""
    return image if image.is_floating_point() else image.float().div_(255)


def kl_to_standard_normal(
    mu: Float[Tensor, "n latent"], log_var: Float[Tensor, "n latent"]
) -> Float[Tensor, "n latent"]:
    """KL(N(mu, exp(log_var)) || N(0, 1)) per latent in nats, >= 0 (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mu.square() + torch.exp(log_var) - 1 - log_var)


def active_unit_statistic(mu: Float[Tensor, "n latent"]) -> Float[Tensor, " latent"]:
    """Variance over images of each latent's posterior mean, >= 0 (Burda et al. 2016, arXiv:1509.00519, sec. 5.2).

    In units of the prior's variance: 0 if q(z | x) is the same for every image, 1 - exp(-2 KL) for a linear VAE.
    """
    return mu.double().var(0)


def active_units(statistic: Float[Tensor, " latent"], threshold: float) -> int:
    """Number of latents whose statistic exceeds the threshold (Burda et al. 2016 take 0.01)."""
    return int((statistic > threshold).sum())


def _likelihood(name: str, sigma2: float | str) -> Likelihood:
    check_choice("vae.likelihood", name, ("bernoulli", "gaussian"))
    if sigma2 == "learned":
        if name == "bernoulli":
            raise ValueError("`vae.sigma2=learned` needs `vae.likelihood=gaussian`, but got bernoulli, which has none")
        return OptimalGaussian()
    check_number("vae.sigma2", sigma2, "(0, inf)", unit="or learned")
    return Bernoulli() if name == "bernoulli" else Gaussian(float(sigma2))
