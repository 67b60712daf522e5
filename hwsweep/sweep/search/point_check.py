"""Points that the program itself refuses, found in the sweep's own process before they cost a trial."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, flag_override

from hwsweep.sweep import SweepError, outcome
from hwsweep.sweep.hydra_internals import apply_overrides
from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.composition_check import needs_composition
from hwsweep.sweep.search.given_point import is_whole
from hwsweep.sweep.search.space import Point, Space, python_values

MAX_EARLY_CHECKS = 200
"""How many points of a grid are checked before its first trial; each of the others just before its own trial."""

Compose: TypeAlias = Callable[[list[str]], DictConfig]


class PointChecker:
    """Asks the user's function whether a point is possible, once per point.

    Args:
        check: dotted path of the function, or a `_target_` node of it with further arguments; None accepts all points.
        compose: the configuration for a list of overrides.
    """

    def __init__(
        self, check: str | Mapping[str, Any] | None, space: Space, loader: ConfigLoader, compose: Compose
    ) -> None:
        self.check = None if check is None else _locate_check(check)
        self.space = space
        self.compose = functools.cache(lambda lines: _composed(compose(list(lines))))
        self.needs_composition = functools.cache(lambda key: needs_composition(key, loader))
        self.messages: dict[tuple[Any, ...], str | None] = {}

    def refusal_message(self, point: Point) -> str | None:
        """Why the program refuses the point, in one line; None if it accepts the point or the check itself breaks."""
        key = tuple(point.items())
        if self.check is not None and key not in self.messages:
            self.messages[key] = self._call(self.check, point)
        return self.messages.get(key)

    def refusals(self, points: list[Point]) -> list[tuple[int, str]]:
        """(index, message) of each refused point among the first points of a grid.

        Raises:
            SweepError: all points are refused.
        """
        messages = [self.refusal_message(point) for point in points[:MAX_EARLY_CHECKS]]
        refusals = [(index, message) for index, message in enumerate(messages) if message is not None]
        if refusals and len(refusals) == len(points):
            raise SweepError(f"every point is refused; the first, {_point_text(points[0])}: {refusals[0][1]}")
        return refusals

    def check_corners(self) -> None:
        """Check a search before its first trial, by the points with all lowest and with all highest values.

        Raises:
            SweepError: both are refused for the same reason, which then lies in what all points have in common.
        """
        axes = self.space.independent_axes
        lists = {axis.key: axis.values or (axis.low, axis.high) for axis in axes}
        corners = [self.space.point({key: values[end] for key, values in lists.items()}) for end in (0, -1)]
        if not axes or any(map(self.space.is_excluded, corners)):
            return
        first, last = map(self.refusal_message, corners)
        if first is not None and first == last:
            raise SweepError(f"every point is refused; {_point_text(corners[0])}, as an example: {first}")

    def check_start(self, points: Sequence[Point]) -> None:
        """Check the first points of a search, as far as they are given in whole.

        Raises:
            SweepError: one of them is refused.
        """
        for point in [self.space.point(point) for point in points if is_whole(self.space, point)]:
            if (message := self.refusal_message(point)) is not None:
                raise SweepError(f"hydra.sweeper.start: {_point_text(point)} is refused: {message}")

    def _call(self, check: Callable[[DictConfig], object], point: Point) -> str | None:
        hydra: Any = HydraConfig.instance()
        before = hydra.cfg
        try:
            hydra.cfg, config = self._config(self.space.overrides(point))  # ${hydra:...} looks there
            check(config)
        except Exception as error:
            failure = outcome.from_error(error, 0).failure
            if failure is not None and failure.reason == "invalid-config":
                return failure.message
            # any other error (memory, a bug) belongs to the trial, which has a process of its own
            print(f"{_point_text(point)} could not be checked: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            hydra.cfg = before
        return None

    def _config(self, lines: list[str]) -> tuple[DictConfig, DictConfig]:
        """The configuration with the groups that these overrides select, and what the task function would get.

        Hydra composes once for each choice of groups; the other overrides are set in a copy, in a tenth of the time.
        """
        groups = tuple(line for line in lines if self.needs_composition(line.partition("=")[0]))
        whole, application = self.compose(groups)
        config = copy.deepcopy(application)
        apply_overrides([_parse_override(line) for line in lines if line not in groups], config)
        return whole, config


def _composed(config: DictConfig) -> tuple[DictConfig, DictConfig]:
    """The configuration, and a copy without Hydra's own section."""
    application = copy.deepcopy(config)
    with flag_override(application, ["readonly", "struct"], False):
        del application["hydra"]
    return config, application


def _locate_check(node: str | Mapping[str, Any]) -> Callable[[DictConfig], object]:
    """The function that the node names, with its further arguments."""
    if isinstance(node, str):
        node = {"_target_": node}
    arguments = {str(key): value for key, value in node.items() if key not in ("_target_", "_partial_")}
    return functools.partial(sampling.locate(str(node["_target_"])), **arguments)


@functools.cache
def _parse_override(line: str) -> Override:
    """The parsed override; points share most of theirs."""
    return OverridesParser.create().parse_override(line)


def _point_text(point: Point) -> str:
    """The point in one line: "vae.latent=20, seed=1"."""
    return ", ".join(f"{key}={value}" for key, value in python_values(point).items())


def refusal_lines(refusals: list[tuple[int, str]], points: list[Point]) -> list[str]:
    """Lines that name at most five refused points and say why each is refused; none without refusals."""
    if not refusals:
        return []
    lines = [f"  {_point_text(points[index])}: {message}" for index, message in refusals[:5]]
    more = [f"  and {len(refusals) - 5} more; study.json lists them all"] if len(refusals) > 5 else []
    return [f"{len(refusals)} of {len(points)} points refused:", *lines, *more]
