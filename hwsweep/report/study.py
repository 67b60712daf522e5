"""What a study ends with: a table, verdicts, pictures, and the study's own MLflow run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hwsweep import result, tracking

if TYPE_CHECKING:
    from hwsweep.figures import montage
    from hwsweep.sweep.view import StudyView, TrialView

MOST_COLUMNS = 12
"""Runs in one montage; of more, evenly spaced ones are shown."""

LAMBDA = "vae.lambda"


def show_table(view: StudyView, console: Console) -> None:
    """One line per trial: swept values, the metrics that conf's `table` names, verdict, seconds, run id or failure."""
    metrics = list(view.config.table)
    table = Table(title=f"study {view.name}", title_justify="left", box=SIMPLE_HEAD)
    named = [(result.tag(trial.directory, "verdict") or "-").partition(" (")[0] for trial in view.trials]
    for name in [*map(_short, view.axes), *(name.removeprefix("test/") for name in metrics), "verdict", "seconds"]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("run id", overflow="fold")
    for trial, verdict in zip(view.trials, named, strict=True):
        numbers = [f"{trial.metrics[name]:.2f}" if name in trial.metrics else "-" for name in metrics]
        seconds = "-" if trial.seconds is None else f"{trial.seconds:.1f}"
        cells = [*(str(trial.params.get(name, "-")) for name in view.axes), *numbers, verdict, seconds, _outcome(trial)]
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


def draw_sweep(view: StudyView) -> list[Path]:
    """The figures of a lambda sweep in the study's folder; none unless lambda is what was swept."""
    from hwsweep.figures import active_units, collapse, drawing, kl_heatmap, rate_distortion, sweep_runs

    done = [trial for trial in view.trials if trial.state == "complete" and (trial.directory / result.ARRAYS).exists()]
    if list(view.axes) != [LAMBDA] or not done:
        return []
    vae = view.config.vae
    runs = [
        sweep_runs.read(
            folder=trial.directory,
            title=_title(trial, view),
            kl_weight=float(trial.params[LAMBDA]),
            likelihood=vae.likelihood,
            sigma2=trial.metrics["test/sigma2"] if vae.sigma2 == "learned" else vae.sigma2,
        )
        for trial in sorted(done, key=lambda trial: float(trial.params[LAMBDA]))
    ]
    paths = []
    for figure in (rate_distortion, collapse, kl_heatmap, active_units):
        paths.append(view.directory / f"{figure.__name__.rpartition('.')[2]}.png")
        drawing.save(figure, figure.info(runs), paths[-1])
    return paths


def verdicts(view: StudyView) -> list[str]:
    """One sentence per finished trial: what it was, and what happened to its latents, with the numbers."""
    lines = []
    for trial in view.trials:
        if trial.state == "complete" and (said := result.tag(trial.directory, "why")):
            lines.append(f"{_title(trial, view)}: {said}")
    return lines


def log_study(view: StudyView, store: tracking.Store, pictures: Sequence[Path], said: Sequence[str]) -> None:
    """The study's own run in its MLflow experiment: pictures, counts of trials, and a note on how to read it."""
    states = Counter(trial.state for trial in view.trials)
    command = " ".join(view.command)
    note = (
        f"**Study {view.name}**: {', '.join(f'{n} {state}' for state, n in states.items())}; "
        f"swept: {', '.join(f'`{axis}`' for axis in view.axes)}.\n\n    {command}\n\n"
        + "".join(f"* {line}\n" for line in said)
        + "\n"
        "Select the trials in the table and press *Compare* for their curves side by side."
    )
    tags = {"hwsweep.role": "study", "hwsweep.study": view.name, "mlflow.note.content": note}
    with tracking.open_run(store, view.name, "study", {}, tags, result.run_id(view.directory)) as run:
        result.write(view.directory, run.id, {}, {})
        run.metrics({f"trials/{state}": float(n) for state, n in states.items()}, step=0)
        for picture in pictures:
            run.artifact(picture)


def _outcome(trial: TrialView) -> str:
    if trial.state == "complete":
        return trial.run_id or ""
    if trial.failure is None:
        return trial.state
    return f"{trial.failure['reason']}: {trial.failure['message']}"


def _column(trial: TrialView, view: StudyView) -> montage.Column:
    from hwsweep.figures import drawing, montage

    kl_weight = float(trial.params.get(LAMBDA, view.config.vae["lambda"]))
    distortion, rate = trial.metrics["test/distortion"], trial.metrics["test/rate"]
    return montage.Column(
        title=_title(trial, view),
        note=f"distortion {distortion:.1f}, rate {rate:.2f} nats",
        colour=drawing.colour_of(kl_weight),
        folder=trial.directory / "figures",
    )


def _title(trial: TrialView, view: StudyView) -> str:
    """The swept values of a trial: "lambda = 100"; the data set has its own picture."""
    shown = [name for name in view.axes if name in trial.params and name != "dataset"]
    return ", ".join(f"{_short(name)} = {trial.params[name]}" for name in shown) or f"trial {trial.number}"


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _evenly(trials: list[TrialView], most: int) -> list[TrialView]:
    """At most `most` of them, the first and the last among them."""
    if len(trials) <= most:
        return trials
    return [trials[round(place * (len(trials) - 1) / (most - 1))] for place in range(most)]
