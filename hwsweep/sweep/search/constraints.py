"""Constraints of a search: bounds on the metrics that a trial reports, and values that its program sets itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

PATTERN = re.compile(r"\s*(?P<metric>[^\s<>=]+)\s*(?P<relation><=|>=)\s*(?P<bound>[^\s<>=]+)\s*")


class Constraint(NamedTuple):
    """A bound on a metric."""

    metric: str
    relation: str
    """<= or >=."""
    bound: float

    @property
    def text(self) -> str:
        """The name of the constraint: "valid/error <= 0.05"."""
        return f"{self.metric} {self.relation} {self.bound:g}"

    def violation(self, metrics: Mapping[str, float]) -> float:
        """By how much the metric is beyond the bound, at most 0 where it is not; infinite where it has no value."""
        value = metrics.get(self.metric, math.nan)
        excess = value - self.bound if self.relation == "<=" else self.bound - value
        return math.inf if math.isnan(excess) else excess


def parse_constraint(text: str) -> Constraint:
    """The constraint that is written like "valid/error <= 0.05".

    Raises:
        ValueError: the text is no bound on a metric.
    """
    match = PATTERN.fullmatch(text)
    if match is None or not math.isfinite(bound := float(match["bound"])):
        raise ValueError(f"{text!r} is no bound")
    return Constraint(match["metric"], match["relation"], bound)


def is_feasible(constraints: Mapping[str, float]) -> bool:
    """Whether none of these values is above 0; without constraints everything is feasible."""
    return all(value <= 0 for value in constraints.values())
