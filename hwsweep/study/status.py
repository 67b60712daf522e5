"""How a study stands, in lines: its trials by state, what runs, what comes next, rungs, the best one, the time left."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsweep.sweep import SweepError
from hwsweep.sweep.command.planning import headline
from hwsweep.sweep.ownership.locks import is_running
from hwsweep.sweep.search.constraints import is_feasible
from hwsweep.sweep.study.record import read_record
from hwsweep.sweep.study.steering import SteeredStudy, point_text
from hwsweep.sweep.study.stored_view import stored_trials
from hwsweep.sweep.study.trial_attributes import (
    ADDED,
    HELD,
    N_TRIALS,
    NOTE,
    PAUSED,
    PROMOTED,
    REFUSED,
    STOP,
    STOPPED,
    WIDENED,
    is_paused,
    trial_params,
)
from hwsweep.sweep.study.trial_view import STATES
from hwsweep.sweep.study.view import objective_names

if TYPE_CHECKING:
    from hwsweep.sweep.study.trial_attributes import FrozenTrial

MAX_LINES = 10
"""Trials, or points to come, that are named one by one."""


def status(study: SteeredStudy) -> list[str]:
    """The lines that show how the study stands."""
    plan, counts = study.proposals.update(), study.store.counts()
    attributes, trials = study.store.study_attributes(), study.store.trials()
    shown = headline(plan._replace(total=study.proposals.total()), study.settings, counts.finished)
    held = ", paused: no trial starts" if attributes.get(HELD) else ""
    return [
        f"study {study.name}: {state_of(study.directory, study.record)}{held}",
        f"  {shown}",
        *([f"  {study.record['ending']}"] if study.record.get("ending") else []),
        *_changes(attributes),
        f"  trials: {_states(trials) or 'none begun'}",
        *_limited([_running(trial) for trial in trials if trial.state.name == "RUNNING"]),
        *_limited([_waiting(trial) for trial in trials if trial.state.name == "WAITING" and not is_paused(trial)]),
        *_next(study),
        *_rungs(trials),
        *_best(study, trials),
        *_time_left(study, trials),
        *([f"  note: {attributes[NOTE]}"] if attributes.get(NOTE) else []),
        f"  folder: {study.directory}",
    ]


def studies(folder: Path) -> list[str]:
    """A line per study of the folder, by name.

    Raises:
        SweepError: there is none.
    """
    rows = [("study", "state", "trials", "best", "note")]
    for path in sorted(folder.glob("*/study.json")):
        try:
            rows.append(_row(path.parent))
        except SweepError as error:
            rows.append((path.parent.name, "cannot be read", "", "", str(error)))
    if len(rows) == 1:
        raise SweepError(f"no study in {folder}/; see the option `folder`")
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join([*(cell.ljust(n) for cell, n in zip(row, widths, strict=False)), row[4]]).rstrip() for row in rows
    ]


def state_of(directory: Path, record: Mapping[str, Any]) -> str:
    """Whether a process runs the study, in words."""
    if is_running(directory):
        return "running"
    return "ended" if record["status"] == "ended" else "not running, and not at its end"


def _row(directory: Path) -> tuple[str, str, str, str, str]:
    record, stored = read_record(directory) or {}, stored_trials(directory)
    trials = stored.get_trials(deepcopy=False)
    best = ""
    if len(stored.directions) == 1:
        complete = [trial for trial in trials if trial.state.name == "COMPLETE" and is_feasible(trial.constraints)]
        values = [trial.values[0] for trial in complete]
        choose = max if stored.directions[0].name == "MAXIMIZE" else min
        best = f"{choose(values):.6g}" if values else ""
    attributes = stored.user_attrs
    state = state_of(directory, record) + (", paused" if attributes.get(HELD) else "")
    return str(record["name"]), state, _states(trials), best, str(attributes.get(NOTE) or "")


def _changes(attributes: Mapping[str, Any]) -> list[str]:
    """What users have changed of the plan."""
    lines = [f"  n_trials={attributes[N_TRIALS]}, set by a user"] if attributes.get(N_TRIALS) else []
    for addition in attributes.get(WIDENED) or []:
        lists = ", ".join(f"{key}={','.join(map(str, values))}" for key, values in addition.items())
        lines.append(f"  widened by a user: {lists}")
    return lines


def _state(trial: FrozenTrial) -> str:
    if is_paused(trial):
        return "paused"
    for attribute, state in ((STOPPED, "stopped"), (REFUSED, "refused")):
        if attribute in trial.user_attrs:
            return state
    return STATES[trial.state.name]


def _states(trials: Sequence[FrozenTrial]) -> str:
    """ "9 complete, 1 failed, 2 running"."""
    return ", ".join(f"{n} {state}" for state, n in Counter(map(_state, trials)).items())


def _limited(lines: list[str]) -> list[str]:
    more = [f"    and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
    return [*(f"    {line}" for line in lines[:MAX_LINES]), *more]


def _running(trial: FrozenTrial) -> str:
    step = max(trial.intermediate_values, default=None)
    report = "" if step is None else f", {trial.intermediate_values[step]:.6g} at step {step}"
    return f"running: {_title(trial)}{report}{', to be stopped' if STOP in trial.user_attrs else ''}"


def _waiting(trial: FrozenTrial) -> str:
    return f"waiting: {_title(trial)}{', to be stopped' if STOP in trial.user_attrs else ''}"


def _title(trial: FrozenTrial) -> str:
    """ "trial 7, vae.lambda=7 (retry of trial 4)"."""
    added = trial.user_attrs.get(ADDED)
    point = " ".join([point_text(trial_params(trial)), *(added or {}).get("overrides", ())])
    origin = ""
    if added is not None:
        origin = f" ({added['by']})" if added["of"] is None else f" ({added['by']} of trial {added['of']})"
    return f"trial {trial.number}, {point}{origin}"


def _next(study: SteeredStudy) -> list[str]:
    """What comes after the trials that wait."""
    plan, index = study.proposals.plan, study.proposals.next_index()
    if index is None:
        return []
    left = plan.total - (index - study.store.counts().refused)
    if plan.points is None:
        return [f"    then: {left} trial{'s' * (left != 1)} that the sampler proposes"]
    points = plan.points[index : plan.total]
    return _limited([f"then: {point_text(point)}" for point in points])


def _rungs(trials: Sequence[FrozenTrial]) -> list[str]:
    """Per rung: how many trials went on, pause and ended there."""
    lines = []
    attributes = [(trial, trial.user_attrs.get(PAUSED), trial.user_attrs.get(PROMOTED, 0)) for trial in trials]
    rungs = {paused for _, paused, _ in attributes if paused is not None} | {
        passed for *_, passed in attributes if passed
    }
    for rung in sorted(rungs):
        went_on = sum(passed >= rung for *_, passed in attributes)
        here = [trial for trial, paused, _ in attributes if paused == rung]
        n_paused = sum(map(is_paused, here))
        ended = len([trial for trial in here if trial.state.is_finished()])
        lines.append(f"  rung {rung}: {went_on} went on, {n_paused} paused, {ended} ended there")
    return lines


def _best(study: SteeredStudy, trials: Sequence[FrozenTrial]) -> list[str]:
    complete = [trial for trial in trials if trial.state.name == "COMPLETE" and is_feasible(trial.constraints)]
    if not complete or len(study.proposals.plan.directions) > 1:
        return []
    value = study.proposals.plan.best(trial.values[0] for trial in complete)
    best = next(trial for trial in complete if trial.values[0] == value)
    name = objective_names(study.config, 1)[0]
    return [f"  best: {name} {value:.6g}, {_title(best)}"]


def _time_left(study: SteeredStudy, trials: Sequence[FrozenTrial]) -> list[str]:
    """The mean time of a finished trial, times those that are left, over those that run at once."""
    finished = [trial.user_attrs for trial in trials if trial.state.is_finished() and STOPPED not in trial.user_attrs]
    seconds = [attributes["seconds"] for attributes in finished if "seconds" in attributes]
    running = [trial for trial in trials if trial.state.name == "RUNNING"]
    left = study.proposals.total() - study.store.counts().finished
    if not seconds or left <= 0:
        return []
    mean, slots = statistics.fmean(seconds), max(1, len(running))
    now = time.time()
    spent = sum(min(mean, now - trial.datetime_start.timestamp()) for trial in running if trial.datetime_start)
    text = _duration(max(0.0, left * mean - spent) / slots)
    return [
        f"  time left: {text}, for {left} trial{'s' * (left != 1)} of {_duration(mean)} on average, {slots} at once"
    ]


def _duration(seconds: float) -> str:
    """ "0.4 s", "20 s", "5 min" or "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
