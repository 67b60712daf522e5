"""The command line: Hydra composes a run, `run` trains it, the objective goes back to the sweep."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import conf_path
from hwsweep.hydra_versions import compose_in, version_base, without_whitelist_warnings
from hwsweep.signals import Interrupted, end_on_signals, exit_on_signals
from hwsweep.startup import quick_exit, raise_gc_threshold, restore_gc_threshold

if TYPE_CHECKING:
    from omegaconf import DictConfig

raise_gc_threshold()

REPLACED = {
    "kl.warmup_steps": "kl.warmup, a share of the training, such as kl.warmup=0.5",
    "kl.cycle_steps": "kl.cycles alone, such as kl.cycles=4: the cycles fill the training",
}
"""What to write instead of a key that is no more."""


def main() -> None:
    """Let Hydra read the command line and train, or sweep."""
    import hydra

    with without_whitelist_warnings():
        hydra.main(config_path=str(conf_path()), config_name="config", **version_base())(train)()


def train(cfg: DictConfig) -> float | tuple[float, ...]:
    """Objective (or objectives) of one run; wrong config or data, or a diverged loss, is a message and exit code 2."""
    from hwsweep.components.config_values import InvalidConfig
    from hwsweep.data import DataError
    from hwsweep.run import run
    from hwsweep.sweep.disk import full_error
    from hwsweep.sweep.outcome import error_message
    from hwsweep.sweep.trial import current_trial
    from hwsweep.tracking.database import UnusableStore, lost_store
    from hwsweep.training.checkpoint import IncompatibleCheckpoint
    from hwsweep.training.epoch import Diverged

    restore_gc_threshold()
    try:
        with exit_on_signals() if current_trial() is None else nullcontext():
            objective = run(cfg)
            if current_trial() is None and cfg.get("page"):
                _write_page()
            return objective
    except (InvalidConfig, DataError, UnusableStore, IncompatibleCheckpoint, Diverged) as error:
        if current_trial() is not None:
            raise
        print(f"hwsweep: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        if current_trial() is not None:
            raise
        if (full := full_error(error)) is not None:
            line = f"no space left on the disk ({error_message(full)}); make room"
        elif (lost := lost_store(error)) is not None:
            line = f"{lost}; `resume` with the run's folder goes on from its last epoch"
        else:
            raise
        print(f"hwsweep: {line}", file=sys.stderr)
        raise SystemExit(2) from None


def _write_page() -> None:
    """Write the page of the single run that has just ended, and print its path."""
    from hydra.core.hydra_config import HydraConfig

    from hwsweep.report.single_run import write_run_page

    print(f"page: {write_run_page(Path(HydraConfig.get().runtime.output_dir))}")


def program() -> None:
    """The command line as a process of its own."""
    with quick_exit(), end_on_signals():
        from hwsweep.processes import ensure_output  # a signal that comes meanwhile is handled already

        ensure_output()
        _refuse_replaced_keys()
        _refuse_null_groups()
        try:
            main()
        except Interrupted:
            raise
        except SystemExit as end:
            if hint := _did_you_mean(end.__context__):
                print(hint, file=sys.stderr)
            raise


def _refuse_replaced_keys() -> None:
    for argument in sys.argv[1:]:
        key = argument.lstrip("+~").partition("=")[0]
        if key in REPLACED:
            raise SystemExit(f"hwsweep: `{key}` counted training batches and is no more; write {REPLACED[key]}")


def _refuse_null_groups() -> None:
    if not (arguments := [argument for argument in sys.argv[1:] if re.search(r"=.*\bnull\b", argument)]):
        return
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from hwsweep.sweep.hydra_internals import application_loader, null_choice

    try:
        overrides = OverridesParser.create().parse_overrides(arguments)
    except HydraException:
        return  # Hydra says so when it reads them
    if message := null_choice(overrides, application_loader(str(conf_path()))):
        raise SystemExit(f"hwsweep: {message}")


def _did_you_mean(error: BaseException | None) -> str:
    """A line with the key that the user meant, if this is Hydra's error about one that a single run does not have."""
    from hydra.errors import ConfigCompositionException

    message = str(error)
    if (
        not (isinstance(error, ConfigCompositionException) and message.startswith("Could not"))
        or "did you mean" in message
    ):
        return ""
    from hwsweep.sweep.hydra_internals import did_you_mean

    groups = ("model=", "dataset=", "experiment=", "optimizer=", "schedule=", "kl=")
    choices = [argument for argument in sys.argv[1:] if argument.startswith(groups)]
    return did_you_mean(error, compose_in(conf_path(), "config", choices, return_hydra_config=True))


if __name__ == "__main__":
    program()
