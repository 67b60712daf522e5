"""Points that the program itself refuses, recognised in the sweep's own process before they cost a trial."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, flag_override

from hwsweep.sweep import SweepError, outcome
from hwsweep.sweep.search import sampling
from hwsweep.sweep.search.composition_check import is_choice
from hwsweep.sweep.search.space import Point, Space, readable

EAGER = 200
"""How many points of a grid are checked before its first trial; the others when it is their turn."""

Compose: TypeAlias = Callable[[list[str]], DictConfig]


class Checker:
    """Asks the user's function whether a point can be; each point once.

    Args:
        node: dotted path of the function, or a `_target_` node of it with further arguments; None accepts all.
        compose: the configuration for a list of overrides.
    """

    def __init__(
        self, node: str | Mapping[str, Any] | None, space: Space, loader: ConfigLoader, compose: Compose
    ) -> None:
        self.function = None if node is None else function(node)
        self.space = space
        self.compose = compose
        self.loader = loader
        self.composed: dict[tuple[str, ...], tuple[DictConfig, DictConfig]] = {}
        """What Hydra composes for each choice of groups; values are then set in a copy, in a tenth of the time."""
        self.composed_keys: dict[str, bool] = {}
        self.told: dict[tuple[Any, ...], str | None] = {}

    def refusal(self, point: Point) -> str | None:
        """Why the program refuses the point, in one line; None if it does not, or cannot say."""
        if self.function is None:
            return None
        key = tuple(point.items())
        if key not in self.told:
            self.told[key] = self._ask(self.function, point)
        return self.told[key]

    def refused(self, points: list[Point]) -> list[tuple[int, str]]:
        """The refused ones among the first points of a grid: their places, and why.

        Raises:
            SweepError: all points are refused.
        """
        told = [(index, self.refusal(point)) for index, point in enumerate(points[:EAGER])]
        refused = [(index, why) for index, why in told if why is not None]
        if refused and len(refused) == len(points):
            raise SweepError(f"every point is refused; the first, {written(points[0])}: {refused[0][1]}")
        return refused

    def _ask(self, refuses: Callable[[DictConfig], object], point: Point) -> str | None:
        hydra: Any = HydraConfig.instance()
        before = hydra.cfg
        try:
            hydra.cfg, config = self._config(self.space.overrides(point))  # ${hydra:...} looks there
            refuses(config)
        except Exception as error:
            failure = outcome.of_error(error, 0).failure
            if failure is not None and failure.reason == "invalid-config":
                return failure.message
            # what else goes wrong here (memory, a bug) is for the trial to find out, in a process of its own
            print(f"{written(point)} could not be checked: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            hydra.cfg = before
        return None

    def _config(self, lines: list[str]) -> tuple[DictConfig, DictConfig]:
        """The whole configuration, with the groups of these overrides, and what the task function would get."""
        groups = tuple(line for line in lines if self._is_composed(line.partition("=")[0]))
        if groups not in self.composed:
            whole = self.compose(list(groups))
            task = copy.deepcopy(whole)
            with flag_override(task, ["readonly", "struct"], False):
                del task["hydra"]
            self.composed[groups] = whole, task
        whole, task = self.composed[groups]
        config = copy.deepcopy(task)
        ConfigLoaderImpl._apply_overrides_to_config([parse(line) for line in lines if line not in groups], config)
        return whole, config

    def _is_composed(self, key: str) -> bool:
        """The same as `is_choice`, asked once per key."""
        if key not in self.composed_keys:
            self.composed_keys[key] = is_choice(key, self.loader)
        return self.composed_keys[key]


def function(node: str | Mapping[str, Any]) -> Callable[[DictConfig], object]:
    """The function that the node names, with its further arguments."""
    if isinstance(node, str):
        found: Callable[[DictConfig], object] = sampling.locate(node)
        return found
    arguments = {str(key): value for key, value in node.items() if key not in ("_target_", "_partial_")}
    return functools.partial(sampling.locate(str(node["_target_"])), **arguments)


@functools.cache
def parse(line: str) -> Override:
    """The parsed override; points share most of theirs."""
    return OverridesParser.create().parse_override(line)


def written(point: Point) -> str:
    """The point in one line: "vae.latent=20, seed=1"."""
    return ", ".join(f"{key}={value}" for key, value in readable(point).items())


def announce(refused: list[tuple[int, str]], points: list[Point]) -> list[str]:
    """Lines that say what is left out and why; many are cut short."""
    shown = [f"  {written(points[index])}: {why}" for index, why in refused]
    more = [f"  and {len(shown) - 5} more; study.json has them all"] if len(shown) > 5 else []
    return [f"{len(refused)} of {len(points)} points refused:", *shown[:5], *more]
