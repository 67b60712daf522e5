"""What differs between the trials of a table: settings and metrics, for the reader who ticks two of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import OmegaConf

from hwsweep.sweep.config_snapshot import plain_config
from hwsweep.sweep.study.record import flatten
from hwsweep.sweep.study.trial_view import TrialView
from hwsweep.sweep.study.view import StudyView

DIGITS = 5
"""Significant digits of a number; numbers that agree in them count as the same."""

Row = tuple[str, bool, dict[str, Any], dict[str, float]]
"""Name of a trial, whether it failed, its settings and its metrics."""


def differences(views: Sequence[StudyView]) -> dict[str, Any]:
    """Names of the trials, and by key the settings and metrics that are not the same in all; empty without any.

    Each list is in the order of the rows of a table of trials: by study and number, failed trials last. None stands
    where a trial has no value.
    """
    rows = [row for view in views for row in _rows(view, f"{view.name}, " if len(views) > 1 else "")]
    rows.sort(key=lambda row: row[1])
    settings = _columns([settings for _, _, settings, _ in rows])
    metrics = _columns([metrics for _, _, _, metrics in rows])
    if not settings and not metrics:
        return {}
    return {"names": [name for name, *_ in rows], "settings": settings, "metrics": metrics}


def _rows(view: StudyView, prefix: str) -> Iterator[Row]:
    choices = view.config.get("hydra", {}).get("runtime", {}).get("choices", {})
    groups = [key for key in view.axes if key in choices]
    configs: dict[tuple[str, ...], dict[str, Any]] = {}
    for trial in view.trials:
        options = tuple(str(trial.params.get(group)) for group in groups)
        if options not in configs:  # one file for all trials with these options: each takes 20 ms
            configs[options] = _config(view, trial if groups else None)
        settings = {**configs[options], **trial.params}
        metrics = {**dict(zip(view.objective_names, trial.values, strict=False)), **trial.metrics}
        yield f"{prefix}trial {trial.number}", trial.failure is not None, settings, metrics


def _config(view: StudyView, trial: TrialView | None) -> dict[str, Any]:
    """Every setting of the study's config by its dotted key, or of the config of this trial where it is stored."""
    config = view.config
    if trial is not None:
        path = trial.runs[0].directory / str(view.config.hydra.get("output_subdir")) / "config.yaml"
        config = OmegaConf.create(OmegaConf.load(path)) if path.exists() else config  # type: ignore[assignment]
    return flatten(plain_config(config))


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The values of each key that differ between the rows."""
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = {key: [_plain(row.get(key)) for row in rows] for key in keys}
    return {key: values for key, values in columns.items() if any(value != values[0] for value in values)}


def _plain(value: object) -> str | float | None:
    """The value as JSON has it: None, text, or a finite number with few digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf"):
        return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
    return str(value)
