"""The report of a stored study needs only its folder, which Optuna itself writes here in the place of a sweep."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hydra import compose, initialize_config_dir
from stored_studies import leave_study

from hwsweep import conf_path
from hwsweep.report.__main__ import write
from hwsweep.study.stored_study import StoredStudy, study_folder
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.stored_view import changes, stored_view

WITHOUT_TORCH = """
import sys
from hwsweep import load_study
from hwsweep.report.__main__ import write
print(*write([load_study(sys.argv[1])]))
assert "torch" not in sys.modules and "mlflow" not in sys.modules
"""


def test_a_stored_study_is_read_with_states_metrics_failures_and_commands(tmp_path: Path) -> None:
    view = stored_view(leave_study(tmp_path / "mine", 11))
    assert [trial.state for trial in view.trials] == [
        *["complete"] * 6,
        "pruned",
        *["complete"] * 2,
        "failed",
        "interrupted",
    ]
    assert view.trials[0].metrics["test/metric_3"] == pytest.approx(view.trials[0].values[0] + 3)
    assert view.trials[9].failure is not None and view.trials[9].failure["reason"] == "diverged"
    latent, rate, weight = (view.trials[0].params[key] for key in ("vae.latent", "optimizer.lr", "vae.lambda"))
    again = ["epochs=3", f"vae.lambda={weight}", f"vae.latent={latent}", f"optimizer.lr={rate}"]
    assert view.trials[0].command == ["python", "-m", view.config.hydra.job.name, *again]
    assert view.log_keys == {"vae.lambda"} and list(view.axes) == ["vae.lambda", "vae.latent", "optimizer.lr"]
    assert changes(view) == [("epochs", "10", "3")]


def test_changes_name_the_groups_that_another_model_does_not_have(tmp_path: Path) -> None:
    view = stored_view(leave_study(tmp_path / "mine", 1))
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose("config", ["model=transformer", "transformer.heads=2"], return_hydra_config=True)
    found = changes(view._replace(config=config))
    assert ("model", "vae", "transformer") in found and ("kl", "constant", "(absent)") in found
    assert found[-1] == ("transformer.heads", "4", "2")


def test_changes_name_a_group_that_only_the_command_adds(tmp_path: Path) -> None:
    view = stored_view(leave_study(tmp_path / "mine", 1))
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose("config", ["+tokenizer=spacy"], return_hydra_config=True)
    assert changes(view._replace(config=config)) == [("tokenizer", "(absent)", "spacy")]


def test_a_program_without_a_config_file_has_its_changes_on_the_page(tmp_path: Path) -> None:
    view = stored_view(leave_study(tmp_path / "mine", 1))
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose(None, ["+x=1"], return_hydra_config=True)
    assert changes(view._replace(config=config)) == [("x", "(absent)", "1")]


def test_a_trial_of_a_sweep_that_still_runs_is_running(tmp_path: Path) -> None:
    folder = leave_study(tmp_path / "mine", 3)
    with FileLock(folder / "study.lock"):
        assert stored_view(folder).trials[-1].state == "running"
    assert stored_view(folder).trials[-1].state == "interrupted"


def test_reading_a_study_changes_none_of_its_files(tmp_path: Path) -> None:
    folder = leave_study(tmp_path / "mine", 3)
    with (folder / "journal.log").open("ab") as journal:
        journal.write(b'{"op_code": 4, "wor')  # as if its writer had stopped in the middle of a line
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(stored_view(folder).trials) == 3
    assert {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() if path.name != "study.lock"
    } == before


@pytest.mark.slow
def test_the_page_of_a_stored_study_needs_neither_torch_nor_mlflow(tmp_path: Path) -> None:
    folder = leave_study(tmp_path / "mine", 25)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(folder / "report.html"), str(folder / "results.csv")]
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "The search" in html and "slots idle" not in html  # no run has stored its time


def test_a_missing_study_is_refused_with_the_names_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = leave_study(tmp_path / "outputs" / "mine", 1)
    assert study_folder("mine").samefile(folder) and study_folder("outputs/mine").samefile(folder)
    with pytest.raises(SweepError, match=r"no study 'other'.*there are mine"):
        study_folder("other")
    (folder / "journal.log").unlink()
    with pytest.raises(SweepError, match=r"journal\.log is gone"):
        stored_view(folder)


@pytest.mark.slow
def test_the_page_of_a_thousand_trials_is_small_and_fast(tmp_path: Path) -> None:
    folder = leave_study(tmp_path / "mine", 1000, picture_bytes=300_000)
    started = time.process_time()
    (page, _) = write([StoredStudy.load(folder)])
    assert time.process_time() - started < 30
    assert page.stat().st_size < 10_000_000
