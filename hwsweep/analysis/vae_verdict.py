"""The verdict on a VAE, by rules over its metrics, with one sentence that gives the numbers.

Posterior collapse is said of the posterior: q(z | x) is the prior for every image. What the decoder does with z is
measured by itself. The opposite happens at lambda near 0: the VAE becomes an autoencoder whose aggregate posterior is
far from the prior.
"""

from __future__ import annotations

from collections.abc import Mapping

from hwsweep.analysis import Verdict
from hwsweep.analysis.verdict_words import active_units, decoder, distortion, information, nats, samples

Metrics = Mapping[str, float]

SILENT = 0.1
"""Nats: 1/7 of a bit. Less mutual information is within its Monte Carlo error; a decoder whose ln p(x | z) varies by
less over z does not use z: to second order the information is half the square of it."""

LITTLE = 1.0
"""Nats of mutual information that all latents carry together: less is less than which third of the images it is."""

LITTLE_PER_LATENT = 0.1
"""Nats of mutual information per active latent."""

FAR = 0.5
"""Nats per active latent between the prior and the normal with the mean and covariance of the aggregate posterior.

An aggregate posterior 1.8 times as wide as the prior reaches it. On TibetanMNIST-like digits with 20 latents lambda = 1
gives 0.08, 0.3 gives 0.3, 0.1 gives 1, and 0 gives 13; samples get visibly worse, and the Fréchet distance rises,
between 0.3 and 0.1. Moments do not show holes between latent codes: a run below the limit may still have poor samples.
"""

TOLERANCE = 0.1
"""Share by which a model without information may be worse than the mean training image, of what lies between that image
and an exact reconstruction.

A decoder under a collapsed posterior comes near the mean image from above. On TibetanMNIST-like digits it is 92 % worse
without training, 1.8 % after one epoch at lambda = 1000, and 0.5 % to 0.7 % after ten epochs at 100 to 10000. With 157
training images (two steps an epoch, a learning rate of 0.01) it is 28 % worse after ten epochs and 6 % after twenty.
"""

FEW_IMAGES = 10
"""Test images: fewer do not show how the posterior differs between images."""


def verdict(metrics: Metrics, n_latents: int) -> Verdict:
    """Name a run by the first of these rules that holds.

    I is the mutual information, A the number of active units, and D the distortion; "little" information is
    I < min(max(`LITTLE`, `LITTLE_PER_LATENT` A), half of the largest I that the split can show), or A = 0 near the
    prior; the decoder "ignores z" if neither ln p(x | z) over z from the prior nor D under permuted codes varies by
    `SILENT`.

    1. lagging: a posterior refined per image has D below the mean training image's, lowers the loss by more than two
       standard errors, and either has an I larger by `LITTLE` or the encoder's D is above the mean image's by
       `TOLERANCE`.
    2. untrained: D is above the mean image's; where information is little or the decoder ignores z, by `TOLERANCE`.
    3. collapsed: A = 0 and I < `SILENT`; where rule 4 applies, the rate in place of I.
    4. undecided: fewer than `FEW_IMAGES` test images, or all are alike.
    5. disconnected: the decoder ignores z, although q(z | x) differs between images.
    6. nearly collapsed: little information, whatever A is.
    7. unregularised: the aggregate posterior is far from the prior: `test/gaussian_kl` above `FAR` per active latent,
       or most of the rate is `test/aggregate_kl`, where I is so far below its limit that the two can be told apart.
    8. partly collapsed: A < `n_latents`.
    9. healthy: none of these.

    Args:
        metrics: of the test split, by key, as `compute_metrics` names them; what is not measured is missing.
    """
    label = _label(metrics, n_latents)
    reasons = {
        "lagging": _lagging,
        "untrained": _untrained,
        "collapsed": _collapsed,
        "undecided": _undecided,
        "disconnected": _disconnected,
        "nearly collapsed": _nearly_collapsed,
        "unregularised": _unregularised,
        "healthy": _healthy,
    }
    reason = reasons.get(label, _partly_collapsed)(metrics, n_latents)
    return Verdict(label, f"{label}: {reason}")


def depends_on_refinement(metrics: Metrics) -> bool:
    """Whether a refined posterior could change the verdict: there is little information, or D is above the mean's."""
    return _has_little_information(metrics) or _excess(metrics) > 0


def _label(metrics: Metrics, n_latents: int) -> str:
    active = int(metrics.get("test/active_units", 0))
    little, ignored = _has_little_information(metrics), _ignores_z(metrics)
    if _is_lagging(metrics):
        return "lagging"
    if _excess(metrics) > (TOLERANCE if little or ignored else 0):
        return "untrained"
    shows_little = metrics["test/images"] < FEW_IMAGES or "test/reconstruction_spread" not in metrics
    if active == 0 and (metrics["test/rate"] if shows_little else _information(metrics)) < SILENT:
        return "collapsed"
    if shows_little:
        return "undecided"
    if ignored:
        return "disconnected"
    if little:
        return "nearly collapsed"
    if _is_far(metrics):
        return "unregularised"
    return "healthy" if active == n_latents else f"partly collapsed ({n_latents - active} of {n_latents} latents)"


def _information(metrics: Metrics) -> float:
    """Mutual information; of one image, which has none, the rate."""
    return metrics.get("test/mutual_information", metrics["test/rate"])


def _has_little_information(metrics: Metrics) -> bool:
    active = metrics.get("test/active_units", 0)
    limit = max(LITTLE, LITTLE_PER_LATENT * active)
    if "test/mutual_information_cap" in metrics:
        limit = min(limit, metrics["test/mutual_information_cap"] / 2)
    return _information(metrics) < limit or (active == 0 and not _is_far(metrics))


def _is_far(metrics: Metrics) -> bool:
    """Whether the aggregate posterior is far from the prior."""
    is_wide = metrics.get("test/gaussian_kl", 0.0) > FAR * max(1, metrics.get("test/active_units", 0))
    return is_wide or _has_more_distance(metrics)


def _has_more_distance(metrics: Metrics) -> bool:
    """Whether more of the rate is KL(q(z) || p(z)) than information, at an information that is not at its limit."""
    carried = _information(metrics)
    is_below_limit = carried < metrics.get("test/mutual_information_cap", 0.0) - LITTLE
    return is_below_limit and metrics["test/rate"] - carried > carried


def _ignores_z(metrics: Metrics) -> bool:
    """Whether neither z from the prior nor permuted codes make a difference; False if it is not measured."""
    spreads = (metrics.get(f"test/{name}") for name in ("log_likelihood_spread", "permuted_distortion"))
    return all(value is not None and abs(value) < SILENT for value in spreads)


def _excess(metrics: Metrics, key: str = "test/distortion") -> float:
    """D above the mean image's, as a share of what lies between that image and an exact reconstruction; <= 1 below."""
    mean, exact = metrics["test/mean_image_distortion"], metrics["test/exact_distortion"]
    return (metrics[key] - mean) / (mean - exact) if mean > exact else 0.0


def _is_lagging(metrics: Metrics) -> bool:
    if "test/amortisation_gap" not in metrics or not depends_on_refinement(metrics):
        return False
    gains = metrics["test/amortisation_gap"] > 2 * metrics["test/amortisation_gap_error"]
    more = metrics["test/refined_mutual_information"] - _information(metrics) > LITTLE or _excess(metrics) > TOLERANCE
    return gains and more and _excess(metrics, "test/refined_distortion") < 0


def _lagging(metrics: Metrics, n_latents: int) -> str:
    refined = nats(metrics["test/refined_mutual_information"], metrics["test/refined_mutual_information_error"])
    gap = nats(metrics["test/amortisation_gap"], metrics["test/amortisation_gap_error"])
    return (
        f"the encoder does not follow the decoder: {active_units(metrics, n_latents)}, {information(metrics)} and "
        f"{distortion(metrics)}; a posterior refined per image carries {refined} nats, has a distortion of "
        f"{metrics['test/refined_distortion']:.1f} nats and lowers the loss by {gap} nats (the amortisation gap)"
    )


def _untrained(metrics: Metrics, n_latents: int) -> str:
    return (
        f"the model is worse than the mean training image: {distortion(metrics)}; train longer, or change "
        f"`optimizer.lr`"
    )


def _collapsed(metrics: Metrics, n_latents: int) -> str:
    what = "the prior" if metrics["test/rate"] < SILENT else "the same"
    other = "" if what == "the prior" else ", though not the prior"
    return (
        f"q(z|x) is {what} for every image{other}: {active_units(metrics, n_latents)}, rate "
        f"{nats(metrics['test/rate'])} nats, {information(metrics)}; {decoder(metrics, _ignores_z(metrics))}; "
        f"{distortion(metrics)}"
    )


def _undecided(metrics: Metrics, n_latents: int) -> str:
    n_images, rate = int(metrics["test/images"]), f"rate {nats(metrics['test/rate'])} nats, {distortion(metrics)}"
    if n_images >= FEW_IMAGES:
        return f"all {n_images} test images are alike; {rate}"
    few = "1 test image does" if n_images == 1 else f"{n_images} test images do"
    return f"{few} not show how the posterior differs between images, it takes {FEW_IMAGES}; {rate}"


def _disconnected(metrics: Metrics, n_latents: int) -> str:
    return (
        f"q(z|x) differs between images, but {decoder(metrics, True)}: {active_units(metrics, n_latents)}, "
        f"{information(metrics)}, and permuted codes change the distortion by "
        f"{nats(metrics['test/permuted_distortion'])} nats; {distortion(metrics)}"
    )


def _nearly_collapsed(metrics: Metrics, n_latents: int) -> str:
    active, rate, carried = metrics["test/active_units"], metrics["test/rate"], max(0.0, _information(metrics))
    per_latent = f", {nats(carried / active)} nats per active latent" if active > 1 else ""
    most = "; most of the rate is the distance of the aggregate posterior from the prior"
    return (
        f"{active_units(metrics, n_latents)}, but the latents carry little: {information(metrics)}{per_latent}, rate "
        f"{nats(rate)} nats{most if rate - carried > max(carried, SILENT) else ''}; {distortion(metrics)}"
    )


def _unregularised(metrics: Metrics, n_latents: int) -> str:
    active = max(1, int(metrics["test/active_units"]))
    far = metrics["test/gaussian_kl"]
    if _has_more_distance(metrics):
        far = max(far, metrics["test/rate"] - _information(metrics))
    per_latent = f", {far / active:.2g} per active latent" if active > 1 else ""
    return (
        f"the aggregate posterior is far from the prior: KL at least {far:.1f} nats{per_latent}; the mean variance of "
        f"the codes is {metrics['test/code_variance']:.2g}, the prior's is 1; {information(metrics)}, rate "
        f"{nats(metrics['test/rate'])} nats, {distortion(metrics)}{samples(metrics)}"
    )


def _partly_collapsed(metrics: Metrics, n_latents: int) -> str:
    n_other = n_latents - int(metrics["test/active_units"])
    rest = "the other one" if n_other == 1 else f"the other {n_other}"
    return (
        f"{active_units(metrics, n_latents)}, and the mean of q(z|x) hardly varies in {rest}; {information(metrics)}, "
        f"rate {nats(metrics['test/rate'])} nats, {distortion(metrics)}"
    )


def _healthy(metrics: Metrics, n_latents: int) -> str:
    per_latent = metrics["test/gaussian_kl"] / n_latents
    return (
        f"{active_units(metrics, n_latents)} and the aggregate posterior is near the prior (KL at least "
        f"{nats(per_latent)} nats per latent); {information(metrics)}, rate {nats(metrics['test/rate'])} nats, "
        f"{distortion(metrics)}"
    )
