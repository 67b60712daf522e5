"""What a study of text classifiers adds to its report: the comparison with the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from hwsweep.report.html.page import Cell, Section, Table
from hwsweep.report.model_study import ANSWER, DrawFigures, StudyFigure
from hwsweep.report.naming import count, trial_title, verdict, verdict_sentence
from hwsweep.report.study_figures import save_figure, title_of
from hwsweep.report.tables import number_cells, pairs_table
from hwsweep.sweep.study.view import StudyView

BASELINES = ("baseline/accuracy", "baseline/bigram_accuracy")
"""Accuracies of TF-IDF on words, and on words and pairs; a run is compared with the better one."""
CHANCE = "baseline/majority_accuracy"
"""The accuracy of always predicting the most frequent class."""

ATTRIBUTIONS = {
    "normalised_aopc": "Normalised AOPC: 0 for the worst order of masking words, 1 for the best",
    "comprehensiveness": "Comprehensiveness: fall of the probability with the highest words masked; higher is better",
    "sufficiency": "Sufficiency: fall of the probability with all other words masked; lower is better",
    "masked_accuracy": "Accuracy with the highest word of each text masked",
    "rank_correlation": "Rank correlation with the leave-one-out effect over the words of a text",
    "average_precision": "Area under precision-recall of finding the words that decide the class",
}
"""Captions of tables by quantity; each is a mean over test texts (docs/news.md)."""


class ClassifierStudy:
    """The report of classifiers whose runs measure a baseline on the same test split."""

    def predictions(self, view: StudyView) -> list[str]:
        return []

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        best = view.best_trial
        sentence = verdict_sentence(best) if best else ""
        return [*_against_baseline(view), *general, *[f"The verdict on the best trial is {sentence}."] * bool(sentence)]

    def sections(self, view: StudyView) -> list[Section]:
        caption = "The baseline and the model on the test split"
        return [
            Section("Against the baseline", tables=pairs_table(view, "baseline", caption)),
            Section("Attributions", tables=attribution_tables(view)),
        ]

    def figures(self) -> list[DrawFigures]:
        return [draw_accuracy]

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        from hwsweep.figures.study import accuracy

        points = {view.name: _accuracies(view) for view in views}
        points = {name: found for name, found in points.items() if found}
        if len(points) < 2:
            return
        best = "; ".join(f"{name}: at most {max(found)[0]:.1%}" for name, found in points.items())
        path, caption = folder / "accuracy.png", title_of(accuracy)
        yield save_figure(accuracy, accuracy.info(points), path, "", caption, f"{best}.")


def attribution_tables(view: StudyView) -> list[Table]:
    """Per quantity a table of all methods (columns) in each trial (row); none where nothing was measured."""
    trials = view.complete_trials
    tables = []
    for quantity, caption in ATTRIBUTIONS.items():
        prefix = f"test/{quantity}/"
        keys = dict.fromkeys(key for trial in trials for key in trial.metrics if key.startswith(prefix))
        numbers = [number_cells([trial.metrics.get(key) for trial in trials]) for key in keys]
        rows = [[Cell(trial_title(trial, view)), *cells] for trial, *cells in zip(trials, *numbers, strict=True)]
        names = [key.removeprefix(prefix).replace("_", " ") for key in keys]
        tables += [Table(caption, ["trial", *names], rows)] if keys else []
    return tables


def draw_accuracy(view: StudyView) -> Iterator[StudyFigure]:
    """accuracy.png: the trials and their baselines in one row; nothing where fewer than two trials have an accuracy."""
    from hwsweep.figures.study import accuracy

    points = _accuracies(view)
    if len(points) > 1:
        summary = f"{len(points)} trials from {min(points)[0]:.1%} to {max(points)[0]:.1%}."
        info, path = accuracy.info({"": points}), view.directory / "accuracy.png"
        caption = "Test accuracy of each trial, of its baseline and of always predicting the most frequent class."
        yield save_figure(accuracy, info, path, ANSWER, caption, summary)


def _accuracies(view: StudyView) -> list[tuple[float, float, float]]:
    """Accuracy of each trial, of its better baseline and of chance; NaN for what was not measured."""
    metrics = [trial.metrics for trial in view.complete_trials if "test/accuracy" in trial.metrics]
    return [
        (m["test/accuracy"], max((m[key] for key in BASELINES if key in m), default=math.nan), m.get(CHANCE, math.nan))
        for m in metrics
    ]


def _against_baseline(view: StudyView) -> list[str]:
    """How many trials beat the baseline and how many chance, by the verdicts of the runs; nothing without verdicts."""
    trials = [trial for trial in view.complete_trials if verdict(trial) and "test/accuracy" in trial.metrics]
    if not trials:
        return []
    above_baseline = sum(verdict(trial) == "above baseline" for trial in trials)
    above_chance = sum(verdict(trial) != "chance" for trial in trials)
    start = "No trial beats chance"
    if above_chance:  # else the baseline is out of question
        start = f"{_beat(above_baseline, count(len(trials), 'finished trial'))} the baseline"
        start += f", and {_beat(above_chance, str(len(trials)))} chance"
    levels = {
        "test accuracy": [trial.metrics["test/accuracy"] for trial in trials],
        "logistic regression on TF-IDF": [max(trial.metrics.get(key, 0.0) for key in BASELINES) for trial in trials],
        "chance (always the most frequent class)": [t.metrics[CHANCE] for t in trials if CHANCE in t.metrics],
    }
    numbers = ", ".join(f"{name} {_range(shares)}" for name, shares in levels.items() if shares)
    return [f"{start}: {numbers}."]


def _beat(n: int, trials: str) -> str:
    """ "2 of 3 finished trials beat"."""
    return f"{n} of {trials} {'beats' if n == 1 else 'beat'}" if n else "No trial beats"


def _range(shares: list[float]) -> str:
    """ "24.0% to 27.0%", or "24.0%" if all are alike."""
    return " to ".join(dict.fromkeys(f"{share:.1%}" for share in (min(shares), max(shares))))
