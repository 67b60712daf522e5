"""results.csv: every trial with every number, for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from hwsweep.report.naming import command, objectives

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView


def results_csv(view: StudyView) -> str:
    """One line per trial: swept values, objectives, all metrics, how it ended, the command that repeats it."""
    metrics = sorted({key for trial in view.trials for key in trial.metrics})
    named = objectives(view)
    errors = [f"{name} standard error" for name in named] if any(trial.errors for trial in view.trials) else []
    metrics = [key for key in metrics if key not in named]
    told = ["seconds", "run_id", "reason", "message", "command"]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["trial", "state", *view.axes, *named, *errors, *metrics, *told], lineterminator="\n")
    writer.writeheader()
    for trial in view.trials:
        failure = trial.failure or {}
        writer.writerow(
            {
                "trial": trial.number,
                "state": trial.state,
                **{key: trial.params[key] for key in view.axes if key in trial.params},
                **dict(zip(named, trial.values, strict=False)),
                **dict(zip(errors, trial.errors, strict=False)),
                **{key: trial.metrics[key] for key in metrics if key in trial.metrics},
                "seconds": f"{trial.seconds:.3f}",
                "run_id": trial.run_id,
                "reason": failure.get("reason"),
                "message": failure.get("message"),
                "command": command(trial.command),
            }
        )
    return text.getvalue()
