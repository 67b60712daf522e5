"""The observer of a sweep from Python: the table of trials, and the page."""

from __future__ import annotations

from hwsweep.report.write import write_report
from hwsweep.sweep.study.view import StudyView
from hwsweep.sweep.table import print_table


class StudyPage:
    """Prints the table and writes the page when the sweep ends; MLflow has no part in it."""

    def started(self, view: StudyView) -> None:
        pass  # the engine's first line has announced the sweep

    def finished(self, view: StudyView) -> None:
        print_table(view)
        report = write_report(view)
        for problem in report.problems:
            print(f"not drawn: {problem}")
        print(f"page: {report.page}", flush=True)
