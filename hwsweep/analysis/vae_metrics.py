"""One pass over the test split: every metric of a trained VAE, and the verdict."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hwsweep.analysis import collapse
from hwsweep.analysis.bounds import importance_weighted, permuted
from hwsweep.analysis.collapse import reconstruction_spread
from hwsweep.analysis.features import features_of
from hwsweep.analysis.probe import factor_r2, neighbour_accuracy
from hwsweep.analysis.sample_quality import frechet_distance, neighbourhoods
from hwsweep.analysis.vae_verdict import Verdict, verdict
from hwsweep.data import Splits
from hwsweep.models.vae import VAE, pixels

IMAGES_AT_ONCE = 1000
"""Images per pass of the model: bounds memory."""


class AnalysisPlan(NamedTuple):
    """How much to look at; every value comes from conf."""

    seed: int
    """Of all noise, whatever the run's seed: runs see the same."""
    active_threshold: float
    """Variance of the posterior mean above which a latent is active."""
    mixture_samples: int
    """Most codes sampled for the mutual information; the mixture is always over the whole split."""
    importance_samples: int
    """k of the importance-weighted bound."""
    probe_neighbours: int
    ball_neighbours: int
    """Reach of the balls of precision, recall, density and coverage."""
    set_images: int
    """Most images on each side where all are compared with all."""


class Analysis(NamedTuple):
    """What a trained VAE does on the test split."""

    metrics: dict[str, float]
    """By key, `test/...`; nats per image unless its function says otherwise. `..._error` is a standard error."""
    kl_per_latent: Float[Tensor, " latent"]
    """Nats per image; their sum is the rate."""
    active_unit_statistic: Float[Tensor, " latent"]
    """Variance over images of the posterior mean."""
    verdict: Verdict


class Codes(NamedTuple):
    """Parameters of q(z | x) of a split, on the CPU."""

    mu: Float[Tensor, "n latent"]
    log_var: Float[Tensor, "n latent"]


def analyse(model: VAE, splits: Splits, features: nn.Module, plan: AnalysisPlan) -> Analysis:
    """Every metric of a VAE in evaluation mode on the test split; leaves the global noise as it was.

    Args:
        features: of `feature_network`, made from the training split.
    """
    image = splits.test["image"]
    codes = _encode(model, image)
    statistic = collapse.active_unit_statistic(codes.mu)
    kl = collapse.kl_per_latent(*codes)
    metrics = {
        "test/rate": float(kl.sum()),
        "test/active_units": float(collapse.active_units(statistic, plan.active_threshold)),
        "test/gaussian_kl": collapse.gaussian_kl(*codes),
        "test/code_variance": float((statistic + torch.exp(codes.log_var.double()).mean(0)).mean()),
        **_information(codes, plan),
        **_decoded(model, image, codes, plan),
        **_probed(model, splits, codes, plan),
        **_sampled(model, image, features, plan),
    }
    metrics["test/neg_elbo"] = metrics["test/distortion"] + metrics["test/rate"]
    return Analysis(metrics, kl, statistic, verdict(metrics, len(kl)))


def _information(codes: Codes, plan: AnalysisPlan) -> dict[str, float]:
    found = collapse.information(*codes, plan.mixture_samples, _noise(plan))
    return {
        "test/mutual_information": found.mutual_information,
        "test/mutual_information_error": found.standard_error,
        "test/mutual_information_cap": found.cap,
        "test/aggregate_kl": found.aggregate_kl,
    }


@torch.inference_mode()
def _decoded(model: VAE, image: UInt8[Tensor, "n c h w"], codes: Codes, plan: AnalysisPlan) -> dict[str, float]:
    device = next(model.parameters()).device
    given = (image.to(device), codes.mu.to(device), codes.log_var.to(device))
    bound = importance_weighted(model, *given, plan.importance_samples, _noise(plan))
    moved = permuted(model, *given, _noise(plan))
    some = slice(plan.set_images)
    reconstructed = _decode(model, codes.mu[some])
    return {
        "test/distortion": bound.distortion,
        "test/distortion_error": bound.distortion_error,
        "test/iw_bound": bound.bound,
        "test/iw_bound_error": bound.bound_error,
        "test/iw_effective_samples": bound.effective_samples,
        "test/iw_loose": float(bound.loose),
        "test/permuted_distortion": moved.rise,
        "test/permuted_distortion_error": moved.standard_error,
        "test/reconstruction_spread": reconstruction_spread(pixels(image[some]), reconstructed),
    }


def _probed(model: VAE, splits: Splits, codes: Codes, plan: AnalysisPlan) -> dict[str, float]:
    """What readers fitted to the validation split find in the codes: labels and factors, where they are known."""
    known = splits.test.keys() & {"label", "factors"}
    if not known:
        return {}
    valid = _encode(model, splits.valid["image"])
    metrics = {}
    if "label" in known:
        labels, test_labels = splits.valid["label"], splits.test["label"]
        noise = _noise(plan)
        for suffix, read, test in (
            ("", valid.mu, codes.mu),
            ("_sampled", _sample(valid, noise), _sample(codes, noise)),
        ):
            accuracy = neighbour_accuracy(read, labels, test, test_labels, plan.probe_neighbours)
            metrics[f"test/probe_accuracy{suffix}"] = accuracy
    if "factors" in known:
        r2 = factor_r2(*valid, splits.valid["factors"], codes.mu, splits.test["factors"])
        metrics["test/factor_r2"] = float(r2.nanmean())
        metrics |= {f"test/factor_r2_{i}": float(value) for i, value in enumerate(r2) if not torch.isnan(value)}
    return metrics


def _sampled(model: VAE, image: UInt8[Tensor, "n c h w"], features: nn.Module, plan: AnalysisPlan) -> dict[str, float]:
    """How near samples from the prior, the decoder's means, are to as many test images."""
    real = features_of(features, image[: plan.set_images])
    z = torch.randn(len(real), model.latent, generator=_noise(plan))
    sampled = features_of(features, _decode(model, z).clamp(0, 1))
    near = neighbourhoods(real, sampled, plan.ball_neighbours)
    return {"test/frechet": frechet_distance(real, sampled)} | {
        f"test/{name}": value for name, value in near._asdict().items()
    }


@torch.inference_mode()
def _encode(model: VAE, image: UInt8[Tensor, "n c h w"]) -> Codes:
    device = next(model.parameters()).device
    parts = [model.encode(pixels(chunk.to(device))) for chunk in image.split(IMAGES_AT_ONCE)]
    mu, log_var = zip(*parts, strict=True)
    return Codes(torch.cat(mu).cpu(), torch.cat(log_var).cpu())


@torch.inference_mode()
def _decode(model: VAE, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n c h w"]:
    device = next(model.parameters()).device
    return torch.cat([model.decode(chunk.to(device)).cpu() for chunk in z.split(IMAGES_AT_ONCE)])


def _sample(codes: Codes, noise: torch.Generator) -> Float[Tensor, "n latent"]:
    return codes.mu + torch.exp(codes.log_var / 2) * torch.randn(codes.mu.shape, generator=noise)


def _noise(plan: AnalysisPlan) -> torch.Generator:
    return torch.Generator().manual_seed(plan.seed)
