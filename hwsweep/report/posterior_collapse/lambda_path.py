"""What a study of runs whose lambda walks through a list (kl=path) adds to its report: the path of each run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hwsweep import run_folder
from hwsweep.report.html.page import Section
from hwsweep.report.model_study import ANSWER, DrawFigures, StudyFigure
from hwsweep.report.naming import run_directory, trial_title
from hwsweep.report.posterior_collapse import PosteriorCollapse
from hwsweep.report.posterior_collapse.figures import draw_curves, draw_montages
from hwsweep.report.posterior_collapse.trials import LAMBDA
from hwsweep.report.study_figures import save_figure, title_of
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

FIGURE = "lambda_path"
"""The figure of a run with its path."""
TAGS = ("path", "path_gap")
MAX_PATHS = 8
"""Runs whose path the page shows."""


class LambdaPathStudy:
    """The report of VAEs whose lambda walked through a list; its other parts are those of the VAEs at the last one."""

    def predictions(self, view: StudyView) -> list[str]:
        weights = view.config.kl.weights
        ends = tuple(sorted({float(weights[0]), float(max(weights)), float(weights[-1])}))
        return PosteriorCollapse().predictions(view._replace(axes={**view.axes, LAMBDA: ends}))

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        sentences = []
        for trial in _shown_trials(view):
            start = f"{trial_title(trial, view)}: " if len(view.trials) > 1 else ""
            found = [run_folder.read_tag(run_directory(trial), name) for name in TAGS]
            sentences += [f"{start}{sentence}." for sentence in found if sentence]
        return [*(f"{sentence[0].upper()}{sentence[1:]}" for sentence in sentences), *general[:1]]

    def sections(self, view: StudyView) -> list[Section]:
        return PosteriorCollapse().sections(view)

    def figures(self) -> list[DrawFigures]:
        return [draw_paths, draw_montages, draw_curves]

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        return iter(())  # a page of other studies has the last VAE of each path as a point


def draw_paths(view: StudyView) -> Iterator[StudyFigure]:
    """lambda_path_<trial>.png: the path of each run, as its own figure."""
    from hwsweep.figures import drawing
    from hwsweep.figures.lambda_curve import lambda_path

    for trial in _shown_trials(view):
        stored = run_directory(trial) / run_folder.FIGURES / f"{FIGURE}.npz"
        info = drawing.load(lambda_path.LambdaPathInfo, stored)
        title = trial_title(trial, view)
        summary = "; ".join(
            f"lambda = {weight:g}: rate {rate:.2f}, distortion {distortion:.1f} nats, {active:.0f} active units"
            for weight, rate, distortion, active in zip(
                info.kl_weight, info.rate, info.distortion, info.active_units, strict=True
            )
        )
        caption = f"{title_of(lambda_path)} {title[0].upper()}{title[1:]}."
        path = view.directory / f"{FIGURE}_{trial.number}.png"
        yield save_figure(lambda_path, info._replace(title=title), path, ANSWER, caption, summary)


def _shown_trials(view: StudyView) -> list[TrialView]:
    """The first complete trials that stored their path."""
    trials = [t for t in view.complete_trials if FIGURE in run_folder.figure_names(run_directory(t))]
    return trials[:MAX_PATHS]
