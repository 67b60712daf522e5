"""The verdict on a VAE, by rules over its metrics, with one sentence that gives the numbers.

Posterior collapse: q(z | x) equals the prior for every image and the decoder ignores z; rate and mutual information are
near 0 and all reconstructions are the same. It happens at a large lambda. At lambda near 0 the opposite happens: the
VAE becomes an autoencoder whose aggregate posterior is far from the prior. It reconstructs, but its samples from the
prior do not look like images. A model that explains the images no better than their mean does not reconstruct.
"""

from __future__ import annotations

from collections.abc import Mapping

from hwsweep.analysis import Verdict

FAR = 0.5
"""Nats per active latent between the prior and the normal with the mean and covariance of the aggregate posterior.

An aggregate posterior 1.8 times as wide as the prior reaches it. On TibetanMNIST-like digits with 20 latents lambda = 1
gives 0.08, 0.3 gives 0.3, 0.1 gives 1, and 0 gives 13; samples get visibly worse, and the Fréchet distance rises,
between 0.3 and 0.1. Moments do not show holes between latent codes: a run below the limit may still have poor samples.
"""

SILENT = 0.1
"""Nats of mutual information: less is 1/7 of a bit about the image, and within its Monte Carlo error."""


def verdict(metrics: Mapping[str, float], n_latents: int) -> Verdict:
    """Name a run by the first of these rules that holds, where A latents are active (`test/active_units`).

    1. collapsed: A = 0, and mutual information below `SILENT` or the aggregate posterior near the prior.
    2. untrained: the distortion is not below that of the mean training image (`test/mean_image_distortion`).
    3. unregularised: the aggregate posterior far from the prior: `test/gaussian_kl` above `FAR` per active latent.
    4. partly collapsed: A < `n_latents`.
    5. healthy: every latent is active and the aggregate posterior is near the prior.

    Args:
        metrics: of the test split, by key, as `compute_metrics` names them.
    """
    active = int(metrics["test/active_units"])
    far = metrics["test/gaussian_kl"] > FAR * max(1, active)
    if active == 0 and (metrics["test/mutual_information"] < SILENT or not far):
        label, reason = "collapsed", _collapsed(metrics, n_latents)
    elif metrics["test/distortion"] >= metrics["test/mean_image_distortion"]:
        label, reason = "untrained", _untrained(metrics)
    elif far:
        label, reason = "unregularised", _unregularised(metrics)
    elif active < n_latents:
        label = f"partly collapsed ({n_latents - active} of {n_latents} latents)"
        reason = f"q(z|x) equals the prior in {n_latents - active} latents; {_quantities(metrics)}"
    else:
        per_latent = metrics["test/gaussian_kl"] / n_latents
        near = f"the aggregate posterior is near the prior ({per_latent:.2f} nats per latent)"
        label, reason = "healthy", f"all {n_latents} latents are active and {near}; {_quantities(metrics)}"
    return Verdict(label, f"{label}: {reason}")


def _collapsed(metrics: Mapping[str, float], n_latents: int) -> str:
    rate, information = metrics["test/rate"], max(0.0, metrics["test/mutual_information"])
    reason = "q(z|x) equals the prior for every image and the decoder ignores z"
    if rate > SILENT and information < SILENT:
        reason = "q(z|x) is the same for every image but differs from the prior, so z carries no information"
    return (
        f"{reason}: 0 of {n_latents} latents active, rate {rate:.2f} nats, mutual information {information:.2f} nats; "
        f"reconstructions differ {metrics['test/reconstruction_spread']:.1%} as much as the images do"
    )


def _untrained(metrics: Mapping[str, float]) -> str:
    return (
        f"the model does not reconstruct: its distortion is {metrics['test/distortion']:.6g} nats, and that of the "
        f"mean training image {metrics['test/mean_image_distortion']:.6g} nats; train longer, or change `optimizer.lr`"
    )


def _unregularised(metrics: Mapping[str, float]) -> str:
    return (
        f"the aggregate posterior is far from the prior (mean variance {metrics['test/code_variance']:.2g} instead of "
        f"1, KL at least {metrics['test/gaussian_kl']:.1f} nats); the distortion is "
        f"{metrics['test/distortion']:.1f} nats, but the decoder was not trained where the prior samples z, "
        f"so its samples do not look like images"
    )


def _quantities(metrics: Mapping[str, float]) -> str:
    """Rate, mutual information and distortion of a run that uses its latents."""
    information, cap = metrics["test/mutual_information"], metrics["test/mutual_information_cap"]
    limit = "the largest value" if information > cap - SILENT else f"of at most {cap:.2f}"
    return (
        f"rate {metrics['test/rate']:.2f} nats, mutual information {information:.2f} nats ({limit} that this split "
        f"can show), distortion {metrics['test/distortion']:.1f} nats"
    )
