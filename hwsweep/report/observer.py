"""The report of a study: predictions before its first trial; table, page and MLflow run after its last one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from omegaconf import DictConfig

from hwsweep.report.model_study import model_study
from hwsweep.report.naming import states_text, verdict_sentences
from hwsweep.report.study_run import log_study
from hwsweep.report.terminal_table import print_table
from hwsweep.report.write import write_report
from hwsweep.sweep import SweepError
from hwsweep.sweep.execution.fork_server import worker_pool
from hwsweep.sweep.outcome import error_message
from hwsweep.sweep.study.stored_view import has_ended
from hwsweep.sweep.study.view import StudyView
from hwsweep.sweep.table import plain_console
from hwsweep.tracking import chart_view, runs
from hwsweep.tracking.database import UnusableStore

log = logging.getLogger("hwsweep")

MAX_TRIALS = 500
"""Larger studies are drawn in this process: to send one of 10,000 trials to another process takes 0.3 s, four times."""


class StudyReport:
    """The observer that the sweep engine calls when a study starts and ends."""

    def started(self, view: StudyView) -> None:
        try:
            store = _store(view.config)  # created here, before any trial needs it
        except UnusableStore as error:
            raise SweepError(str(error)) from error
        runs.end_orphaned_runs(store)
        for sentence in model_study(view).predictions(view):
            print(sentence, flush=True)
        chart_view.save(store, view.name, view.axes, view.config.table, view.objective_names[0])

    def finished(self, view: StudyView) -> str:
        """Show the study's result; what came of the trials, a line for each verdict.

        Raises:
            SweepError: a part of it could not be written; the others are.
        """
        console = plain_console()
        say = partial(console.print, soft_wrap=True)
        print_table(view, console)
        for sentence in verdict_sentences(view):
            say(sentence)
        problems: list[str] = []
        with _errors_noted("the page", problems):
            with worker_pool(2 if len(view.trials) <= MAX_TRIALS else 0) as processes:
                report = write_report(view, processes)
            for problem in report.problems:
                say(f"not drawn: {problem}")
            say(f"page: {report.page}")
            with _errors_noted("the study's MLflow run", problems):
                log_study(view, _store(view.config), [report.page, report.table, *report.figures])
        if pruned := {trial.number for trial in view.trials if trial.state == "pruned" and trial.pause is not None}:
            with _errors_noted("the state of pruned runs", problems):
                runs.end_paused_trials(_store(view.config), view.name, pruned)
        if has_ended(view.directory):
            with _errors_noted("the state of unfinished runs", problems):
                runs.end_running_trials(_store(view.config), view.name)
        if problems:
            raise SweepError(
                f"{'; '.join(problems)}; the trials are stored, and the same command makes what is missing"
            )
        return "\n".join([states_text(view.trials), *verdict_sentences(view)])


@contextmanager
def _errors_noted(subject: str, problems: list[str]) -> Iterator[None]:
    """Note an error instead of raising it: what comes after the block is still to be done."""
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        log.debug("%s", subject, exc_info=True)
        problems.append(f"{subject} could not be written: {error_message(error)}")


def _store(config: DictConfig) -> runs.Store:
    return runs.open_store(config.tracking.uri, config.tracking.artifacts)
