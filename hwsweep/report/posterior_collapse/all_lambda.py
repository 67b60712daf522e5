"""What a study of models for every lambda adds to its report: the curve of one model, lambda by lambda."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import run_folder
from hwsweep.report.html.page import Section, Slider, Stop
from hwsweep.report.image_slider import small_png, stop_facts
from hwsweep.report.model_study import ANSWER, DrawFigures, StudyFigure
from hwsweep.report.naming import run_directory, run_title
from hwsweep.report.posterior_collapse import FACTS, PosteriorCollapse
from hwsweep.report.posterior_collapse.figures import COLLAPSE, CURVES, draw_curves
from hwsweep.report.posterior_collapse.trials import LAMBDA, analysed_trials, has_several_data, points, stops
from hwsweep.report.study_figures import save_figure, title_of
from hwsweep.report.tables import pairs_table
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from hwsweep.figures.lambda_curve.lambda_images import LambdaImagesInfo
    from hwsweep.sweep.study.trial_view import TrialView

IMAGES = "lambda_images"
"""The figure of a run with the images of all stops."""
STOP_FACTS = {
    **{name: fact for name, fact in FACTS.items() if fact[0] != "test/mutual_information"},  # its cap is of few images
    "rate of a linear VAE [nats]": ("predicted/rate", 2),
}


class AllLambda:
    """The report of models for every lambda: the images and numbers of the best trial, and the curves of all."""

    def predictions(self, view: StudyView) -> list[str]:
        vae = view.config.vae
        low, high = vae.lambda_range
        weights = tuple(sorted({float(low), float(vae["lambda"]), float(high)}))
        return PosteriorCollapse().predictions(view._replace(axes={**view.axes, LAMBDA: weights}))

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        best = _shown_trial(view)
        if best is None:
            return general
        found = [run_folder.read_tag(run_directory(best), name) for name in ("linear", "curve")]
        start = f"{run_title(best, view)}: " if len(view.trials) > 1 else ""
        sentences = [f"{start}{sentence}." for sentence in found if sentence]
        return [*(f"{sentence[0].upper()}{sentence[1:]}" for sentence in sentences), *general[:1]]

    def sections(self, view: StudyView) -> list[Section]:
        caption = "At the reference lambda: predicted for a linear VAE, and measured on the test split"
        best = _shown_trial(view)
        return [
            Section(ANSWER, sliders=[] if best is None else [_slider(best, view)]),
            Section(COLLAPSE, tables=pairs_table(view, "predicted", caption)),
            Section(CURVES),
        ]

    def figures(self) -> list[DrawFigures]:
        return [draw_stops, draw_montage, draw_curves]

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        name = f"{PosteriorCollapse.__module__}.{PosteriorCollapse.__name__}"
        if any(str((view.config.get("study") or {}).get("_target_")) == name for view in views):
            return iter(())  # that class draws the curves of these models, too
        return PosteriorCollapse().comparison(views, folder)


def draw_montage(view: StudyView) -> Iterator[StudyFigure]:
    """montage.png: the images of the best trial at some lambdas; nothing without images."""
    from hwsweep.figures.lambda_curve import lambda_images

    best = _shown_trial(view)
    if best is None:
        return
    info = _images(best)
    shown = f"{len(info.kl_weight)} lambdas from {info.kl_weight[0]:g} to {info.kl_weight[-1]:g} in the slider below."
    caption = f"Real test images, reconstructions, prior samples and interpolations of one model; {shown}"
    summary = "; ".join(
        f"lambda = {weight:.3g}: distortion {distortion:.1f}, rate {rate:.2f} nats"
        for weight, distortion, rate in zip(info.kl_weight, info.distortion, info.rate, strict=True)
    )
    yield save_figure(lambda_images, info, view.directory / "montage.png", ANSWER, caption, summary)


def draw_stops(view: StudyView) -> Iterator[StudyFigure]:
    """The curves of all trials in one plane, and each latent of the best trial at every stop."""
    from hwsweep.figures.study import active_units, kl_heatmap, rate_distortion
    from hwsweep.figures.study.sweep_runs import name_some

    best = _shown_trial(view)
    if best is None:
        return
    own = stops(best, view)
    others = [stops(trial, view) for trial in analysed_trials(view) if trial.number != best.number]
    curves = [*points(best, view, ""), *(point for curve in others for point in name_some(curve, 0))]
    summary = "; ".join(
        f"{stop.title}: rate {stop.metrics['test/rate']:.2f}, distortion {stop.metrics['test/distortion']:.1f} nats, "
        f"{stop.verdict}"
        for stop in own
    )
    figures = [(kl_heatmap, own), (active_units, own)]
    if len({point.likelihood for point in curves}) == 1 and not has_several_data(view):
        figures.insert(0, (rate_distortion, curves))
    for figure, shown in figures:
        path = view.directory / f"{figure.__name__.rpartition('.')[2]}.png"
        yield save_figure(figure, figure.info(shown), path, COLLAPSE, title_of(figure), summary)


def _shown_trial(view: StudyView) -> TrialView | None:
    """The best trial, or the first one of several objectives, that stored the images of its stops."""
    ranked = view.ranked_trials or view.complete_trials
    return next((trial for trial in ranked if IMAGES in run_folder.figure_names(run_directory(trial))), None)


def _images(trial: TrialView) -> LambdaImagesInfo:
    from hwsweep.figures import drawing
    from hwsweep.figures.lambda_curve.lambda_images import LambdaImagesInfo

    return drawing.load(LambdaImagesInfo, run_directory(trial) / run_folder.FIGURES / f"{IMAGES}.npz")


def _slider(trial: TrialView, view: StudyView) -> Slider:
    """The images and numbers of each stop."""
    from hwsweep.figures.lambda_curve.lambda_images import images_at
    from hwsweep.figures.study import montage

    info = _images(trial)
    return Slider(
        "lambda",
        list(montage.ROWS),
        [
            Stop(
                f"{stop.kl_weight:.3g}",
                stop_facts(stop.metrics, STOP_FACTS, stop.verdict.partition(" (")[0]),
                [small_png(strip) for strip in montage.strips_of(images_at(info, number))],
            )
            for number, stop in enumerate(stops(trial, view))
        ],
    )
