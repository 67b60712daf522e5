"""What a study shows on the terminal and keeps in MLflow, from planted trials."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from planted_studies import METRICS, failed, study, trial
from rich.console import Console

from hwsweep import run_folder
from hwsweep.report.ending import log_study, sentences, show_table
from hwsweep.report.naming import verdicts
from hwsweep.report.observer import Study
from hwsweep.sweep.study.view import RunView, StudyView
from hwsweep.tracking import runs


def shown(view: StudyView) -> str:
    console = Console(file=io.StringIO(), width=120)
    show_table(view, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_a_line_per_trial_with_its_numbers_and_run(tmp_path: Path) -> None:
    first = trial(tmp_path, 0, 0)
    run_folder.write_result(first.directory, "a" * 32, METRICS, {"verdict": "healthy"})
    lines = shown(study(tmp_path, first)).splitlines()
    assert lines[2].split() == ["lambda", "distortion", "rate", "neg_elbo", "verdict", "seconds", "run", "id"]
    assert lines[4].split() == ["0", "7.00", "3.00", "10.00", "healthy", "12.3", "a" * 32]


def test_a_failed_trial_says_why_in_the_table_and_has_no_verdict(tmp_path: Path) -> None:
    view = study(tmp_path, failed(tmp_path, 0, 9, "diverged", "the loss is inf"))
    assert "diverged: the loss is inf" in shown(view)
    assert verdicts(view) == []


def test_the_studys_own_run_is_one_run_with_its_page_however_often_the_study_ends(workplace: Path) -> None:
    folder = workplace / "outputs" / "mine"
    view = study(folder, trial(folder, 0, 0), failed(folder, 1, 1, "error", "no"))
    page = folder / "report.html"
    page.write_text("<p>", encoding="utf-8")
    store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    for _ in range(2):
        log_study(view, store, [page], ["lambda = 0: healthy"])
    (run,) = store.client().search_runs([store.experiment("mine")])
    assert run.data.tags["hwsweep.role"] == "study"
    assert "lambda = 0: healthy" in run.data.tags["mlflow.note.content"]
    assert run.data.metrics == {"trials/complete": 1, "trials/failed": 1}
    assert [file.path for file in store.client().list_artifacts(run.info.run_id)] == ["report.html"]


def test_every_finished_run_gets_its_sentence(tmp_path: Path) -> None:
    trials = [trial(tmp_path, number, value) for number, value in enumerate((0.0, 1.0, 2.5))]
    for each in trials:
        run_folder.write_result(each.directory, "a" * 32, METRICS, {"why": "healthy: all is well"})
    assert verdicts(study(tmp_path, *trials)) == [
        f"lambda = {value}: healthy: all is well" for value in ("0", "1", "2.5")
    ]


def test_of_a_point_with_several_seeds_it_is_said_whose_verdict_stands_there(tmp_path: Path) -> None:
    runs = [RunView(tmp_path / f"seed_{seed}", None, METRICS, "a" * 32) for seed in range(3)]
    for each in runs:
        each.directory.mkdir()
    run_folder.write_result(runs[0].directory, "a" * 32, METRICS, {"why": "healthy: all is well"})
    view = study(tmp_path, trial(tmp_path, 0, 1, runs=runs))
    assert verdicts(view) == ["lambda = 1 (the first of 3 seeds): healthy: all is well"]


def test_a_page_that_cannot_be_written_is_told_and_the_study_ends_well(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(view: StudyView, processes: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("hwsweep.report.observer.write_report", broken)
    view = study(workplace, trial(workplace, 0, 0))
    view.config.tracking = {"uri": f"sqlite:///{workplace}/mlruns/mlflow.db", "artifacts": "mlruns/artifacts"}
    Study().finished(view)
    told = capsys.readouterr().out
    assert "the page could not be written: OSError: no space left" in told
    assert "again: python -m hwsweep.report mine" in told


def test_of_a_long_study_the_terminal_shows_the_best_200_by_number_and_says_so(tmp_path: Path) -> None:
    trials = [trial(tmp_path, number, number)._replace(values=[float(211 - number)]) for number in range(211)]
    lines = shown(study(tmp_path, *trials)).splitlines()
    numbers = [int(line.split()[0]) for line in lines if line.split() and line.split()[0].isdigit()]
    assert numbers == list(range(11, 211))  # the lowest value is the last trial's
    assert "of 211 trials the best 200" in lines[-1]


def test_the_first_twenty_verdicts_are_told_and_how_many_there_are_more() -> None:
    assert sentences([str(place) for place in range(23)])[18:] == [
        "18",
        "19",
        "and 3 more; the page and results.csv have them",
    ]
    assert sentences(["one"]) == ["one"]
