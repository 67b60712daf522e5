"""Posteriors refined per image: what the decoder could use, if the encoder followed it.

An encoder that lags behind its decoder has a collapsed posterior, although better latent codes exist (He et al. 2019,
arXiv:1901.05534). Gradient steps on the mean and log-variance of each image find them. What the loss
falls by is the amortisation gap (Cremer et al. 2018, arXiv:1801.03558).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hwsweep.analysis.collapse import information
from hwsweep.analysis.posterior import Posterior
from hwsweep.argument_checks import check_choice, check_count, check_number
from hwsweep.models.vae import VAE, kl_to_standard_normal, pixels

CODES = 8
"""Latent codes per image that compare the loss before and after; the same noise on both sides."""


@dataclass(frozen=True)
class RefinementPlan:
    """How the posterior is refined; every value comes from conf."""

    when: str
    """auto: only where the verdict depends on it; or always, never."""
    images: int
    """Largest number of test images."""
    steps: int
    """Gradient steps on the mean and log-variance of each image."""
    learning_rate: float
    """Of Adam at the first step; it falls linearly to 0."""

    def __post_init__(self) -> None:
        check_choice("analysis.refinement.when", self.when, ("auto", "always", "never"))
        for name in ("images", "steps"):
            check_count(f"analysis.refinement.{name}", getattr(self, name))
        check_number("analysis.refinement.learning_rate", self.learning_rate, "(0, inf)")


class Refinement(NamedTuple):
    """Means over the refined images in nats per image; each `..._error` is a standard error."""

    refined_distortion: float
    refined_rate: float
    refined_mutual_information: float
    """Between the images and codes of their refined posteriors; at most ln of the number of refined images."""
    refined_mutual_information_error: float
    amortisation_gap: float
    """How much the refined posterior lowers the run's own loss, distortion + lambda * penalty."""
    amortisation_gap_error: float


def refinement(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, plan: RefinementPlan, noise: torch.Generator
) -> Refinement:
    """The posterior of the first images after gradient steps from the encoder's, with frozen networks.

    Args:
        model: in evaluation mode.
        posterior: of these images.
        noise: a generator of the CPU.
    """
    device = next(model.parameters()).device
    target = pixels(image[: plan.images].to(device))
    before = Posterior(*(values[: plan.images].to(device) for values in posterior))
    after = _refined(model, target, before, plan, noise)
    standard = torch.randn((CODES, *before.mu.shape), generator=noise).to(device)
    with torch.inference_mode():
        (_, loss), (distortion, refined_loss) = (_losses(model, target, each, standard) for each in (before, after))
        rate = float(kl_to_standard_normal(*after).sum(1).double().mean())
    gain = (loss - refined_loss).double()
    found = information(after, len(target), noise)
    return Refinement(
        refined_distortion=float(distortion.double().mean()),
        refined_rate=rate,
        refined_mutual_information=found.mutual_information,
        refined_mutual_information_error=found.mutual_information_error,
        amortisation_gap=float(gain.mean()),
        amortisation_gap_error=float(gain.std(correction=0)) / math.sqrt(len(gain)),
    )


@torch.enable_grad()
def _refined(
    model: VAE, target: Float[Tensor, "n c h w"], start: Posterior, plan: RefinementPlan, noise: torch.Generator
) -> Posterior:
    """The posterior that minimises the run's loss, one sample of each image a step."""
    moved = Posterior(*(values.clone().requires_grad_() for values in start))
    optimizer = torch.optim.Adam(moved, lr=plan.learning_rate)
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * (1 - step / plan.steps)
        standard = torch.randn((1, *moved.mu.shape), generator=noise).to(moved.mu)
        optimizer.zero_grad()
        _losses(model, target, moved, standard)[1].sum().backward(inputs=moved)
        optimizer.step()
        with torch.no_grad():
            moved.log_var.clamp_(-model.log_var_limit, model.log_var_limit)
    return Posterior(*(values.detach() for values in moved))


def _losses(
    model: VAE, target: Float[Tensor, "n c h w"], posterior: Posterior, standard: Float[Tensor, "k n latent"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Distortion and loss of each image, means over the k latent codes."""
    mu, log_var = posterior
    distortion = torch.stack([model.distortion(mu + torch.exp(log_var / 2) * e, target) for e in standard]).mean(0)
    return distortion, distortion + model.kl_weight * model.kl_term.penalty(kl_to_standard_normal(mu, log_var))
