"""The figures of a study, drawn into its folder from what its runs stored: no model, no training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from hwsweep import run_folder
from hwsweep.report.naming import LAMBDA, evenly, folder_of, short, title, told
from hwsweep.report.search_figures import seen

if TYPE_CHECKING:
    from hwsweep.figures import montage
    from hwsweep.figures.sweep_runs import RunNumbers
    from hwsweep.sweep.study.view import StudyView, TrialView

MOST_COLUMNS = 12
"""Runs in one montage; of more, evenly spaced ones are shown."""
MOST_ROWS = 30
"""Runs in a figure with a row for each."""
MOST_LINES = 200
"""Runs in a figure with a line for each."""


class Drawn(NamedTuple):
    """A figure of a study."""

    path: Path
    subject: str
    """What it belongs to: montage, collapse, curves or search."""
    caption: str
    alt: str


class Drawing:
    """The figures of a study; one that fails is noted and the others are drawn.

    Args:
        processes: draw several at once, from now on; None draws one after the other, when they are asked for.
    """

    def __init__(self, view: StudyView, processes: Executor | None = None) -> None:
        attempt = partial(_attempt, view)
        draws = (draw_sweep, draw_montages, draw_curves, draw_search)  # the longest first
        self._attempts = map(attempt, draws) if processes is None else processes.map(attempt, draws)

    @cached_property
    def _ended(self) -> list[tuple[list[Drawn], list[str]]]:
        return list(self._attempts)

    @property
    def drawn(self) -> list[Drawn]:
        """The figures that could be drawn."""
        return [each for drawn, _ in self._ended for each in drawn]

    @property
    def problems(self) -> list[str]:
        """What could not be drawn, and why."""
        return [problem for _, problems in self._ended for problem in problems]

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return [drawn.path for drawn in self.drawn]


def _attempt(view: StudyView, draw: Callable[[StudyView], Iterator[Drawn]]) -> tuple[list[Drawn], list[str]]:
    """What could be drawn, and what could not, and why."""
    drawn: list[Drawn] = []
    try:
        drawn.extend(draw(view))
    except Exception as error:  # a study is worth more than its pictures
        return drawn, [f"{draw.__name__.removeprefix('draw_')}: {type(error).__name__}: {error}"]
    return drawn, []


def draw_montages(view: StudyView) -> Iterator[Drawn]:
    """montage.png in the study's folder, or one for each data set that was swept; none if no run drew images."""
    from hwsweep.figures import drawing, montage

    groups: dict[str, list[TrialView]] = defaultdict(list)
    for trial in _complete(view):
        stored = {path.stem for path in (folder_of(trial) / "figures").glob("*.npz")}
        if stored >= montage.NEEDS:
            groups[str(trial.params.get("dataset", ""))].append(trial)
    for dataset, trials in groups.items():
        columns = [_column(trial, view) for trial in evenly(trials, MOST_COLUMNS)]
        path = view.directory / (f"montage_{Path(dataset).name}.png" if dataset else "montage.png")
        drawing.save(montage, montage.info(columns), path)
        told = "; ".join(f"{column.title}: {column.note}" for column in columns)
        caption = f"Real test images, reconstructions, prior samples and interpolations{f', {dataset}' * bool(dataset)}"
        yield Drawn(path, "montage", caption, f"{caption}. {told}")


def draw_sweep(view: StudyView) -> Iterator[Drawn]:
    """The figures of a sweep of VAEs over lambda; none where lambda was not swept, or several data sets were."""
    from hwsweep.figures import active_units, collapse, drawing, kl_heatmap, rate_distortion

    trials = _vaes(view)
    if LAMBDA not in view.axes or "dataset" in view.axes or not trials:
        return
    trials.sort(key=lambda trial: float(trial.params.get(LAMBDA, view.config.vae["lambda"])))
    runs = [_numbers(trial, view) for trial in trials]
    few = [_numbers(trial, view) for trial in evenly(trials, MOST_ROWS)]
    for figure, shown in ((rate_distortion, runs), (collapse, runs), (kl_heatmap, few), (active_units, few)):
        path = view.directory / f"{short(figure.__name__)}.png"
        drawing.save(figure, figure.info(shown), path)
        yield Drawn(path, "collapse", first_line(figure), f"{first_line(figure)} {_measured(shown)}")


def draw_curves(view: StudyView) -> Iterator[Drawn]:
    """trial_curves.png: the curves of all VAEs of the study."""
    from hwsweep.figures import drawing, trial_curves

    trials = [t for t in _complete(view) if (folder_of(t) / "figures" / trial_curves.NEEDS).exists()]
    if not trials:
        return
    lines = [
        trial_curves.Line(title(trial, view), drawing.colour_of(_kl_weight(trial, view)), folder_of(trial) / "figures")
        for trial in evenly(trials, MOST_LINES)
    ]
    info = trial_curves.info(lines)
    path = view.directory / "trial_curves.png"
    drawing.save(trial_curves, info, path)
    ends = [f"{line.title}: {row[-1]:.5g}" for line, row in zip(lines, info.valid[2], strict=True)][:MOST_COLUMNS]
    yield Drawn(path, "curves", first_line(trial_curves), f"{first_line(trial_curves)} Last loss: {'; '.join(ends)}")


def draw_search(view: StudyView) -> Iterator[Drawn]:
    """What Optuna's figures show of a search, each as far as there is something to see."""
    from hwsweep.figures import drawing

    for name, figure, info, numbers in seen(view):
        path = view.directory / f"search_{name}.png"
        drawing.save(figure, info, path)
        yield Drawn(path, "search", first_line(figure), f"{first_line(figure)} {numbers}.")


def first_line(figure: ModuleType) -> str:
    """What a figure's module says it is."""
    return (figure.__doc__ or "").partition("\n")[0]


def numbers_of(view: StudyView, prefix: str) -> list[RunNumbers]:
    """The analysed VAEs of a study, their titles led by `prefix`."""
    return [run._replace(title=f"{prefix}{run.title}") for run in (_numbers(trial, view) for trial in _vaes(view))]


def _complete(view: StudyView) -> list[TrialView]:
    return [trial for trial in view.trials if trial.state == "complete"]


def _vaes(view: StudyView) -> list[TrialView]:
    """The finished trials that were analysed as VAEs; what a classifier of texts has measured is another thing."""
    return [t for t in _complete(view) if "test/rate" in t.metrics and (folder_of(t) / run_folder.ARRAYS).exists()]


def _kl_weight(trial: TrialView, view: StudyView) -> float:
    return float(trial.params.get(LAMBDA, view.config.vae["lambda"]))


def _column(trial: TrialView, view: StudyView) -> montage.Column:
    from hwsweep.figures import drawing, montage

    distortion, rate = trial.metrics["test/distortion"], trial.metrics["test/rate"]
    return montage.Column(
        title=told(trial, [key for key in view.axes if key != "dataset"]),  # which has a picture of its own
        note=f"distortion {distortion:.1f}, rate {rate:.2f} nats",
        colour=drawing.colour_of(_kl_weight(trial, view)),
        folder=folder_of(trial) / "figures",
    )


def _numbers(trial: TrialView, view: StudyView) -> RunNumbers:
    from hwsweep.figures import sweep_runs

    vae = view.config.vae
    sigma2 = trial.params.get("vae.sigma2", vae.sigma2)
    return sweep_runs.read(
        folder=folder_of(trial),
        title=title(trial, view),
        kl_weight=_kl_weight(trial, view),
        likelihood=str(trial.params.get("vae.likelihood", vae.likelihood)),
        sigma2=trial.metrics["test/sigma2"] if sigma2 == "learned" else float(sigma2),
    )


def _measured(runs: Sequence[RunNumbers]) -> str:
    """The numbers behind a figure, for who cannot see it."""
    return "; ".join(
        f"{run.title}: rate {run.metrics['test/rate']:.2f}, distortion {run.metrics['test/distortion']:.1f} nats, "
        f"{run.metrics['test/active_units']:.0f} of {len(run.kl_per_latent)} units active, {run.verdict}"
        for run in runs[:MOST_COLUMNS]
    )
