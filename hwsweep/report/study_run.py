"""The MLflow run of a study: the page, the figures, and a note that says how to read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from hwsweep import run_folder
from hwsweep.report.naming import command_line, states_text, trial_title, verdict, verdict_sentences
from hwsweep.sweep.study.view import StudyView
from hwsweep.tracking import runs

MAX_VERDICTS = 12
"""Verdicts without numbers in the first lines of the note."""
MAX_NOTE = 8000
"""Characters of a tag that MLflow stores."""


def log_study(view: StudyView, store: runs.Store, files: Sequence[Path]) -> None:
    """Log these files, the number of trials in each state and the note; a study has one such run."""
    states = Counter(trial.state for trial in view.trials)
    tags = {"hwsweep.role": "study", "hwsweep.study": view.name, "mlflow.note.content": note(view)}
    with runs.open_run(store, view.name, "study", {}, tags, run_folder.run_id(view.directory)) as run:
        run_folder.write_result(view.directory, run.id, {}, {})
        run.log_metrics({f"trials/{state}": float(n) for state, n in states.items()}, step=0)
        for file in files:
            run.log_artifact(file)


def note(view: StudyView) -> str:
    """What the study found and how to read its runs, in Markdown, of at most `MAX_NOTE` characters."""
    verdicts = [f"{trial_title(trial, view)}: {verdict(trial)}" for trial in view.complete_trials if verdict(trial)]
    first = (
        f"**Study {view.name}**: {states_text(view.trials)}; "
        f"swept: {', '.join(f'`{axis}`' for axis in view.axes)}.\n\n"
        + f"{'; '.join(verdicts[:MAX_VERDICTS])}\n\n"  # first: MLflow folds a note after a few lines
    )
    last = (
        f"\n    {command_line(view.command)}\n\n"
        "Select the trials in the table and press *Compare* for their curves side by side. "
        "The page of the study is the artifact `report.html`."
    )
    sentences = [f"* {sentence}\n" for sentence in verdict_sentences(view)]
    lengths = list(accumulate(map(len, sentences), initial=len(first) + len(last)))
    shown = [sentence for sentence, length in zip(sentences, lengths[1:], strict=True) if length <= MAX_NOTE]
    return f"{first}{''.join(shown)}{last}"
