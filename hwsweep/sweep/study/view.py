"""What others see of a study: an observer, the table at the end, the files that other tools read."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from omegaconf import DictConfig, OmegaConf

from hwsweep import files
from hwsweep.run_folder import read_result
from hwsweep.sweep.outcome import Outcome, read_outcome
from hwsweep.sweep.search.space import Space, readable
from hwsweep.sweep.study.trial_store import Book
from hwsweep.sweep.trial import Value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class RunView(NamedTuple):
    """One process: a trial, or one seed of it."""

    directory: Path
    outcome: Outcome | None
    metrics: dict[str, float]
    run_id: str | None


class TrialView(NamedTuple):
    """One trial as it stands in the study."""

    number: int
    params: dict[str, Value]
    state: str
    """waiting, running, complete, pruned or failed."""
    values: list[float]
    directory: Path
    seconds: float
    failure: dict[str, str] | None
    """reason and message."""
    metrics: dict[str, float]
    """What the program wrote into result.json; means over the seeds."""
    run_id: str | None
    """Of the first seed."""
    command: list[str]
    """Runs this point alone, without a sweep."""
    errors: list[float]
    """Standard error of each value over the seeds; empty without seeds."""
    runs: list[RunView]
    reported: Mapping[int, float] = MappingProxyType({})
    """Intermediate values of the objective by step, as the pruner saw them."""
    record: FrozenTrial | None = None
    """Optuna's own record."""


class StudyView(NamedTuple):
    """A study as it stands."""

    name: str
    directory: Path
    command: list[str]
    config: DictConfig
    axes: dict[str, tuple[Value, ...] | None]
    """Swept keys in order, with their values; None for an interval."""
    trials: list[TrialView]
    directions: Sequence[str] = ("minimize",)
    """Per objective: minimize or maximize."""
    log_keys: frozenset[str] = frozenset()
    """Swept keys whose values are spread evenly on a logarithmic scale."""


class Observer(Protocol):
    """Told about the study before its first trial and after its last one."""

    def started(self, view: StudyView) -> None:
        """Called before any process of a trial starts; an exception (or SystemExit) ends the sweep here."""

    def finished(self, view: StudyView) -> None:
        """Called when the sweep ends: done, given up or interrupted."""


class Table:
    """The observer of a sweep that has no other: a table at the end."""

    def started(self, view: StudyView) -> None:
        """Say nothing: the first line told what will be run."""

    def finished(self, view: StudyView) -> None:
        """Print the table."""
        print_table(view)


MOST_LINES = 200
"""Trials that the table shows."""
STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def trial_view(space: Space, trial: FrozenTrial, directory: Path, program: list[str]) -> TrialView:
    """One trial: Optuna's record with what lies in its folder; `program` begins the command that runs it alone."""
    folder = directory / str(trial.number)
    runs = [run_view(path) for path in sorted(folder.glob("seed_*"))] or [run_view(folder)]
    point = space.tried(trial.params)
    return TrialView(
        number=trial.number,
        params=readable(point),
        state=STATES[trial.state.name],
        values=list(trial.values or []),
        directory=folder,
        seconds=sum(run.outcome.seconds for run in runs if run.outcome is not None),
        failure=trial.user_attrs.get("failure"),
        metrics=trial.user_attrs.get("metrics", {}),
        run_id=runs[0].run_id,
        command=[*program, *space.overrides(point)],
        errors=trial.user_attrs.get("standard_errors", []),
        runs=runs,
        reported=trial.intermediate_values,
        record=trial,
    )


def run_view(directory: Path) -> RunView:
    """One run's folder."""
    result = read_result(directory)
    metrics = {str(key): float(value) for key, value in result.get("metrics", {}).items()}
    return RunView(directory, read_outcome(directory), metrics, result.get("run_id"))


def study_view(book: Book, directory: Path, config: DictConfig) -> StudyView:
    """The study with all its trials."""
    records = book.trials()
    return StudyView(
        name=book.name,
        directory=directory,
        command=list(sys.orig_argv),
        config=config,
        axes={axis.key: axis.values for axis in book.plan.space.axes},
        trials=[trial_view(book.plan.space, trial, directory, program()) for trial in records],
        directions=book.plan.directions,
        log_keys=log_keys(records) | {axis.key for axis in book.plan.space.axes if axis.log},
    )


def log_keys(trials: Iterable[FrozenTrial]) -> frozenset[str]:
    """The parameters that were sampled on a logarithmic scale."""
    spreads = [spread for trial in trials for spread in trial.distributions.items()]
    return frozenset(key for key, spread in spreads if getattr(spread, "log", False))


def program() -> list[str]:
    """The command line up to the program's own arguments: ["python", "-m", "hwsweep"]."""
    return list(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1])


def print_table(view: StudyView) -> None:
    """Print one line per trial, the latest if they are many, and for each failed one the command that runs it again."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    columns = list(dict.fromkeys(key for trial in view.trials for key in trial.params))
    table = Table(box=None, header_style="bold")
    for title in ("trial", *columns, "value", "state", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    latest = view.trials[-MOST_LINES:]
    for trial in latest:
        errors: list[float | None] = [*trial.errors] or [None] * len(trial.values)
        values = ", ".join(shown(value, error) for value, error in zip(trial.values, errors, strict=True))
        state = trial.failure["reason"] if trial.failure else trial.state
        params = [str(trial.params.get(key, "")) for key in columns]
        table.add_row(str(trial.number), *params, values, state, f"{trial.seconds:.1f}")
    console.print(table)
    if len(latest) < len(view.trials):
        console.print(f"the latest {len(latest)} of {len(view.trials)} trials; the study's journal has them all")
    for trial in latest:
        if trial.failure:
            console.print(f"trial {trial.number}: {trial.failure['message']}", markup=False, soft_wrap=True)
            console.print(f"  again: {shlex.join(trial.command)}", markup=False, soft_wrap=True)
    print(view.directory, flush=True)


def shown(value: float, error: float | None) -> str:
    """A value, with its standard error if there is one."""
    return f"{value:.6g}" if error is None else f"{value:.6g} ± {error:.2g}"


def write_results(book: Book, directory: Path) -> None:
    """Write optimization_results.yaml, as hydra-optuna-sweeper does: the best point, or the Pareto front."""
    import optuna

    study = optuna.load_study(study_name=book.name, storage=book.storage)
    if not study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE]):
        return
    results: dict[str, Any] = {"name": "optuna"}
    if len(book.plan.directions) == 1:
        results |= {"best_params": study.best_params, "best_value": study.best_value}
    else:
        results["solutions"] = [{"params": t.params, "values": t.values} for t in study.best_trials]
    files.write_text(directory / "optimization_results.yaml", OmegaConf.to_yaml(OmegaConf.create(results)))
