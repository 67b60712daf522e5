"""What a study of text classifiers adds to its report: the comparison with the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hwsweep.report.html.page import Section
from hwsweep.report.model_study import DrawFigures, StudyFigure
from hwsweep.report.naming import verdict_sentence
from hwsweep.report.tables import pairs_table
from hwsweep.sweep.study.view import StudyView


class ClassifierStudy:
    """The report of classifiers whose runs measure a baseline on the same test split."""

    def predictions(self, view: StudyView) -> list[str]:
        return []

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        best = view.best_trial
        sentence = verdict_sentence(best) if best else ""
        return [*general, *[f"The verdict on the best trial is {sentence}."] * bool(sentence)]

    def sections(self, view: StudyView) -> list[Section]:
        caption = "The baseline and the model on the test split"
        return [Section("Against the baseline", tables=pairs_table(view, "baseline", caption))]

    def figures(self) -> list[DrawFigures]:
        return []

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        return iter(())
