"""The command line: Hydra composes a run, `run` trains it, the objective goes back to the sweep."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import hydra

from hwsweep import conf_path
from hwsweep.startup import quick_exit, raise_gc_threshold, restore_gc_threshold

if TYPE_CHECKING:
    from omegaconf import DictConfig

raise_gc_threshold()


@hydra.main(config_path=str(conf_path()), config_name="config", version_base="1.3")
def main(cfg: DictConfig) -> float | tuple[float, ...]:
    """Objective (or objectives) of one run; a mistake in the config or the data is one message and exit code 2."""
    from hwsweep.build import InvalidConfig
    from hwsweep.data import DataError
    from hwsweep.run import run
    from hwsweep.sweep.trial import current_trial
    from hwsweep.training.checkpoint import IncompatibleCheckpoint

    restore_gc_threshold()
    try:
        return run(cfg)
    except (InvalidConfig, DataError, IncompatibleCheckpoint) as error:
        if current_trial() is not None:
            raise
        print(f"hwsweep: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def program() -> None:
    """The command line as a process of its own."""
    with quick_exit():
        main()


if __name__ == "__main__":
    program()
