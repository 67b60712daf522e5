"""What a study shows at its end, from planted trials."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from rich.console import Console

from hwsweep import result, tracking
from hwsweep.figures import drawing
from hwsweep.figures.interpolation import InterpolationInfo
from hwsweep.figures.reconstructions import ReconstructionsInfo
from hwsweep.figures.samples import SamplesInfo
from hwsweep.report.study import draw_montages, log_study, show_table, verdicts
from hwsweep.sweep.view import StudyView, TrialView

METRICS = {"test/distortion": 7.0, "test/rate": 3.0, "test/neg_elbo": 10.0}


def trial(folder: Path, number: int, kl_weight: float, **changes: Any) -> TrialView:
    fields: dict[str, Any] = {
        "number": number,
        "params": {"vae.lambda": kl_weight},
        "state": "complete",
        "values": [10.0],
        "directory": folder / str(number),
        "seconds": 12.34,
        "failure": None,
        "metrics": METRICS,
        "run_id": "a" * 32,
        "command": [],
        "errors": [],
        "runs": [],
    }
    (folder / str(number) / "figures").mkdir(parents=True)
    return TrialView(**(fields | changes))


def study(folder: Path, *trials: TrialView) -> StudyView:
    config = OmegaConf.create({"table": list(METRICS), "vae": {"lambda": 1, "likelihood": "bernoulli", "sigma2": 1.0}})
    return StudyView("mine", folder, ["python", "-m", "hwsweep"], config, {"vae.lambda": (0, 1)}, list(trials))


def shown(view: StudyView) -> str:
    console = Console(file=io.StringIO(), width=120)
    show_table(view, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def draw_images(folder: Path) -> None:
    images = np.zeros((4, 5, 7, 1), dtype=np.uint8)
    drawing.store(ReconstructionsInfo("", images, images, 2), folder / "reconstructions.npz")
    drawing.store(SamplesInfo("", images, 2), folder / "samples.npz")
    drawing.store(InterpolationInfo("", images, np.stack([images] * 3, axis=1), images), folder / "interpolation.npz")


def test_the_table_has_a_line_per_trial_with_its_numbers_and_run(tmp_path: Path) -> None:
    first = trial(tmp_path, 0, 0)
    result.write(first.directory, "a" * 32, METRICS, {"verdict": "healthy"})
    lines = shown(study(tmp_path, first)).splitlines()
    assert lines[2].split() == ["lambda", "distortion", "rate", "neg_elbo", "verdict", "seconds", "run", "id"]
    assert lines[4].split() == ["0", "7.00", "3.00", "10.00", "healthy", "12.3", "a" * 32]


def test_a_failed_trial_says_why_in_the_table_and_has_no_verdict(tmp_path: Path) -> None:
    failure = {"reason": "diverged", "message": "the loss is inf"}
    failed = trial(tmp_path, 0, 9, state="failed", values=[], failure=failure, metrics={}, run_id=None)
    view = study(tmp_path, failed)
    assert "diverged: the loss is inf" in shown(view)
    assert verdicts(view) == []
    assert draw_montages(view) == []


def test_a_montage_is_drawn_of_the_runs_that_have_all_three_pictures(tmp_path: Path) -> None:
    whole, half = trial(tmp_path, 0, 0), trial(tmp_path, 1, 1)
    draw_images(whole.directory / "figures")
    draw_images(half.directory / "figures")
    (half.directory / "figures" / "samples.npz").unlink()
    assert draw_montages(study(tmp_path, whole, half)) == [tmp_path / "montage.png"]
    assert draw_montages(study(tmp_path, half)) == []


def test_the_studys_own_run_is_one_run_however_often_the_study_ends(workplace: Path) -> None:
    folder = workplace / "outputs" / "mine"
    view = study(folder, trial(folder, 0, 0), trial(folder, 1, 1, state="failed"))
    store = tracking.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    for _ in range(2):
        log_study(view, store, [], ["lambda = 0: healthy"])
    (run,) = store.client().search_runs([store.experiment("mine")])
    assert run.data.tags["hwsweep.role"] == "study"
    assert "lambda = 0: healthy" in run.data.tags["mlflow.note.content"]
    assert run.data.metrics == {"trials/complete": 1, "trials/failed": 1}


@pytest.mark.parametrize(("values", "expected"), [((0.0,), 1), ((0.0, 1.0, 2.0), 3)])
def test_every_finished_run_gets_its_sentence(tmp_path: Path, values: tuple[float, ...], expected: int) -> None:
    trials = [trial(tmp_path, number, value) for number, value in enumerate(values)]
    for each in trials:
        result.write(each.directory, "a" * 32, METRICS, {"why": "healthy: all is well"})
    said = verdicts(study(tmp_path, *trials))
    assert said[0] == "lambda = 0.0: healthy: all is well"
    assert len(said) == expected
