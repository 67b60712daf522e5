"""What the stops of a model for every lambda tell, in sentences: curve, collapse, and the linear optimum beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsweep.analysis.all_lambda.stops import Stop
from hwsweep.analysis.linear_vae import under_trained


def collapse_lambda(curve: Sequence[Stop]) -> float | None:
    """The first stop from which on no latent is active; None if one is active at the last stop."""
    first = None
    for stop in reversed(curve):
        if stop.metrics.get("test/active_units") != 0:
            break
        first = stop.point.kl_weight
    return first


def curve_sentence(curve: Sequence[Stop]) -> str:
    """The ends of the measured curve in one sentence."""
    first, last = curve[0].point, curve[-1].point
    units = f", active units {first.active_units} and {last.active_units}"
    return (
        f"one model for lambda = {first.kl_weight:g} to {last.kl_weight:g}, on the test split at the two ends: rate "
        f"{first.rate:.2f} and {last.rate:.2f} nats, distortion {first.distortion:.1f} and {last.distortion:.1f} nats"
        f"{units if 'test/active_units' in curve[0].metrics else ''}"
    )


def linear_sentence(curve: Sequence[Stop]) -> str:
    """The curve beside that of the optimal linear VAE in one sentence."""
    weight, prediction = collapse_lambda(curve), curve[0].prediction
    if weight is None:
        measured = "a latent is active at the largest lambda"
    elif weight == curve[0].point.kl_weight:
        measured = f"no latent is active at any of {len(curve)} lambdas"
    else:
        measured = f"of {len(curve)} lambdas no latent is active from {weight:.3g} on"
    model = "for a linear VAE" if prediction.exact else "by a linear approximation (Bernoulli)"
    text = f"{measured}; total collapse predicted {model} from lambda = {prediction.collapse_lambda:.3g} on"
    if not prediction.exact or (shares := _excess_shares(curve)) is None:
        return text
    low, high = int(np.argmin(shares)), int(np.argmax(shares))
    return (
        f"{text}; distortion + lambda rate on the test images against the linear optimum: from {shares[low]:+.1%} "
        f"(lambda = {curve[low].point.kl_weight:.3g}) to {shares[high]:+.1%} "
        f"(lambda = {curve[high].point.kl_weight:.3g})"
    )


def under_trained_sentence(curve: Sequence[Stop], is_linear: bool, tolerance: float) -> str:
    """At how many stops a Gaussian model is under-trained, and how far at the first of them; empty if at none."""
    reasons = [
        (stop.point.kl_weight, reason)
        for stop in curve
        if stop.prediction.exact
        and (
            reason := under_trained(
                _objective(stop), stop.point.rate if is_linear else None, stop.prediction, tolerance
            )
        )
    ]
    if not reasons:
        return ""
    weight, reason = reasons[0]
    n_of = f"{len(reasons)} of {len(curve)} lambdas"
    return f"under-trained at {n_of}; at lambda = {weight:.3g}: {reason.removeprefix('under-trained: ')}"


def _excess_shares(curve: Sequence[Stop]) -> list[float] | None:
    """The loss above that of the optimal linear VAE, as a share of it; None if that is 0, for images that are alike."""
    optima = [stop.prediction.test_objective - stop.prediction.log_term for stop in curve]
    if min(optima) <= 0:
        return None
    excess = [_objective(stop) - stop.prediction.test_objective for stop in curve]
    return [above / optimum for above, optimum in zip(excess, optima, strict=True)]


def _objective(stop: Stop) -> float:
    return stop.point.distortion + stop.point.kl_weight * stop.point.rate
