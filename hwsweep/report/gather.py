"""The content of a study's page, in order, from the study's view and its figures."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from hwsweep import run_folder
from hwsweep.figures.png import image_boxes
from hwsweep.report.answer import answer, question
from hwsweep.report.difference import differences
from hwsweep.report.html.page import Fold, Page, Picture, Section, Table
from hwsweep.report.model_study import ANSWER, ModelStudy, StudyFigure
from hwsweep.report.naming import command_line, count, run_directory, run_title, states_text, subset, verdict_sentences
from hwsweep.report.origin import reproduce_section
from hwsweep.report.search import rungs
from hwsweep.report.study_figures import SEARCH, StudyFigures
from hwsweep.report.tables import trials_table
from hwsweep.report.trust import section as trust
from hwsweep.report.trust.estimates import importances
from hwsweep.sweep.study.stored_view import ending, has_ended
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

SINGLE_TRIALS = "Figures of single trials"
UNFINISHED = ("waiting", "paused", "running", "interrupted")
MAX_FOLDS = 12
"""Trials whose own figures are on the page."""
MAX_BYTES = 4_000_000
"""Size of all trials' own figures as PNG: the page stays below 10 MB."""


def gather(view: StudyView, model: ModelStudy, figures: StudyFigures) -> Page:
    """The page of a study."""
    reproduce = reproduce_section(view)  # takes time: before the figures that other processes draw are needed
    pictures: dict[str, list[Picture]] = defaultdict(list)
    for figure in figures.figures:
        pictures[figure.section].append(picture(figure))
    own = {section.title: section for section in model.sections(view)}
    first = own.pop(ANSWER, Section(ANSWER))
    sentences = model.answer(view, answer(view, {each.name: each.share for each in importances(view)}))
    sections = [
        replace(first, sentences=sentences[:1], pictures=[*first.pictures, *pictures.pop(ANSWER, [])], sliders=[]),
        Section("Trials", _warnings(view, figures.problems), tables=_trials(view)),
        Section("Rungs", rungs.sentences(view)),
        Section("Answer in detail", sentences[1:], sliders=first.sliders),  # below the table, on the second screen
        Section("Question", [question(view), *_note(view)], command_line(view.command)),
        Section("Verdicts", verdict_sentences(view)),
        *(
            replace(own.get(title, Section(title)), pictures=pictures[title])
            for title in dict.fromkeys([*own, *pictures])
            if title not in (SEARCH, trust.TRUST)
        ),
        _best_trial(view),
        Section(SEARCH, pictures=pictures[SEARCH]),
        Section(trust.TRUST, trust.sentences(view), pictures=pictures[trust.TRUST]),
        _single_trials(view),
        reproduce,
    ]
    shown = [section for section in sections if not section.empty]
    return Page(f"Study {view.name}", status(view), shown, n_first=min(2, len(shown)))  # the answer and the trials


def _note(view: StudyView) -> list[str]:
    return [f"Note: {view.note}"] if view.note else []


def _trials(view: StudyView) -> list[Table]:
    return [replace(trials_table(view), differences=differences([view]))] if view.trials else []


def picture(figure: StudyFigure) -> Picture:
    """A figure of the study with its bytes."""
    name = figure.path.name
    png = figure.path.read_bytes()
    return Picture(name, figure.caption, figure.alt, png, image_boxes(png), figure.chart)


def status(view: StudyView) -> str:
    """One line: the number of trials in each state, how long trials ran, and the time of this report."""
    states, seconds = states_text(view.trials) or "none begun", wall_seconds(view)
    time = (
        f"{seconds:.0f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
        if seconds < 36000
        else f"{seconds / 3600:.1f} h"
    )
    wall = f"; wall time {time}" if seconds else ""
    return f"{count(len(view.trials), 'trial')}: {states}{wall}. Page of {datetime.now():%Y-%m-%d %H:%M}."


def wall_seconds(view: StudyView) -> float:
    """How long at least one trial ran, in seconds: from the first start to the last end, without pauses."""
    outcomes = [each for trial in view.trials for run in trial.runs for each in (*run.pauses, run.outcome)]
    ends = sorted((each.end_time - each.seconds, each.end_time) for each in outcomes if each and each.end_time)
    total, latest = 0.0, -math.inf
    for start, end in ends:
        total += max(0.0, end - max(start, latest))
        latest = max(latest, end)
    return total


def _warnings(view: StudyView, problems: list[str]) -> list[str]:
    """Sentences above the table: what is unfinished, and which figures are missing."""
    lines = []
    unfinished = states_text(trial for trial in view.trials if trial.state in UNFINISHED)
    if sentence := ending(view.directory):
        lines.append(f"The sweep has ended before its total: {sentence}.")
    elif unfinished or not has_ended(view.directory):
        states = unfinished or "some trials have not begun"
        lines.append(f"The sweep is not finished ({states}). Give the same command again to continue it.")
    return [*lines, *(f"Not drawn: {problem}" for problem in problems)]


def _best_trial(view: StudyView) -> Section:
    """The figures that the best trial's own run drew."""
    best = view.best_trial
    pictures = _own_pictures(best, view) if best else []
    sentences = [f"Trial {best.number}: {run_title(best, view)}."] if best and pictures else []
    return Section("The best trial", sentences, pictures=pictures)


def _single_trials(view: StudyView) -> Section:
    """The own figures of some other trials, up to `MAX_BYTES`."""
    best = view.best_trial
    folds, n_bytes = [], 0
    others = [trial for trial in view.complete_trials if trial is not best]
    for trial in subset(others, MAX_FOLDS):
        pictures = _own_pictures(trial, view)
        n_bytes += sum(len(each.png) for each in pictures)
        if n_bytes > MAX_BYTES:
            break
        if pictures:
            folds.append(Fold(f"Trial {trial.number}: {run_title(trial, view)}", pictures))
    note = f"{len(folds)} of {len(others)} other trials; MLflow and the folders of the trials have all figures."
    return Section(SINGLE_TRIALS, [note] if folds and len(folds) < len(others) else [], folds=folds)


def _own_pictures(trial: TrialView, view: StudyView) -> list[Picture]:
    """The figures that the trial's run drew."""
    keys = [key for key in view.config.get("table", []) if key in trial.metrics]
    numbers = ", ".join(f"{key} {trial.metrics[key]:.5g}" for key in keys)
    title = run_title(trial, view)
    pictures = []
    for path in run_folder.figures(run_directory(trial)):
        name = path.stem.replace("_", " ").capitalize()
        alt = f"{name} of trial {trial.number}, {title}; {numbers}"
        png = path.read_bytes()
        pictures.append(Picture(path.name, f"{name}, {title}", alt, png, image_boxes(png)))
    return pictures
