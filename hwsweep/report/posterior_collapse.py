"""What a study of VAEs adds to its report: when the posterior collapses, as predicted and as measured."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import run_folder
from hwsweep.report.html.page import Section
from hwsweep.report.image_slider import image_sliders
from hwsweep.report.model_study import ANSWER, DrawFigures, StudyFigure
from hwsweep.report.naming import point_title, run_directory, short_name, subset, trial_title, value_text, verdict
from hwsweep.report.study_figures import save_figure, title_of
from hwsweep.report.tables import pairs_table
from hwsweep.sweep.study.view import StudyView, TrialView

if TYPE_CHECKING:
    from hwsweep.figures.sweep_runs import RunNumbers

LAMBDA = "vae.lambda"
CONTEXT = "vae.context"
COLLAPSE = "Collapse: predicted and measured"
CURVES = "Curves"

DRAWN = (
    " A decoder that sees pixels draws its images: reconstructions and interpolations all with the same noise, so that "
    "z alone makes them differ."
)

NOT_COMPARABLE = " The total loss contains lambda, so lines of different lambda do not compare in it."

FACTS = {
    "distortion [nats]": ("test/distortion", 1),
    "rate [nats]": ("test/rate", 2),
    "mutual information [nats]": ("test/mutual_information", 2),
    "active units": ("test/active_units", 0),
}
"""What a slider shows beside the images, with its decimals."""

UNTOLD = ("untrained", "undecided")
"""Verdicts on runs that tell nothing about collapse."""

MAX_LISTED = 3
"""Neighbouring lambdas of one verdict that a sentence lists one by one."""
MAX_COLUMNS = 12
"""Runs in one montage, and runs whose numbers are in the alternative text of a figure."""
MAX_ROWS = 30
"""Runs in a figure with a row for each."""
MAX_LINES = 200
"""Runs in a figure with a line for each."""


class PosteriorCollapse:
    """The report of VAEs; trials of other models in the same study are skipped."""

    def predictions(self, view: StudyView) -> list[str]:
        from hydra.utils import instantiate

        from hwsweep.analysis.linear_vae import predict, predict_learned_variance, sentence
        from hwsweep.analysis.spectrum import cached_spectrum
        from hwsweep.data import DataError

        vae = view.config.vae
        if _has_several_data(view) or {"vae.sigma2", "vae.likelihood", "vae.latent"} & set(view.axes):
            return []  # the prediction needs one data set, one variance, one likelihood and one number of latents
        if CONTEXT in view.axes or vae.get("context"):
            return []  # it is of a decoder that sees z alone
        values = view.axes.get(LAMBDA, (vae["lambda"],)) or ()
        try:
            splits = instantiate(view.config.dataset).splits(view.config.seed)
        except DataError as error:
            raise SystemExit(f"hwsweep: {error}") from None
        spectrum = cached_spectrum(splits, splits.digest(), vae.latent, vae.likelihood)
        n_pixels = splits.train["image"][0].numel()
        sentences = []
        for value in values:
            if isinstance(value, int | float):
                with suppress(ValueError):  # out of range: the trial itself refuses it, with the name of the key
                    if vae.sigma2 == "learned":
                        prediction = predict_learned_variance(spectrum, value, vae.latent, n_pixels)
                    else:
                        prediction = predict(spectrum, value, vae.sigma2, vae.latent)
                    sentences.append(sentence(prediction, value))
        return sentences

    def answer(self, view: StudyView, general: list[str]) -> list[str]:
        key = LAMBDA if LAMBDA in view.axes else CONTEXT
        trials = _series(view, key)
        if not trials:
            return general
        point = point_title(trials[0], [other for other in view.axes if other != key])
        if key == LAMBDA:
            sentence = _collapse_sentence([(name, list(group)) for name, group in groupby(trials, key=verdict)])
        else:
            sentence = _context_sentence(trials, _kl_weight(trials[0], view))
        return [f"With {point}: {sentence}" if point else sentence, general[0]]

    def sections(self, view: StudyView) -> list[Section]:
        caption = "Predicted for a linear VAE from the training images, and measured on the test split"
        return [
            Section(ANSWER, sliders=image_sliders(view, FACTS)),
            Section(COLLAPSE, tables=pairs_table(view, "predicted", caption)),
            Section(CURVES),
        ]

    def figures(self) -> list[DrawFigures]:
        return [draw_collapse, draw_montages, draw_curves]

    def comparison(self, views: list[StudyView], folder: Path) -> Iterator[StudyFigure]:
        from hwsweep.figures import rate_distortion

        runs = [
            _numbers(trial, view, trial_title(trial, view))._replace(study=view.name)
            for view in views
            for trial in _analysed_trials(view)
        ]
        # distortions compare under one likelihood only
        for likelihood in dict.fromkeys(run.likelihood for run in runs):
            alike = [run for run in runs if run.likelihood == likelihood]
            if len({run.study for run in alike}) > 1:
                info = rate_distortion.info(alike)
                summary = "; ".join(
                    f"{study}, {name}: rate {rate:.2f}, distortion {distortion:.1f} nats"
                    for study, name, (rate, distortion) in zip(info.studies, info.titles, info.measured, strict=True)
                )
                path = folder / f"rate_distortion_{likelihood}.png"
                caption = f"{title_of(rate_distortion)} {likelihood.capitalize()} likelihood."
                yield save_figure(rate_distortion, info, path, COLLAPSE, caption, summary)


def draw_collapse(view: StudyView) -> Iterator[StudyFigure]:
    """Four figures of a sweep over lambda, one of a sweep over the context; none if there are several data sets."""
    from hwsweep.figures import active_units, collapse, kl_heatmap, rate_distortion

    trials = _analysed_trials(view)
    if not {LAMBDA, CONTEXT} & set(view.axes) or _has_several_data(view) or not trials:
        return
    trials.sort(key=lambda trial: (_kl_weight(trial, view), trial.params.get(CONTEXT, 0)))
    runs = [_numbers(trial, view, trial_title(trial, view)) for trial in trials]
    rows = subset(runs, MAX_ROWS)
    figures = ((rate_distortion, runs), (collapse, runs), (kl_heatmap, rows), (active_units, rows))
    for figure, shown_runs in figures if LAMBDA in view.axes else ((kl_heatmap, rows),):
        summary = "; ".join(map(_run_summary, shown_runs[:MAX_COLUMNS]))
        path = view.directory / f"{short_name(figure.__name__)}.png"
        caption = title_of(figure) if LAMBDA in view.axes else "The KL of each latent, sorted, per context."
        yield save_figure(figure, figure.info(shown_runs), path, COLLAPSE, caption, summary)


def draw_montages(view: StudyView) -> Iterator[StudyFigure]:
    """montage.png, or one file per swept data set; none if no run stored images."""
    from hwsweep.figures import drawing, montage

    groups: dict[str, list[TrialView]] = defaultdict(list)
    for trial in view.complete_trials:
        if run_folder.figure_names(run_directory(trial)) >= montage.NEEDS:
            groups[str(trial.params.get("dataset", ""))].append(trial)
    keys = [key for key in view.axes if key != "dataset"]  # each data set has its own file
    for dataset, trials in groups.items():
        columns = [
            montage.Column(
                title=point_title(trial, keys) or f"trial {trial.number}",
                note="distortion {test/distortion:.1f}, rate {test/rate:.2f} nats".format_map(trial.metrics),
                colour=drawing.colour_of(_kl_weight(trial, view)),
                folder=run_directory(trial) / run_folder.FIGURES,
            )
            for trial in subset(trials, MAX_COLUMNS)
        ]
        path = view.directory / (f"montage_{Path(dataset).name}.png" if dataset else "montage.png")
        caption = "Real test images, reconstructions, prior samples and interpolations" + f", {dataset}" * bool(dataset)
        drawn = DRAWN * any(trial.params.get(CONTEXT, view.config.vae.get("context")) for trial in trials)
        summary = "; ".join(f"{column.title}: {column.note}" for column in columns)
        yield save_figure(montage, montage.info(columns), path, ANSWER, f"{caption}.{drawn}", summary)


def draw_curves(view: StudyView) -> Iterator[StudyFigure]:
    """trial_curves.png: the training curves of all VAEs; nothing without a VAE."""
    from hwsweep.figures import drawing, trial_curves

    trials = [t for t in view.complete_trials if run_folder.figure_names(run_directory(t)) >= trial_curves.NEEDS]
    lines = [
        trial_curves.Line(
            title=trial_title(trial, view),
            colour=drawing.colour_of(_kl_weight(trial, view)),
            folder=run_directory(trial) / run_folder.FIGURES,
        )
        for trial in subset(trials, MAX_LINES)
    ]
    if lines:
        info = trial_curves.info(lines)
        losses = [f"{line.title}: {row[-1]:.5g}" for line, row in zip(lines, info.valid[2], strict=True)]
        summary = f"Last total loss: {'; '.join(losses[:MAX_COLUMNS])}"
        path = view.directory / "trial_curves.png"
        caption = title_of(trial_curves) + NOT_COMPARABLE * (LAMBDA in view.axes)
        yield save_figure(trial_curves, info, path, CURVES, caption, summary)


def _has_several_data(view: StudyView) -> bool:
    """Whether a swept key chooses or changes the images: `dataset`, `dataset.binarise`, ..."""
    return any(key.partition(".")[0] == "dataset" for key in view.axes)


def _series(view: StudyView, key: str) -> list[TrialView]:
    """The best trial and those that differ from it only in `key`, by its value; empty unless each has a verdict."""
    best = view.best_trial
    if best is None or key not in view.axes:
        return []
    others = [other for other in view.axes if other != key]
    trials = [t for t in view.complete_trials if all(t.params.get(o) == best.params.get(o) for o in others)]
    is_series = len(trials) > 1 and all(verdict(t) and key in t.params for t in trials)
    return sorted(trials, key=lambda trial: float(trial.params[key])) if is_series else []


def _context_sentence(trials: list[TrialView], kl_weight: float) -> str:
    """How the posterior changes from the narrowest context to the widest one, at one lambda."""
    untold = [trial for trial in trials if verdict(trial) in UNTOLD]
    if untold:
        contexts = ", ".join(value_text(trial.params[CONTEXT]) for trial in untold)
        return f"Runs that are {' or '.join(UNTOLD)} tell nothing about the context: context = {contexts}."
    changes = []
    for name, metric, decimals, unit in (
        ("rate", "test/rate", 2, " nats"),
        ("mutual information", "test/mutual_information", 2, " nats"),
        ("number of active units", "test/active_units", 0, ""),
    ):
        first, last = (f"{trial.metrics.get(metric, math.nan):.{decimals}f}" for trial in (trials[0], trials[-1]))
        verb = "falls" if float(last) < float(first) else "rises"
        changes.append(
            f"the {name} " + (f"stays {last}{unit}" if first == last else f"{verb} from {first} to {last}{unit}")
        )
    narrow, wide = (value_text(trial.params[CONTEXT]) for trial in (trials[0], trials[-1]))
    start = f"From context = {narrow} to {wide}, at the same lambda = {value_text(kl_weight)}, "
    return f"{start}{', '.join(changes[:-1])} and {changes[-1]}."


def _collapse_sentence(groups: list[tuple[str, list[TrialView]]]) -> str:
    """At which lambda the posterior collapses.

    Args:
        groups: neighbouring trials with the same verdict, by lambda.
    """
    verdicts = [
        f"lambda = {_lambda_texts(trials)} {'is' if len(trials) == 1 else 'are'} {name}"
        for name, trials in groups
        if name != "collapsed"
    ]
    others = "".join(f"; {sentence}" for sentence in verdicts)
    if all(name in UNTOLD for name, _ in groups):
        return f"No run tells whether the posterior collapses{others}."
    for index, ((_, before), (name, after)) in enumerate(pairwise(groups)):
        if name == "collapsed" and groups[index][0] not in UNTOLD:
            low, high = before[-1], after[0]
            rate = [trial.metrics.get("test/rate", math.nan) for trial in (low, high)]
            units = [trial.metrics.get("test/active_units", math.nan) for trial in (low, high)]
            return (
                f"Between lambda = {_lambda_texts([low])} and {_lambda_texts([high])} the posterior collapsed: "
                f"the rate falls from {rate[0]:.2f} to {rate[1]:.2f} nats and the active units from {units[0]:.0f} to "
                f"{units[1]:.0f}{others}."
            )
    if groups[0][0] == "collapsed":
        return f"The posterior is collapsed already at the smallest lambda, {_lambda_texts(groups[0][1][:1])}{others}."
    return f"The posterior did not collapse totally at any lambda up to {_lambda_texts(groups[-1][1][-1:])}{others}."


def _lambda_texts(trials: list[TrialView]) -> str:
    """ "0.1, 1", or "0.1 to 100" for many."""
    values = [value_text(_swept_lambda(trial)) for trial in trials]
    return ", ".join(values) if len(values) <= MAX_LISTED else f"{values[0]} to {values[-1]}"


def _swept_lambda(trial: TrialView) -> float:
    return float(trial.params[LAMBDA])


def _analysed_trials(view: StudyView) -> list[TrialView]:
    """The complete trials of VAEs whose runs stored their analysis."""
    return [t for t in view.complete_trials if "test/rate" in t.metrics and run_folder.has_arrays(run_directory(t))]


def _kl_weight(trial: TrialView, view: StudyView) -> float:
    return float(trial.params.get(LAMBDA, view.config.vae["lambda"]))


def _numbers(trial: TrialView, view: StudyView, title: str) -> RunNumbers:
    """The numbers of the trial's run that the figures of a sweep over lambda show."""
    from hwsweep.figures import sweep_runs

    vae = view.config.vae
    sigma2 = trial.params.get("vae.sigma2", vae.sigma2)
    return sweep_runs.read(
        folder=run_directory(trial),
        title=title,
        kl_weight=_kl_weight(trial, view),
        likelihood=str(trial.params.get("vae.likelihood", vae.likelihood)),
        sigma2=None if sigma2 == "learned" else float(sigma2),
    )


def _run_summary(run: RunNumbers) -> str:
    return (
        f"{run.title}: rate {run.metrics['test/rate']:.2f}, distortion {run.metrics['test/distortion']:.1f} nats, "
        f"{run.metrics['test/active_units']:.0f} of {len(run.kl_per_latent)} units active, {run.verdict}"
    )
