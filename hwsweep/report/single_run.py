"""The page of a run without a study: what it found, its figures and its numbers."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from hwsweep import run_folder
from hwsweep.figures.png import image_boxes
from hwsweep.files import without_passwords, write_text
from hwsweep.report.html.page import Cell, Page, Picture, Section, Table
from hwsweep.report.html.render import render
from hwsweep.report.model_study import ANSWER, model_study
from hwsweep.report.naming import number_text
from hwsweep.report.origin import environment_rows
from hwsweep.sweep.study.trial_view import TrialView, run_view
from hwsweep.sweep.study.view import StudyView

PAGE = "report.html"
WORDS = ("run_id", "metrics", "verdict")
"""What a run stores beside its sentences."""
DECIMALS = 4


def is_run(folder: Path) -> bool:
    """Whether a run has finished in this folder."""
    return (folder / run_folder.CONFIG).exists() and bool(run_folder.read_result(folder).get("metrics"))


def write_run_page(folder: Path) -> Path:
    """Write the page of the finished run in this folder, into it.

    Raises:
        SweepError: the run's config names something else than a class of the report.
    """
    return write_text(folder / PAGE, without_passwords(render(_page(_as_study(folder)))))


def _as_study(folder: Path) -> StudyView:
    """The run as the only trial of a study, for what a model adds to pages."""
    cfg = OmegaConf.load(folder / run_folder.CONFIG)
    assert isinstance(cfg, DictConfig)
    run = run_view(folder)
    trial = TrialView(
        number=0,
        params={},
        state="complete",
        values=[math.nan],
        directory=folder,
        seconds=run.metrics.get("time/run_seconds", math.nan),
        failure=None,
        metrics=run.metrics,
        run_id=run.run_id,
        command=[],
        errors=[],
        runs=[run],
    )
    return StudyView(folder.name, folder, [], cfg, {}, [trial])


def _page(view: StudyView) -> Page:
    (trial,) = view.trials
    result, origin = run_folder.read_result(view.directory), run_folder.read_origin(view.directory)
    sentences = [f"{text[0].upper()}{text[1:]}." for name, text in result.items() if name not in WORDS and text]
    pictures = _pictures(view)
    sliders = [slider for section in model_study(view).sections(view) for slider in section.sliders]
    numbers = [[Cell(key), Cell(number_text(value, DECIMALS), value)] for key, value in sorted(trial.metrics.items())]
    again = f"python -m hwsweep.reproduce {trial.run_id} trains it again and compares every number."
    command = str(origin.get("hwsweep.command", ""))
    versions = [Table("Versions, data and seed", ["property", "value"], environment_rows(view))]
    sections = [
        Section(ANSWER, sentences[:1], pictures=pictures[:1]),
        Section("Answer in detail", sentences[1:], sliders=sliders),
        Section("Figures", pictures=pictures[1:]),
        Section("Numbers", tables=[Table("Metrics of the run", ["metric", "value"], numbers)]),
        Section("How to reproduce", [again], command, versions),
    ]
    status = f"{view.config.title}, {origin.get('data', '')}; {trial.seconds:.0f} s. "
    return Page(
        f"Run {view.name}",
        f"{status}Page of {datetime.now():%Y-%m-%d %H:%M}.",
        [section for section in sections if not section.empty],
    )


def _pictures(view: StudyView) -> list[Picture]:
    """The figures of the run in the order of its config, then any others."""
    ranks = {str(name): rank for rank, name in enumerate(view.config.get("figures") or {})}
    paths = sorted(run_folder.figures(view.directory), key=lambda path: ranks.get(path.stem, len(ranks)))
    pictures = []
    for path in paths:
        name, png = path.stem.replace("_", " ").capitalize(), path.read_bytes()
        caption = f"{name}, {view.config.title}"
        pictures.append(Picture(path.name, caption, caption, png, image_boxes(png)))
    return pictures
