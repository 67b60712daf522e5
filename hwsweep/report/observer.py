"""The two ends of a study: what is foreseen before its first trial, and what is shown after its last one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console

from hwsweep.report.ending import log_study, sentences, show_table
from hwsweep.report.naming import LAMBDA, objectives, verdicts
from hwsweep.report.write import write_report
from hwsweep.sweep.execution.fork_server import helpers
from hwsweep.sweep.study.stored_view import has_ended
from hwsweep.tracking import chart_view, runs

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from hwsweep.sweep.study.view import StudyView

log = logging.getLogger("hwsweep")

FEW_TRIALS = 500
"""Up to so many it pays to send the study to processes that draw: 0.03 s each of four times; 1.1 s for 10,000."""


class Study:
    """Hears from the sweep engine when a study starts and ends."""

    def started(self, view: StudyView) -> None:
        """Make the MLflow store before any trial needs it, end what a killed sweep left RUNNING, and foretell."""
        store = _store(view.config)
        runs.end_orphans(store)
        if "vae" in view.config and "dataset" not in view.axes:
            for line in foretold(view):
                print(line, flush=True)
        chart_view.keep(store, view.name, view.axes, view.config.table, objectives(view)[0])

    def finished(self, view: StudyView) -> None:
        """Show table and verdicts, write the study's page, and keep all of it in the study's MLflow run."""
        console = Console(width=None if sys.stdout.isatty() else 200)
        show_table(view, console)
        said = verdicts(view)
        for line in sentences(said):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        with _told(console, view.name, "the page"):
            with helpers(2 if len(view.trials) <= FEW_TRIALS else 0) as processes:
                written = write_report(view, processes)
            for problem in written.problems:
                console.print(f"not drawn: {problem}", highlight=False, markup=False)
            console.print(f"page: {written.page}", highlight=False, markup=False, soft_wrap=True)
            with _told(console, view.name, "the study's MLflow run"):
                log_study(view, _store(view.config), [written.page, written.table, *written.pictures], said)
        if has_ended(view.directory):
            with _told(console, view.name, "the end of runs that dead machines left"):
                runs.end_left(_store(view.config), view.name)


@contextmanager
def _told(console: Console, study: str, what: str) -> Iterator[None]:
    """Say what failed and go on: the trials are kept already, and their numbers are worth more than a page."""
    try:
        yield
    except Exception as error:
        log.debug("%s", what, exc_info=True)
        lines = f"hwsweep: {what} could not be written: {type(error).__name__}: {error}"
        console.print(f"{lines}\nagain: python -m hwsweep.report {study}", highlight=False, markup=False)


def foretold(view: StudyView) -> list[str]:
    """What a linear VAE would do at each lambda of the study, from the training images alone."""
    from hydra.utils import instantiate

    from hwsweep.analysis.linear_vae import kept_spectrum, predict, sentence
    from hwsweep.data import DataError
    from hwsweep.data.locations import spectrum_home

    vae = view.config.vae
    if vae.sigma2 == "learned" or {"vae.sigma2", "vae.likelihood", "vae.latent"} & set(view.axes):
        return []
    weights = [weight for weight in view.axes.get(LAMBDA, (vae["lambda"],)) or () if isinstance(weight, int | float)]
    try:
        splits = instantiate(view.config.dataset).splits(view.config.seed)
    except DataError as error:
        raise SystemExit(f"hwsweep: {error}") from None
    eigenvalues = kept_spectrum(splits, splits.digest(), vae.latent, vae.likelihood, spectrum_home())
    lines = []
    for weight in weights:
        with suppress(ValueError):  # a value out of range is the trial's to refuse, by its name
            lines.append(sentence(predict(eigenvalues, weight, vae.sigma2, vae.latent), weight, vae.sigma2))
    return lines


def _store(config: DictConfig) -> runs.Store:
    return runs.open_store(config.tracking.uri, config.tracking.artifacts)
