"""The command line: Hydra composes a run, `run` trains it, the objective goes back to the sweep."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import hydra

from hwsweep.conf_path import conf_path
from hwsweep.startup import look_for_garbage_as_usual, look_for_garbage_seldom
from hwsweep.sweep.ending import quick_end

if TYPE_CHECKING:
    from omegaconf import DictConfig

look_for_garbage_seldom()


@hydra.main(config_path=str(conf_path()), config_name="config", version_base="1.3")
def main(cfg: DictConfig) -> float | tuple[float, ...]:
    """Objective (or objectives) of one run; a mistake in the config or the data is one message and exit code 2."""
    from hwsweep.build import InvalidConfig
    from hwsweep.data import DataError
    from hwsweep.run import run
    from hwsweep.sweep.trial import current_trial
    from hwsweep.training.checkpoint import IncompatibleCheckpoint

    look_for_garbage_as_usual()

    try:
        return run(cfg)
    except (InvalidConfig, DataError, IncompatibleCheckpoint) as error:
        if current_trial() is not None:
            raise
        print(f"hwsweep: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def program() -> None:
    """The command line as a process of its own."""
    with quick_end():
        main()


if __name__ == "__main__":
    program()
