"""What a study prints on the terminal and stores in MLflow, from planted trials."""

from __future__ import annotations

import io
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from planted_studies import METRICS, failed, study, trial, with_verdict
from rich.console import Console

from hwsweep import run_folder
from hwsweep.report.naming import verdict_sentences
from hwsweep.report.observer import StudyReport
from hwsweep.report.study_run import log_study, note
from hwsweep.report.terminal_table import print_table
from hwsweep.report.write import write_report
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.trial_view import RunView
from hwsweep.sweep.study.view import StudyView
from hwsweep.tracking import runs


def printed_table(view: StudyView) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_table(view, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_a_line_per_trial_with_its_numbers_and_run(tmp_path: Path) -> None:
    first = with_verdict(trial(tmp_path, 0, 0), "healthy")
    lines = printed_table(study(tmp_path, first)).splitlines()
    assert lines[2].split() == ["valid/", "test/", "test/", "test/"]  # the names of the page, in two lines
    names = ["neg_elbo", "distortion", "rate", "neg_elbo"]
    assert lines[3].split() == ["lambda", *names, "verdict", "seconds", "run", "id"]
    assert lines[5].split() == ["0", "10.00", "7.00", "3.00", "10.00", "healthy", "12.3", "a" * 32]


def test_the_table_shows_why_a_trial_failed_and_no_verdict_on_it(tmp_path: Path) -> None:
    view = study(tmp_path, failed(tmp_path, 0, 9, "diverged", "the loss is inf"))
    assert "diverged: the loss is inf" in printed_table(view)
    assert verdict_sentences(view) == []


def test_the_studys_own_run_is_one_run_with_its_page_however_often_the_study_ends(workplace: Path) -> None:
    folder = workplace / "outputs" / "mine"
    view = study(folder, with_verdict(trial(folder, 0, 0), "healthy"), failed(folder, 1, 1, "error", "no"))
    page = folder / "report.html"
    page.write_text("<p>", encoding="utf-8")
    store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    for _ in range(2):
        log_study(view, store, [page])
    (run,) = store.client().search_runs([store.experiment("mine")])
    assert run.data.tags["hwsweep.role"] == "study"
    assert "* lambda = 0: healthy: an example\n" in run.data.tags["mlflow.note.content"]
    assert run.data.metrics == {"trials/complete": 1, "trials/failed": 1}
    assert [file.path for file in store.client().list_artifacts(run.info.run_id)] == ["report.html"]


def test_every_finished_run_gets_its_sentence(tmp_path: Path) -> None:
    trials = [with_verdict(trial(tmp_path, n, value), "healthy") for n, value in enumerate((0.0, 1.0, 2.5))]
    assert verdict_sentences(study(tmp_path, *trials)) == [
        f"lambda = {value}: healthy: an example" for value in ("0", "1", "2.5")
    ]


def test_the_verdict_on_a_point_with_several_seeds_names_the_run_that_it_comes_from(tmp_path: Path) -> None:
    seeds = [RunView(tmp_path / f"seed_{seed}", None, METRICS, "a" * 32) for seed in range(3)]
    run_folder.write_result(seeds[0].directory, "a" * 32, METRICS, {"why": "healthy: an example"})
    view = study(tmp_path, trial(tmp_path, 0, 1, runs=seeds))
    assert verdict_sentences(view) == ["lambda = 1 (the first of 3 seeds): healthy: an example"]


def test_a_page_that_cannot_be_written_is_a_message_and_the_same_command_makes_it(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(view: StudyView, processes: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("hwsweep.report.observer.write_report", broken)
    view = study(workplace, trial(workplace, 0, 0))
    view.config.tracking = {"uri": f"sqlite:///{workplace}/mlruns/mlflow.db", "artifacts": "mlruns/artifacts"}
    with pytest.raises(SweepError, match=r"the page could not be written: OSError: no space left; .* the same command"):
        StudyReport().finished(view)  # what the sweep then leaves out is the mark that the study has ended


@pytest.mark.parametrize("is_known", [True, False])
def test_a_page_whose_processes_are_killed_is_drawn_without_them(workplace: Path, is_known: bool) -> None:
    view = study(workplace, *(with_verdict(trial(workplace, number, number), "healthy") for number in range(5)))
    with ProcessPoolExecutor(1, get_context("fork")) as broken:
        killed = broken.submit(os._exit, 1)
        if is_known:
            killed.exception()
        report = write_report(view, broken)
    assert report.page.exists() and report.figures and report.problems == []


def test_of_a_long_study_the_terminal_shows_the_best_200_by_number_and_says_so(tmp_path: Path) -> None:
    trials = [trial(tmp_path, number, number)._replace(values=[float(211 - number)]) for number in range(211)]
    lines = printed_table(study(tmp_path, *trials)).splitlines()
    numbers = [int(line.split()[0]) for line in lines if line.split() and line.split()[0].isdigit()]
    assert numbers == list(range(11, 211))  # the last trial has the lowest value
    assert "of 211 trials the best 200" in lines[-1]


def test_up_to_twenty_verdicts_are_listed_and_of_more_trials_one_of_each_verdict_with_their_number(
    tmp_path: Path,
) -> None:
    names = ["healthy"] * 11 + ["partly collapsed"] + ["collapsed"] * 9
    trials = [with_verdict(trial(tmp_path, number, number), name) for number, name in enumerate(names)]
    assert verdict_sentences(study(tmp_path, *trials)) == [
        "11 of 21 trials, such as lambda = 5: healthy: an example",
        "1 of 21 trials: lambda = 11: partly collapsed: an example",
        "9 of 21 trials, such as lambda = 16: collapsed: an example",
        "results.csv has the verdict on every trial.",
    ]
    listed = verdict_sentences(study(tmp_path, *trials[:20]))
    assert [len(listed), listed[19]] == [20, "lambda = 19: collapsed: an example"]


def test_the_note_of_a_study_fits_into_a_tag_of_mlflow(tmp_path: Path) -> None:
    trials = [with_verdict(trial(tmp_path, number, number), "healthy " * 60) for number in range(20)]
    text = note(study(tmp_path, *trials))
    assert 7000 < len(text) <= 8000
    assert "Select the trials" in text and "* lambda = 0: healthy" in text
