"""Phrases of the verdict on a VAE: measured quantities in words, grammatical for every number of latents."""

from __future__ import annotations

from collections.abc import Mapping

Metrics = Mapping[str, float]

AT_CAP = 0.1
"""Nats below the largest mutual information that a split can show, from which on the value is that largest one."""


def nats(value: float, error: float | None = None) -> str:
    """ "0.68", or "0.68 ± 0.02" with a standard error; never "-0.00"."""
    text = f"{value:.2f}"
    text = "0.00" if text == "-0.00" else text
    return text if error is None else f"{text} ± {error:.2f}"


def active_units(metrics: Metrics, n_latents: int) -> str:
    """ "3 of 20 latents are active", as a clause."""
    if "test/active_units" not in metrics:
        return f"{n_latents} {'latent' if n_latents == 1 else 'latents'}"
    active = int(metrics["test/active_units"])
    if n_latents == 1:
        return "the only latent is active" if active else "the only latent is not active"
    if active == 0:
        return "neither latent is active" if n_latents == 2 else f"none of the {n_latents} latents is active"
    if active == n_latents:
        return "both latents are active" if n_latents == 2 else f"all {n_latents} latents are active"
    return f"{active} of {n_latents} latents {'is' if active == 1 else 'are'} active"


def information(metrics: Metrics) -> str:
    """ "mutual information 0.68 ± 0.02 nats (of at most 6.91 that this split can show)"; an estimate below 0 is 0."""
    if "test/mutual_information" not in metrics:
        return "mutual information not measured"
    value, cap = max(0.0, metrics["test/mutual_information"]), metrics["test/mutual_information_cap"]
    limit = "the largest value" if value > cap - AT_CAP else f"of at most {cap:.2f}"
    error = metrics["test/mutual_information_error"]
    return f"mutual information {nats(value, error)} nats ({limit} that this split can show)"


def distortion(metrics: Metrics) -> str:
    """ "distortion 315.8 nats (315.7 for the mean training image)", and why a negative one is possible."""
    value, mean = metrics["test/distortion"], metrics["test/mean_image_distortion"]
    negative = "; below 0, as -ln of a density can be" if value < 0 else ""
    return f"distortion {value:.1f} nats ({mean:.1f} for the mean training image{negative})"


def decoder(metrics: Metrics, ignores_z: bool) -> str:
    """What z from the prior changes in the decoder, as a clause."""
    if "test/log_likelihood_spread" not in metrics:
        return "what the decoder does with z is not measured"
    spread = f"ln p(x|z) varies by {nats(metrics['test/log_likelihood_spread'])} nats over z from the prior"
    if ignores_z:
        return f"the decoder ignores z ({spread})"
    return (
        f"the decoder does not ignore z ({spread}, and its images differ "
        f"{metrics['test/decoder_spread']:.1%} as much as the test images do)"
    )


def samples(metrics: Metrics) -> str:
    """What samples from the prior measure, as a clause behind a sentence; empty if nothing is measured."""
    if "test/frechet" not in metrics:
        return ""
    parts = [f"Fréchet distance {metrics['test/frechet']:.2f}"]
    parts += [f"{name} {metrics[f'test/{name}']:.2f}" for name in ("precision", "recall") if f"test/{name}" in metrics]
    return f"; samples from the prior: {', '.join(parts)}"
