"""All metrics of a trained VAE on the test split, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hwsweep.analysis import IMAGES_AT_ONCE, Verdict, collapse
from hwsweep.analysis.bounds import exact_distortion, importance_weighted, mean_image_distortion, permute_codes
from hwsweep.analysis.features import features_of
from hwsweep.analysis.latents import Latents, count_metrics, measure_latents, no_latents
from hwsweep.analysis.posterior import Posterior, encode
from hwsweep.analysis.probe import factor_r2, neighbour_accuracy
from hwsweep.analysis.refinement import RefinementPlan, refinement
from hwsweep.analysis.sample_quality import sample_metrics
from hwsweep.analysis.vae_verdict import depends_on_refinement, verdict
from hwsweep.argument_checks import check_count, check_number
from hwsweep.data import Splits
from hwsweep.models.vae import VAE, active_unit_statistic, active_units, pixels


@dataclass(frozen=True)
class AnalysisPlan:
    """How many samples, neighbours and images the analysis uses; every value comes from conf."""

    seed: int
    """Of all noise, whatever the run's seed: all runs use the same noise."""
    active_threshold: float
    """Variance of the posterior mean above which a latent is active."""
    mixture_samples: int
    """Largest number of latent codes sampled for the mutual information; the mixture always has the whole split."""
    importance_samples: int
    """k of the importance-weighted bound."""
    probe_neighbours: int
    ball_neighbours: int
    """The balls of precision, recall, density and coverage reach to this neighbour."""
    set_images: int
    """Largest number of images on each side where all pairs are compared."""
    sample_draws: int
    """Draws of as many samples of the prior, whose spread gives the errors of `test/frechet` and its likes."""
    price_images: int
    """Largest number of images whose latents are permuted one by one."""
    spread_images: int
    """Largest number of images, and of decodings of the prior's samples, whose spreads are compared."""
    spread_codes: int
    """Latent codes of the prior per image, over which the spread of ln p(x | z) is taken."""

    def __post_init__(self) -> None:
        check_count("analysis.plan.seed", self.seed, least=0, most=2**63 - 1)
        check_number("analysis.plan.active_threshold", self.active_threshold, "(0, inf)", unit="variance")
        for name in ("mixture_samples", "probe_neighbours", "ball_neighbours"):
            check_count(f"analysis.plan.{name}", getattr(self, name))
        check_count("analysis.plan.sample_draws", self.sample_draws, least=2)  # 1 has no spread
        for name in ("price_images", "spread_images"):
            check_count(f"analysis.plan.{name}", getattr(self, name), least=2, unit="images")
        check_count("analysis.plan.spread_codes", self.spread_codes, least=2)  # 1 has no spread
        check_count("analysis.plan.importance_samples", self.importance_samples, least=2)  # with 1 it is neg_elbo
        least = self.ball_neighbours + 1
        check_count("analysis.plan.set_images", self.set_images, least=least, unit="images (more than ball_neighbours)")


class VAEMetrics(NamedTuple):
    """A trained VAE on the test split."""

    metrics: dict[str, float]
    """By key, `test/...`; nats per image unless the docstring of its function says otherwise.
    `..._error` is a standard error."""
    kl_per_latent: Float[Tensor, " latent"]
    """Nats per image; their sum is the rate."""
    active_unit_statistic: Float[Tensor, " latent"]
    """Variance over images of the posterior mean."""
    verdict: Verdict
    latents: Latents
    not_measured: str
    """The metrics that these test images cannot show, and why; empty if there are none."""


def compute_metrics(
    model: VAE, splits: Splits, features: nn.Module, plan: AnalysisPlan, refine: RefinementPlan
) -> VAEMetrics:
    """Every metric of a VAE in evaluation mode on the test split; the global random state does not change.

    Args:
        features: from `feature_network`, made from the training split.
    """
    image = splits.test["image"]
    posterior = encode(model, image)
    kl = collapse.kl_per_latent(posterior)
    metrics = {
        "test/images": float(len(image)),
        "test/rate": float(kl.sum()),
        **_by_key(
            importance_weighted(
                model, *_on_device(model, image, posterior), plan.importance_samples, _noise(plan)
            )._asdict()
        ),
        "test/mean_image_distortion": mean_image_distortion(model, splits),
        "test/exact_distortion": exact_distortion(model, image),
        **_probe_metrics(model, splits, posterior, plan),
    }
    metrics["test/neg_elbo"] = metrics["test/distortion"] + metrics["test/rate"]
    statistic, latents = torch.full_like(kl, torch.nan), no_latents(len(kl))
    if len(image) > 1:
        statistic = active_unit_statistic(posterior.mu)
        latents = measure_latents(model, image, posterior, plan.price_images, plan.active_threshold, _noise(plan))
        metrics["test/active_units"] = float(active_units(statistic, plan.active_threshold))
        metrics |= set_metrics(model, image, posterior, plan) | count_metrics(latents)
        metrics |= _sample_metrics(model, image, features, plan)
    if refine.when == "always" or (refine.when == "auto" and depends_on_refinement(metrics)):
        metrics |= _by_key(refinement(model, image, posterior, refine, _noise(plan))._asdict())
    return VAEMetrics(metrics, kl, statistic, verdict(metrics, len(kl)), latents, _not_measured(image, plan))


def _not_measured(image: UInt8[Tensor, "n c h w"], plan: AnalysisPlan) -> str:
    """The metrics that these test images cannot show, and why; empty if there are none."""
    n_images, reasons = len(image), []
    if n_images == 1:
        return (
            "not measured with 1 test image: active units, mutual information, the aggregate posterior, permuted "
            "codes, spreads and samples; they need at least 2"
        )
    if n_images <= plan.ball_neighbours:
        reasons.append(
            f"precision, recall, density and coverage are not measured: they need more than {plan.ball_neighbours} "
            f"test images, but there are {n_images}"
        )
    if not _differ(image[: plan.spread_images]):
        reasons.append("spreads are not measured: they need test images that differ")
    return "; ".join(reasons)


def _differ(image: UInt8[Tensor, "n c h w"]) -> bool:
    return bool((image != image[0]).any())


def _by_key(quantities: Mapping[str, float]) -> dict[str, float]:
    """Each quantity by its metric key."""
    return {f"test/{name}": float(value) for name, value in quantities.items()}


def _on_device(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior
) -> tuple[UInt8[Tensor, "n c h w"], Posterior]:
    device = next(model.parameters()).device
    return image.to(device), posterior.to(device)


def set_metrics(
    model: VAE, image: UInt8[Tensor, "n c h w"], posterior: Posterior, plan: AnalysisPlan
) -> dict[str, float]:
    """Metrics that compare images or codes with each other, by key; of at least 2 images."""
    variance = posterior.mu.double().var(0) + torch.exp(posterior.log_var.double()).mean(0)
    metrics = {
        "test/gaussian_kl": collapse.gaussian_kl(posterior),
        "test/code_variance": float(variance.mean()),
        **_by_key(collapse.information(posterior, plan.mixture_samples, _noise(plan))._asdict()),
        **_by_key(permute_codes(model, *_on_device(model, image, posterior), _noise(plan))._asdict()),
    }
    some, few = image[: plan.set_images], image[: plan.spread_images]
    if _differ(few):
        spread, error = collapse.spread(pixels(some), _decode(model, posterior.mu[: plan.set_images]))
        metrics |= {"test/reconstruction_spread": spread, "test/reconstruction_spread_error": error}
        metrics |= _by_key(collapse.decode_prior(model, pixels(few), plan.spread_codes, _noise(plan))._asdict())
    return metrics


def _probe_metrics(model: VAE, splits: Splits, posterior: Posterior, plan: AnalysisPlan) -> dict[str, float]:
    """How well labels and factors, if the data has them, are predicted from latent codes by the validation split."""
    known = splits.test.keys() & {"label", "factors"}
    if not known:
        return {}
    valid = encode(model, splits.valid["image"])
    metrics = {}
    if "label" in known:
        noise = _noise(plan)
        for suffix, codes, test_codes in (
            ("", valid.mu, posterior.mu),
            ("_sampled", valid.sample(noise), posterior.sample(noise)),
        ):
            metrics[f"test/probe_accuracy{suffix}"] = neighbour_accuracy(
                codes, splits.valid["label"], test_codes, splits.test["label"], plan.probe_neighbours
            )
    if "factors" in known:
        r2 = factor_r2(valid, splits.valid["factors"], posterior.mu, splits.test["factors"])
        if not r2.isnan().all():
            metrics["test/factor_r2"] = float(r2.nanmean())
        metrics |= {f"test/factor_r2_{i}": float(value) for i, value in enumerate(r2) if not torch.isnan(value)}
    return metrics


def _sample_metrics(
    model: VAE, image: UInt8[Tensor, "n c h w"], features: nn.Module, plan: AnalysisPlan
) -> dict[str, float]:
    """How near what is decoded from samples of the prior is to the same number of test images, over some draws."""
    real, noise = features_of(features, image[: plan.set_images]), _noise(plan)

    def draw() -> Float[Tensor, "n d"]:
        z = torch.randn(len(real), model.latent, generator=noise)
        return features_of(features, _decode(model, z, model.draw_noise(len(real), noise)).clamp(0, 1))

    return sample_metrics(real, (draw() for _ in range(plan.sample_draws)), plan.ball_neighbours)


@torch.inference_mode()
def _decode(
    model: VAE, z: Float[Tensor, "n latent"], uniform: Float[Tensor, "n c h w"] | None = None
) -> Float[Tensor, "n c h w"]:
    device = next(model.parameters()).device
    chunks = z.to(device).split(IMAGES_AT_ONCE)
    numbers = [None] * len(chunks) if uniform is None else uniform.split(IMAGES_AT_ONCE)
    return torch.cat([model.decode(*chunk).cpu() for chunk in zip(chunks, numbers, strict=True)])


def _noise(plan: AnalysisPlan) -> torch.Generator:
    return torch.Generator().manual_seed(plan.seed)
