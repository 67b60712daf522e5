"""What a study ends with: a table on the terminal, the montage, and the study's own MLflow run."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hwsweep import result, tracking

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from hwsweep.figures import montage
    from hwsweep.sweep.view import StudyView, TrialView

MOST_COLUMNS = 12
"""Runs in one montage; of more, evenly spaced ones are shown."""

LAMBDA = "vae.lambda"


class StudyReport:
    """Hears from the sweep engine when a study starts and ends."""

    def started(self, view: StudyView) -> None:
        """Create and migrate the MLflow store before any trial needs it; end what a killed sweep left RUNNING."""
        tracking.end_orphans(_store(view.config))

    def finished(self, view: StudyView) -> None:
        """Show the table, draw the montage and keep both in the study's MLflow run."""
        show_table(view, Console(width=None if sys.stdout.isatty() else 120))
        pictures = draw_montages(view)
        log_study(view, pictures)


def show_table(view: StudyView, console: Console) -> None:
    """One line per trial: swept values, the metrics that conf's `table` names, seconds, run id; failures say why."""
    metrics = list(view.config.table)
    table = Table(title=f"study {view.name}", title_justify="left", box=SIMPLE_HEAD)
    for name in [*map(_short, view.axes), *(name.removeprefix("test/") for name in metrics), "seconds"]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("run id", overflow="fold")
    for trial in view.trials:
        numbers = [f"{trial.metrics[name]:.2f}" if name in trial.metrics else "-" for name in metrics]
        seconds = "-" if trial.seconds is None else f"{trial.seconds:.1f}"
        cells = [*(str(trial.params.get(name, "-")) for name in view.axes), *numbers, seconds, _outcome(trial)]
        table.add_row(*cells)
    console.print(table)


def draw_montages(view: StudyView) -> list[Path]:
    """montage.png in the study's folder, or one for each data set that was swept; none if no run drew images."""
    from hwsweep.figures import drawing, montage

    groups: dict[str, list[TrialView]] = defaultdict(list)
    for trial in view.trials:
        drawn = {path.stem for path in (trial.directory / "figures").glob("*.npz")}
        if trial.state == "complete" and drawn >= montage.NEEDS:
            groups[str(trial.params.get("dataset", ""))].append(trial)
    paths = []
    for dataset, trials in groups.items():
        columns = [_column(trial, view) for trial in _evenly(trials, MOST_COLUMNS)]
        paths.append(view.directory / (f"montage_{Path(dataset).name}.png" if dataset else "montage.png"))
        drawing.save(montage, montage.info(columns), paths[-1])
    return paths


def log_study(view: StudyView, pictures: Sequence[Path]) -> None:
    """The study's own run in its MLflow experiment: pictures, counts of trials, and a note on how to read it."""
    store = _store(view.config)
    states = Counter(trial.state for trial in view.trials)
    command = " ".join(view.command)
    note = (
        f"**Study {view.name}**: {', '.join(f'{n} {state}' for state, n in states.items())}; "
        f"swept: {', '.join(f'`{axis}`' for axis in view.axes)}.\n\n    {command}\n\n"
        "Select the trials in the table and press *Compare* for their curves side by side."
    )
    tags = {"hwsweep.role": "study", "hwsweep.study": view.name, "mlflow.note.content": note}
    with tracking.open_run(store, view.name, "study", {}, tags, result.run_id(view.directory)) as run:
        result.write(view.directory, run.id, {}, {})
        run.metrics({f"trials/{state}": float(n) for state, n in states.items()}, step=0)
        for picture in pictures:
            run.artifact(picture)


def _store(config: DictConfig) -> tracking.Store:
    return tracking.open_store(config.tracking.uri, config.tracking.artifacts)


def _outcome(trial: TrialView) -> str:
    if trial.state == "complete":
        return trial.run_id or ""
    if trial.failure is None:
        return trial.state
    return f"{trial.failure['reason']}: {trial.failure['message']}"


def _column(trial: TrialView, view: StudyView) -> montage.Column:
    from hwsweep.figures import drawing, montage

    shown = {name: value for name, value in trial.params.items() if name in view.axes and name != "dataset"}
    kl_weight = float(trial.params.get(LAMBDA, view.config.vae["lambda"]))
    distortion, rate = trial.metrics["test/distortion"], trial.metrics["test/rate"]
    return montage.Column(
        title=", ".join(f"{_short(name)} = {value}" for name, value in shown.items()) or f"trial {trial.number}",
        note=f"distortion {distortion:.1f}, rate {rate:.2f} nats",
        colour=drawing.colour_of(kl_weight),
        folder=trial.directory / "figures",
    )


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _evenly(trials: list[TrialView], most: int) -> list[TrialView]:
    """At most `most` of them, the first and the last among them."""
    if len(trials) <= most:
        return trials
    return [trials[round(place * (len(trials) - 1) / (most - 1))] for place in range(most)]
