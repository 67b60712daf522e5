"""What the path of lambda shows, in sentences: whether a collapsed model comes back, and how far up and down differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hwsweep.analysis.lambda_path.path import Path


def path_sentence(path: Path) -> str:
    """Where no latent is active any more, and where one is active again; empty without a measurement of it."""
    weights, active = path.kl_weight, path.active_units
    if not len(active) or np.isnan(active).any():
        return ""
    if len(active) == 1:
        return (
            f"the path has one stop, lambda = {weights[0]:g}: rate {path.rate[0]:.2f} nats, distortion "
            f"{path.distortion[0]:.1f} nats, {_units(active[0])}"
        )
    if active.all():
        fewest = int(active.argmin())
        return (
            f"a latent is active at each of {len(active)} stops of lambda; the fewest are {active[fewest]:.0f}, at "
            f"lambda = {weights[fewest]:g}"
        )
    first = int((active == 0).argmax())
    if first == 0:
        start = f"no latent is active at the first stop, lambda = {weights[0]:g}"
    else:
        start = (
            f"the posterior collapses between lambda = {weights[first - 1]:g} ({_units(active[first - 1])}) and "
            f"{weights[first]:g} (none)"
        )
    return f"{start}; {_way_back(path, first)}"


def _way_back(path: Path, first: int) -> str:
    """What follows the first stop without an active latent."""
    weights, active = path.kl_weight, path.active_units
    after = np.flatnonzero(active[first:]) + first
    if not len(after):
        lowest = weights[first:].min()
        if lowest >= weights[first]:
            return "the path does not come back down from there"
        before = [_units(active[stop]) for stop in range(first) if weights[stop] == lowest]
        then = f", where it had {before[-1]} before" if before else ""
        return f"no latent comes back down to lambda = {lowest:g}{then}"
    back = int(after[0])
    comes = (
        f"a latent is active again between lambda = {weights[back - 1]:g} (none) and {weights[back]:g} "
        f"({_units(active[back])})"
    )
    if first == 0:
        return comes
    none_after = set(weights[first:][active[first:] == 0])
    gap = sorted(none_after.intersection(weights[:first]))
    if not gap:
        return f"{comes}; at no lambda is a latent active before the collapse and none after it"
    ends = f"lambda = {gap[0]:g}" if len(gap) == 1 else f"{len(gap)} lambdas, {gap[0]:g} to {gap[-1]:g},"
    return f"{comes}; at {ends} a latent is active before the collapse, and none after it"


def pairs(path: Path) -> list[tuple[int, int]]:
    """The stops (before, after) with the same lambda and a larger one between them, the nearest ones."""
    weights, found = path.kl_weight, []
    for after in range(len(weights)):
        for before in reversed(range(after)):
            if weights[before] == weights[after] and weights[before:after].max() > weights[after]:
                found.append((before, after))
                break
            if weights[before] == weights[after]:
                break  # the same lambda twice running
    return found


def gap_sentence(path: Path) -> str:
    """How far rate and loss at the same lambda differ before and after a larger one; empty if no lambda has both."""
    both = pairs(path)
    if not both:
        return ""
    weights, rate = path.kl_weight, path.rate
    loss = path.distortion + weights * rate
    before, after = max(both, key=lambda pair: abs(rate[pair[1]] - rate[pair[0]]))
    rises = [(float(loss[after] - loss[before]), float(weights[after])) for before, after in both]
    (lowest, at_lowest), (highest, at_highest) = min(rises), max(rises)
    losses = f"by {highest:+.2f} nats (lambda = {at_highest:g})"
    if len(both) > 1:
        losses = f"by {lowest:+.2f} (lambda = {at_lowest:g}) to {highest:+.2f} nats (lambda = {at_highest:g})"
    return (
        f"at the same lambda, before and after a larger one: the rate differs most at lambda = {weights[after]:g}, "
        f"{rate[before]:.2f} and {rate[after]:.2f} nats; distortion + lambda rate changes {losses}"
    )


def closed_form_sentence(path: Path, *, is_exact: bool, is_linear: bool) -> str:
    """The path beside the optimum of a linear VAE; empty if that is unknown.

    Args:
        is_exact: whether the closed form holds for the likelihood (Gaussian); else it is an approximation.
        is_linear: whether the model is a linear VAE itself.
    """
    if np.isnan(path.linear_collapse):
        return ""
    model = "for a linear VAE" if is_exact else "by a linear approximation (Bernoulli)"
    text = f"total collapse predicted {model} from lambda = {path.linear_collapse:.3g} on, on the way up and down alike"
    if (
        not (is_exact and is_linear)
        or not np.isfinite(path.linear_rate).all()
        or not (path.linear_distortion > 0).all()
    ):
        return text
    share = np.abs(path.rate - path.linear_rate) / np.maximum(path.linear_rate, 1)
    error = np.abs(path.distortion / path.linear_distortion - 1)
    return (
        f"{text}; against the closed form on the validation images the rate is off by at most {share.max():.1%} (of a "
        f"nat where it is less; lambda = {path.kl_weight[share.argmax()]:g}) and the distortion by at most "
        f"{error.max():.1%} (lambda = {path.kl_weight[error.argmax()]:g})"
    )


def _units(number: float) -> str:
    return f"{number:.0f} active unit{'' if number == 1 else 's'}"
