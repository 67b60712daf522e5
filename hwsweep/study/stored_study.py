"""A stored study as an object: its trials as a table, the best one, its figures and its page."""

from __future__ import annotations

import warnings
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.report.model_study import model_study
from hwsweep.report.naming import count, states_text, verdict
from hwsweep.report.study_figures import StudyFigures
from hwsweep.report.write import ReportFiles, results, write_report
from hwsweep.study.stored_trial import StoredTrial
from hwsweep.study.study_folder import study_folder
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.optuna_study import pareto_front
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_ROWS = 20
"""Trials in a notebook's cell: the first and the last ones of more."""


class StoredStudy:
    """A study as it stood when it was loaded; `hwsweep.load_study` makes it."""

    def __init__(self, view: StudyView) -> None:
        self.view = view
        self.name: str = view.name
        self.directory: Path = view.directory

    @classmethod
    def load(cls, name: str | Path) -> StoredStudy:
        """The study in this folder, or of this name under outputs/.

        Raises:
            SweepError: there is no such study, or it cannot be read.
        """
        return cls(stored_view(study_folder(name)))

    def __len__(self) -> int:
        return len(self.view.trials)

    def __repr__(self) -> str:
        return f"<study {self.name!r}, {self._states()}>"

    def _repr_html_(self) -> str:
        columns = ["number", *self.view.axes, *self.view.objective_names, "state", "seconds"]
        table = self.trials[columns].to_html(index=False, max_rows=MAX_ROWS)
        return f"<p><b>Study {escape(self.name)}</b>, {escape(self._states())}</p>{table}"

    @cached_property
    def trials(self) -> DataFrame:
        """A row per trial: number, state, swept values, objectives, metrics, seconds, run_id, verdict, reason, ...

        A column for each swept key and each metric, by their full names; NaN or None where a trial has no value.
        """
        import pandas as pd

        columns, rows = results(self.view)
        table = pd.DataFrame(rows, columns=columns)
        table["verdict"] = [verdict(trial) or None for trial in self.view.trials]
        return table.rename(columns={"trial": "number"})

    def trial(self, number: int) -> StoredTrial:
        """The trial of this number.

        Raises:
            SweepError: there is none.
        """
        if not 0 <= number < len(self):
            has = f"it has the trials 0 to {len(self) - 1}" if self.view.trials else "it has none yet"
            raise SweepError(f"study {self.name!r} has no trial {number}; {has}")
        return StoredTrial(self.view.trials[number], self.view)

    @property
    def best(self) -> StoredTrial:
        """The trial with the best value.

        Raises:
            SweepError: no trial is complete, or there are several objectives.
        """
        if len(self.view.directions) > 1:
            n = len(self.view.directions)
            raise SweepError(f"study {self.name!r} has {n} objectives, so no trial is the best; see `front`")
        best = self.view.best_trial
        if best is None:
            raise SweepError(f"no trial of study {self.name!r} is complete, so none is the best")
        return StoredTrial(best, self.view)

    @property
    def front(self) -> list[StoredTrial]:
        """The complete trials, by number, to which no other is superior: the Pareto front of several objectives."""
        return [StoredTrial(trial, self.view) for trial in pareto_front(self.view)]

    @cached_property
    def figures(self) -> dict[str, Path]:
        """The study's figures by name, as PNG files; drawn into the study's folder at the first use."""
        figures = StudyFigures(self.view, model_study(self.view))
        _warn(figures.problems)
        return {figure.path.stem: figure.path for figure in figures.figures}

    def report(self) -> Path:
        """Write the page, results.csv and the figures into the study's folder; the path of the page."""
        files = self.write()
        _warn(files.problems)
        return files.page

    def write(self) -> ReportFiles:
        """The files that `report` writes, and the figures that could not be drawn."""
        return write_report(self.view)

    def _states(self) -> str:
        return f"{count(len(self), 'trial')}: {states_text(self.view.trials) or 'none begun'}"


def _warn(problems: list[str]) -> None:
    for problem in problems:
        warnings.warn(f"not drawn: {problem}", stacklevel=3)
