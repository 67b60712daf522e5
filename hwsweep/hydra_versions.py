"""What Hydra 1.3 and Hydra 1.4 expect in different ways."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig


def version_base() -> dict[str, str]:
    """The argument `version_base`, which Hydra 1.3 wants to be given and 1.4 wants to be left out."""
    import hydra

    return {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}


@contextmanager
def without_whitelist_warnings() -> Iterator[None]:
    """A block in which Hydra 1.4 does not warn that `_target_` may name any class: here that is the purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"hydra\.utils\.instantiate\(\) resolved", UserWarning)
        yield


def instantiate(node: Any, **arguments: Any) -> Any:
    """What the section describes, as `hydra.utils.instantiate` makes it."""
    import hydra.utils

    with without_whitelist_warnings():
        return hydra.utils.instantiate(node, **arguments)


def compose_in(folder: Path, name: str, overrides: Sequence[str] = (), return_hydra_config: bool = False) -> DictConfig:
    """The configuration `name` of this folder with these overrides."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(folder), **version_base()):
        return compose(name, list(overrides), return_hydra_config=return_hydra_config)
