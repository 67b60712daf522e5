"""The figures of a study of VAEs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep import run_folder
from hwsweep.report.model_study import ANSWER, StudyFigure
from hwsweep.report.naming import point_title, run_directory, short_name, subset, trial_title
from hwsweep.report.posterior_collapse.trials import (
    CONTEXT,
    analysed_trials,
    has_several_data,
    has_several_lambdas,
    kl_weight,
    numbers,
    representatives,
)
from hwsweep.report.study_figures import save_figure, title_of
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

if TYPE_CHECKING:
    from hwsweep.figures.study.sweep_runs import RunNumbers

COLLAPSE = "Collapse: predicted and measured"
CURVES = "Curves"
DRAWN = (
    " A decoder that sees pixels draws its images: reconstructions and interpolations all with the same noise, so that "
    "z alone makes them differ."
)
NOT_COMPARABLE = " The total loss contains lambda, so lines of different lambda do not compare in it."
MAX_COLUMNS = 8
"""Runs in one montage: in one band, so that it is readable beside the table on the first screen."""
MAX_NAMED = 12
"""Runs whose numbers are in the alternative text of a figure."""
MAX_ROWS = 30
"""Runs in a figure with a row for each."""
MAX_LINES = 200
"""Runs in a figure with a line for each."""


def draw_collapse(view: StudyView) -> Iterator[StudyFigure]:
    """Four figures of a sweep over lambda, one of a sweep over the context; none if there are several data sets."""
    from hwsweep.figures.study import active_units, collapse, kl_heatmap, rate_distortion
    from hwsweep.figures.study.sweep_runs import name_at

    trials = analysed_trials(view)
    if not (has_several_lambdas(view) or CONTEXT in view.axes) or has_several_data(view) or not trials:
        return
    trials.sort(key=lambda trial: (kl_weight(trial, view), trial.params.get(CONTEXT, 0)))
    runs = [numbers(trial, view, trial_title(trial, view)) for trial in trials]
    few, fewest = ([trials.index(each) for each in representatives(view, trials, n)] for n in (MAX_ROWS, MAX_NAMED))
    rows, named = [runs[place] for place in few], [runs[place] for place in fewest]
    summary = "; ".join(map(_run_summary, named)) + _shown_of(named, runs)
    points, note = runs, ""
    if len(runs) > MAX_ROWS:
        points = name_at(runs, fewest)
        note = f" {len(named)} of {len(runs)} runs have a name and the optimum at their lambda."
    figures = ((rate_distortion, points, note), (collapse, runs, ""), (kl_heatmap, rows, ""), (active_units, rows, ""))
    for figure, shown_runs, more in figures if has_several_lambdas(view) else ((kl_heatmap, rows, ""),):
        path = view.directory / f"{short_name(figure.__name__)}.png"
        caption = title_of(figure) if has_several_lambdas(view) else "The KL of each latent, sorted, per context."
        caption = caption.removesuffix(".") + _shown_of(shown_runs, runs) + "." + more
        yield save_figure(figure, figure.info(shown_runs), path, COLLAPSE, caption, summary)


def draw_montages(view: StudyView) -> Iterator[StudyFigure]:
    """montage.png, or one file per swept data set; none if no run stored images."""
    from hwsweep.figures import drawing
    from hwsweep.figures.study import montage

    groups: dict[str, list[TrialView]] = defaultdict(list)
    for trial in view.complete_trials:
        if run_folder.figure_names(run_directory(trial)) >= montage.NEEDS:
            groups[str(trial.params.get("dataset", ""))].append(trial)
    keys = [key for key in view.axes if key != "dataset"]  # each data set has its own file
    for dataset, trials in groups.items():
        trials.sort(key=lambda trial: kl_weight(trial, view))
        columns = [
            montage.Column(
                title=point_title(trial, keys) or f"trial {trial.number}",
                note="distortion {test/distortion:.1f}, rate {test/rate:.2f} nats".format_map(trial.metrics),
                colour=drawing.colour_of(kl_weight(trial, view)),
                folder=run_directory(trial) / run_folder.FIGURES,
            )
            for trial in representatives(view, trials, MAX_COLUMNS)
        ]
        path = view.directory / (f"montage_{Path(dataset).name}.png" if dataset else "montage.png")
        caption = "Real test images, reconstructions, prior samples and interpolations" + f", {dataset}" * bool(dataset)
        caption += _shown_of(columns, trials)
        drawn = DRAWN * any(trial.params.get(CONTEXT, view.config.vae.get("context")) for trial in trials)
        summary = "; ".join(f"{column.title}: {column.note}" for column in columns)
        yield save_figure(montage, montage.info(columns), path, ANSWER, f"{caption}.{drawn}", summary)


def draw_curves(view: StudyView) -> Iterator[StudyFigure]:
    """trial_curves.png: the training curves of all VAEs; nothing without a VAE."""
    from hwsweep.figures import drawing
    from hwsweep.figures.study import trial_curves

    trials = [t for t in view.complete_trials if run_folder.figure_names(run_directory(t)) >= trial_curves.NEEDS]
    lines = [
        trial_curves.Line(
            title=trial_title(trial, view),
            colour=drawing.colour_of(kl_weight(trial, view)),
            folder=run_directory(trial) / run_folder.FIGURES,
            kl_weight=kl_weight(trial, view),
        )
        for trial in subset(trials, MAX_LINES)
    ]
    if lines:
        info = trial_curves.info(lines)
        losses = [f"{line.title}: {row[-1]:.5g}" for line, row in zip(lines, info.valid[2], strict=True)]
        named = subset(losses, MAX_NAMED)
        summary = f"Last total loss: {'; '.join(named)}{_shown_of(named, losses)}"
        path = view.directory / "trial_curves.png"
        caption = title_of(trial_curves).removesuffix(".") + _shown_of(lines, trials) + "."
        caption += NOT_COMPARABLE * has_several_lambdas(view)
        yield save_figure(trial_curves, info, path, CURVES, caption, summary)


def _shown_of(shown: Sequence[object], trials: Sequence[object]) -> str:
    """ "; 8 of 100 trials"; empty where all are shown."""
    return f"; {len(shown)} of {len(trials)} trials" * (len(shown) < len(trials))


def _run_summary(run: RunNumbers) -> str:
    return (
        f"{run.title}: rate {run.metrics['test/rate']:.2f}, distortion {run.metrics['test/distortion']:.1f} nats, "
        f"{run.metrics['test/active_units']:.0f} of {len(run.kl_per_latent)} units active, {run.verdict}"
    )
