"""Everything that a study's page shows, in its order, from the study's view and the figures drawn of it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.report.answer import answer, question
from hwsweep.report.naming import best, command, count, evenly, finished, folder_of, title, verdicts, which_seed
from hwsweep.report.origin import reproduce_section
from hwsweep.report.page import Fold, Page, Picture, Section
from hwsweep.report.tables import baseline_table, predictions_table, trials_table
from hwsweep.sweep.study.importance import importances
from hwsweep.sweep.study.stored_view import has_ended

if TYPE_CHECKING:
    from hwsweep.report.study_figures import Drawing, Drawn
    from hwsweep.sweep.study.view import StudyView, TrialView

UNFINISHED = ("waiting", "running", "interrupted")
MOST_FOLDED = 12
"""Trials whose own figures are shown."""
MOST_BYTES = 4_000_000
"""Of all trials' own figures together, as PNG: the page stays below 10 MB."""
MOST_SENTENCES = 20
"""Verdicts of single runs."""


def gather(view: StudyView, drawing: Drawing) -> Page:
    """The page of a study, with the figures that lie in its folder once they are drawn."""
    said, reproduce = verdicts(view), reproduce_section(view)  # while other processes draw
    pictures = {
        subject: [picture(each) for each in drawing.drawn if each.subject == subject]
        for subject in ("montage", "collapse", "curves", "search")
    }
    sections = [
        Section("Question", [question(view)], command(view.command)),
        Section("Answer", answer(view, importances(view))),
        Section("Trials", _warnings(view, drawing.problems), tables=[trials_table(view)] if view.trials else []),
        Section("Verdicts", said[:MOST_SENTENCES] + ["The rest is in results.csv."] * (len(said) > MOST_SENTENCES)),
        Section("What the models make of the same images", pictures=pictures["montage"]),
        Section(
            "Collapse, foretold and measured",
            tables=[table for table in [predictions_table(view)] if table],
            pictures=pictures["collapse"],
        ),
        Section("Against the baseline", tables=[table for table in [baseline_table(view)] if table]),
        Section("Curves", pictures=pictures["curves"]),
        _best_trial(view),
        Section("The search", pictures=pictures["search"]),
        Section("Figures of single trials", folds=_folds(view)),
        reproduce,
    ]
    return Page(f"Study {view.name}", status(view), [section for section in sections if not section.empty])


def picture(drawn: Drawn) -> Picture:
    """A figure of the study with its bytes."""
    return Picture(drawn.path.name, drawn.caption, drawn.alt, drawn.path.read_bytes())


def status(view: StudyView) -> str:
    """How many trials ended how, how long they ran, and when this was written."""
    states = Counter(trial.state for trial in view.trials)
    told = ", ".join(f"{n} {state}" for state, n in states.items()) or "none begun"
    total = sum(trial.seconds for trial in view.trials)
    lasted = f"{total:.0f} s" if total < 600 else f"{total / 60:.0f} min" if total < 36000 else f"{total / 3600:.1f} h"
    return f"{count(len(view.trials), 'trial')}: {told}; {lasted} of running. Page of {datetime.now():%Y-%m-%d %H:%M}."


def _warnings(view: StudyView, problems: list[str]) -> list[str]:
    """What a reader must know before believing the table."""
    lines = []
    unfinished = Counter(trial.state for trial in view.trials if trial.state in UNFINISHED)
    if unfinished or not has_ended(view.directory):
        told = ", ".join(f"{n} {state}" for state, n in unfinished.items()) or "trials are left to begin"
        lines.append(f"The sweep has not reached its end ({told}): the same command goes on with it.")
    lines.extend(f"Not drawn: {problem}" for problem in problems)
    return lines


def _best_trial(view: StudyView) -> Section:
    """The best trial's own figures: of a classifier its confusion matrix and attention maps."""
    first = best(view)
    if first is None:
        return Section("The best trial")
    pictures = _own(first, view)
    said = f"Trial {first.number}: {title(first, view)}{which_seed(first)}."
    return Section("The best trial", [said] * bool(pictures), pictures=pictures)


def _folds(view: StudyView) -> list[Fold]:
    """The figures of some other trials, as many as the page has room for."""
    first = best(view)
    others = [trial for trial in finished(view) if trial is not first]
    folds, left = [], MOST_BYTES
    for trial in evenly(others, MOST_FOLDED):
        pictures = _own(trial, view)
        left -= sum(len(each.png) for each in pictures)
        if left < 0:
            break
        if pictures:
            folds.append(Fold(f"Trial {trial.number}: {title(trial, view)}", pictures))
    return folds


def _own(trial: TrialView, view: StudyView) -> list[Picture]:
    """What the run itself drew."""
    numbers = [f"{key} {trial.metrics[key]:.5g}" for key in view.config.get("table", []) if key in trial.metrics]
    return [
        Picture(
            path.name,
            f"{_words(path)}, {title(trial, view)}{which_seed(trial)}",
            f"{_words(path)} of trial {trial.number}, {title(trial, view)}{which_seed(trial)}; {', '.join(numbers)}",
            path.read_bytes(),
        )
        for path in sorted((folder_of(trial) / "figures").glob("*.png"))
    ]


def _words(path: Path) -> str:
    """A file's name as a heading."""
    return path.stem.replace("_", " ").capitalize()
