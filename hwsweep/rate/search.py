"""The lambda at which a model for every lambda has a rate or a distortion, by bisection along its curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from hwsweep.analysis.all_lambda.contract import EveryLambda
from hwsweep.analysis.all_lambda.stops import Point, measure_point, stops_of
from hwsweep.analysis.vae_metrics import AnalysisPlan
from hwsweep.data import Splits

STEPS = 40
"""Of the bisection: the logarithm of lambda is known to 1e-12 of the distance of two stops."""
SHARE = 1e-4
"""Of the value that is looked for: nearer is near enough."""


class OutOfRange(Exception):
    """The curve has no such point; the message names its range."""


class Found(NamedTuple):
    """A point of the curve and how many latents the model has."""

    point: Point
    latents: int

    def __str__(self) -> str:
        kl_weight, rate, distortion, active = self.point[:4]
        return (
            f"lambda = {kl_weight:.4g}: rate {rate:.2f} nats, distortion {distortion:.2f} nats, "
            f"{active} of {self.latents} latents active"
        )


def find_lambda(
    model: EveryLambda, splits: Splits, plan: AnalysisPlan, n_stops: int, quantity: str, value: float
) -> Found:
    """The smallest lambda at which the test split has this rate or distortion.

    Args:
        n_stops: lambdas at which the curve is measured to find where it passes the value.
        quantity: a field of `Point`: rate or distortion.
        value: in nats per image.

    Raises:
        OutOfRange: the curve does not pass the value.
    """
    image = splits.test["image"]

    def measure(log_weight: float) -> Point:
        return measure_point(model.at(math.exp(log_weight)), image, plan)

    def excess(point: Point) -> float:
        return float(getattr(point, quantity)) - value

    low, high = model.lambda_range
    points = [measure_point(model.at(weight), image, plan) for weight in stops_of(model.lambda_range, n_stops)]
    for left, right in pairwise(points):
        if excess(left) * excess(right) <= 0:
            return Found(_bisect(measure, excess, left, right, SHARE * abs(value)), model.latent)
    values = [excess(point) + value for point in points]
    raise OutOfRange(
        f"{quantity} {value:g} nats is not on the curve of this model, whose {quantity} on the test split goes from "
        f"{values[0]:.4g} nats at lambda = {low:g} to {values[-1]:.4g} nats at lambda = {high:g}"
    )


def _bisect(
    measure: Callable[[float], Point], excess: Callable[[Point], float], left: Point, right: Point, near: float
) -> Point:
    """A point between two whose excesses have different signs, with an excess of at most `near`, if steps suffice."""
    for end in (left, right):
        if abs(excess(end)) <= near:
            return end
    middle = left
    for _ in range(STEPS):
        middle = measure((math.log(left.kl_weight) + math.log(right.kl_weight)) / 2)
        if abs(excess(middle)) <= near:
            break
        if excess(middle) * excess(left) > 0:
            left = middle
        else:
            right = middle
    return middle
