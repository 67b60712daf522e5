"""One page for several studies: their answers, one table of all trials, joint figures, and their settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hwsweep.files import without_passwords, write_text
from hwsweep.report.answer import answer, question
from hwsweep.report.difference import differences
from hwsweep.report.gather import picture
from hwsweep.report.html.page import Cell, Page, Section, Table
from hwsweep.report.html.render import render
from hwsweep.report.model_study import ANSWER, ModelStudy, StudyFigure, model_study
from hwsweep.report.naming import states_text
from hwsweep.report.study_figures import attempt, draw_joint_search
from hwsweep.report.tables import trials_table
from hwsweep.report.write import PAGE
from hwsweep.sweep.config_snapshot import plain_config
from hwsweep.sweep.study.record import flatten
from hwsweep.sweep.study.stored_view import changes
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView
from hwsweep.sweep.trial import Value

STUDY = "study"
"""The column with the name of a trial's study."""


def write_comparison(views: list[StudyView]) -> Path:
    """Write the page of these studies into a folder beside that of the first one; the path of the page."""
    if len({view.name for view in views}) < len(views):
        views = [view._replace(name=view.directory.name) for view in views]
    folder = views[0].directory.parent / "_vs_".join(view.name for view in views)
    folder.mkdir(exist_ok=True)
    return write_text(folder / PAGE, without_passwords(render(compare(views, folder))))


def compare(views: list[StudyView], folder: Path) -> Page:
    """The page of these studies.

    Args:
        folder: of the figures that show several studies, and of the page.
    """
    models = [model_study(view) for view in views]
    joint, problems = _joint_figures(views, models, folder)
    figures: dict[str, dict[str, list[StudyFigure]]] = {}
    for view, model in zip(views, models, strict=True):
        for draw in model.figures():
            drawn, found = attempt(draw, view)
            problems += [f"{view.name}: {problem}" for problem in found]
            for figure in drawn:
                figures.setdefault(figure.section, {}).setdefault(view.name, []).append(figure)
    of_answers = figures.pop(ANSWER, {})
    parts = [
        Section(view.name, _sentences(view, model), pictures=list(map(picture, of_answers.get(view.name, []))))
        for view, model in zip(views, models, strict=True)
    ]
    sections = [
        Section("Answers", parts=parts),
        Section("Trials", [f"Not drawn: {problem}" for problem in problems], tables=[joint_table(views)]),
        Section("All studies in one figure", pictures=list(map(picture, joint))),
        *(
            Section(title, parts=[Section(name, pictures=list(map(picture, each))) for name, each in by_name.items()])
            for title, by_name in figures.items()
        ),
        Section("Settings", tables=changes_table(views)),
        Section("The page of each study", tables=_links(views, folder)),
    ]
    names, shown = " and ".join(view.name for view in views), [section for section in sections if not section.empty]
    states = "; ".join(f"{view.name}: {states_text(view.trials) or 'none begun'}" for view in views)
    return Page(f"Studies {names}", f"Trials of {states}.", shown, n_first=2)


def joint_table(views: list[StudyView]) -> Table:
    """All trials in one table: study, the swept keys of all studies, and the numbers that any study's table names.

    Where a study does not sweep a key of another one, the value that it sets stands. No trial is the best: objectives
    of several studies may be measured on different data.
    """
    keys = dict.fromkeys(key for view in views for key in view.axes)
    values: dict[str, tuple[Value, ...] | None] = {STUDY: tuple(view.name for view in views)}
    for key in keys:
        is_listed = all(view.axes.get(key, ()) is not None for view in views)
        values[key] = tuple(value for view in views for value in view.axes.get(key) or ()) if is_listed else None
    names = dict.fromkeys(
        name for view in views for name in [*view.objective_names, *map(str, view.config.get("table") or [])]
    )
    stores = {str(view.config.get("tracking", {}).get("uri", "")) for view in views}
    joint = StudyView(
        name="",
        directory=views[0].directory,
        command=[],
        config=OmegaConf.create({"table": list(names), "tracking": {"uri": stores.pop() if len(stores) == 1 else ""}}),
        axes=values,
        trials=[trial for view in views for trial in _joint_trials(view, list(keys))],
        directions=(),
        log_keys=frozenset(key for view in views for key in view.log_keys),
    )
    return replace(trials_table(joint), differences=differences(views))


def changes_table(views: list[StudyView]) -> list[Table]:
    """A row per key that any study sets otherwise than its defaults; first the keys that differ between the studies."""
    found: list[dict[str, tuple[str, str]]] = []
    for view in views:
        found.append({})
        with suppress(Exception):  # its copy of conf/ is damaged or of another version; its own page says so
            found[-1] = {key: (default, value) for key, default, value in changes(view)}
    rows = []
    for key in dict.fromkeys(key for changed in found for key in changed):
        defaults = dict.fromkeys(changed[key][0] for changed in found if key in changed)
        rows.append((key, "; ".join(defaults), [changed[key][1] if key in changed else "default" for changed in found]))
    rows.sort(key=lambda row: len(set(row[2])) == 1)
    cells = [[Cell(key), Cell(default), *map(Cell, texts)] for key, default, texts in rows]
    caption = "Changes from the default configuration, beside the swept keys"
    return [Table(caption, ["key", "default", *(view.name for view in views)], cells)] if cells else []


def _sentences(view: StudyView, model: ModelStudy) -> list[str]:
    return [question(view), *model.answer(view, answer(view, {}))]


def _joint_figures(
    views: list[StudyView], models: list[ModelStudy], folder: Path
) -> tuple[list[StudyFigure], list[str]]:
    """The figures that show several studies, each kind of model drawing its own, and what could not be drawn."""
    draws = [model.comparison for model in {type(model): model for model in models}.values()]
    attempts = [attempt(draw, views, folder) for draw in (*draws, draw_joint_search)]
    return [figure for figures, _ in attempts for figure in figures], [text for _, texts in attempts for text in texts]


def _joint_trials(view: StudyView, keys: list[str]) -> Iterator[TrialView]:
    """The trials with the name of their study and a value of each of these keys; their objectives are metrics."""
    fixed = _fixed_values(view.config)
    for trial in view.trials:
        given = {**fixed, **trial.params}
        params = {key: given[key] for key in keys if key in given}
        values = dict(zip(view.objective_names, trial.values, strict=False))
        errors = dict(zip((f"{name}_error" for name in view.objective_names), trial.errors, strict=False))
        yield trial._replace(
            params={STUDY: view.name, **params},
            values=[],
            errors=[],
            metrics={**trial.metrics, **values, **errors},
            record=None,
        )


def _fixed_values(config: DictConfig) -> dict[str, Any]:
    """Each setting of the study by its dotted name, and the option chosen of each group."""
    choices: dict[str, Any] = dict(config.get("hydra", {}).get("runtime", {}).get("choices", {}))
    return {**flatten(plain_config(config)), **choices}


def _links(views: list[StudyView], folder: Path) -> list[Table]:
    """A row per study whose page exists, with a link to it."""
    pages = {view.name: view.directory / PAGE for view in views if (view.directory / PAGE).exists()}
    rows = [[Cell(name), Cell(PAGE, link=os.path.relpath(page, folder))] for name, page in pages.items()]
    return [Table("Search, single trials and how to reproduce", ["study", "page"], rows)] if rows else []
