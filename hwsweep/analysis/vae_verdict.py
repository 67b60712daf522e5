"""What a run is called, by rules over its metrics, and one sentence that says why with the numbers.

Posterior collapse: q(z | x) has become the prior for every image and the decoder ignores z; rate and mutual
information are near 0 and all reconstructions are alike. A large lambda does that. At lambda near 0 the opposite
happens: an autoencoder whose codes leave the prior; it reconstructs, but codes from the prior decode to nothing real.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

FAR = 0.5
"""Nats per active latent between the prior and the normal with the codes' mean and covariance.

As if codes were spread 1.8 times as wide as the prior. On TibetanMNIST-like digits with 20 latents lambda = 1 gives
0.08, 0.3 gives 0.3, 0.1 gives 1, and 0 gives 13; samples get visibly worse, and the Fréchet distance rises, between
0.3 and 0.1. Moments see no holes between codes: a run below the limit may still have poor samples.
"""

SILENT = 0.1
"""Nats of mutual information: less is 1/7 of a bit about which image it was, and within its Monte Carlo error."""


class Verdict(NamedTuple):
    """The name of what happened to a run's latents, and why."""

    name: str
    """collapsed, partly collapsed, healthy or unregularised."""
    label: str
    """The name, with the number of collapsed latents where it is a part of them."""
    sentence: str
    """One plain sentence with the numbers, beginning with the label."""


def verdict(metrics: Mapping[str, float], latent: int) -> Verdict:
    """Name a run by the first of these rules that holds; A latents of `latent` are active (`test/active_units`).

    1. collapsed: A = 0, and mutual information below `SILENT` or codes near the prior.
    2. unregularised: codes far from the prior: `test/gaussian_kl` above `FAR` for each active latent.
    3. partly collapsed: A < `latent`.
    4. healthy: every latent is active and codes are near the prior.

    Args:
        metrics: of the test split, by key, as `analyse` names them.
    """
    active = int(metrics["test/active_units"])
    far = metrics["test/gaussian_kl"] > FAR * max(1, active)
    if active == 0 and (metrics["test/mutual_information"] < SILENT or not far):
        return _named("collapsed", "collapsed", _collapsed(metrics, latent))
    if far:
        return _named("unregularised", "unregularised", _unregularised(metrics))
    if active < latent:
        return _named(
            "partly collapsed",
            f"partly collapsed ({latent - active} of {latent} latents)",
            f"{latent - active} latents have become the prior for every image; {_left(active)} the "
            f"{_told(metrics)} at a distortion of {metrics['test/distortion']:.1f} nats",
        )
    return _named(
        "healthy",
        "healthy",
        f"all {latent} latents are active and the codes together lie near the prior "
        f"({metrics['test/gaussian_kl'] / latent:.2f} nats per latent from it); they carry the {_told(metrics)} "
        f"at a distortion of {metrics['test/distortion']:.1f} nats",
    )


def _collapsed(metrics: Mapping[str, float], latent: int) -> str:
    spread = f"reconstructions differ {metrics['test/reconstruction_spread']:.1%} as much as the images do"
    told = max(0.0, metrics["test/mutual_information"])
    what = f"0 of {latent} latents active, rate {metrics['test/rate']:.2f} and mutual information {told:.2f} nats"
    if metrics["test/rate"] > SILENT and told < SILENT:
        why = "q(z|x) is the same for every image, though not the prior, so z tells the decoder nothing"
        return f"{why}: {what}; {spread}"
    return f"q(z|x) has become the prior and the decoder ignores z: {what}; {spread}"


def _unregularised(metrics: Mapping[str, float]) -> str:
    return (
        f"the codes have left the prior (mean variance {metrics['test/code_variance']:.2g} where the prior has 1, "
        f"{metrics['test/gaussian_kl']:.1f} nats or more from it), so images are reconstructed, at a distortion of "
        f"{metrics['test/distortion']:.1f} nats, but codes drawn from the prior lie where the decoder was not "
        f"trained: samples fail"
    )


def _left(active: int) -> str:
    return "the 1 left carries" if active == 1 else f"the {active} left carry"


def _told(metrics: Mapping[str, float]) -> str:
    told, cap = metrics["test/mutual_information"], metrics["test/mutual_information_cap"]
    known = "all that the split can show" if told > cap - SILENT else f"of at most {cap:.2f} that the split can show"
    return f"rate of {metrics['test/rate']:.2f} nats (mutual information {told:.2f}, {known})"


def _named(name: str, label: str, why: str) -> Verdict:
    return Verdict(name, label, f"{label}: {why}")
